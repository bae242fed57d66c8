"""Single rules, memory to memory on one thread: small packs of one definition each against the Polars expression.

popstrat checks the plausibility of what it reads on the way and hands out the key columns and the flags as well.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import peer_polars
import polars as pl
import pyarrow as pa
import pytest
from measuring import Versus

import popstrat

HEAD = """
[pack]
id = "bench"
version = "1"
title = "One rule, to be timed"
"""
AGE = """
[definition.age]
kind = "expression"
title = "Age"
version = "1"
assumption = "to have something to time"
value = "age"
type = "int16"
output = true
"""
COUNT = f"""
[sets.conditions]
title = "Conditions"
members = [{", ".join(f'"{name}"' for name in peer_polars.LTC)}]

[definition.ltc_count]
kind = "count"
title = "Long-term conditions"
version = "1"
assumption = "to have something to time"
of = "conditions"
output = true
"""
WEIGHTS = {name: round(0.05 + 0.01 * i, 2) for i, name in enumerate(peer_polars.LTC)}
PREDICTOR = """
[definition.predictor]
kind = "model"
title = "Linear predictor"
version = "1"
assumption = "to have something to time"
link = "identity"
intercept = 0.0
output = true
""" + "".join(
    f"""
[[definition.predictor.terms]]
id = "{name}"
title = "{name}"
when = "{name}"
coefficient = {weight}
evidence = "assumption"
why = "to have something to add up"
"""
    for name, weight in WEIGHTS.items()
)
GROUPS = {"south_asian": "HJKL", "black": "MNP", "mixed_or_other": "DEFGRS"}
CATEGORY = """
[definition.ethnic_group]
kind = "first_match"
title = "Ethnic group"
version = "1"
assumption = "to have something to time"
rules = [
""" + "".join(
    f"""    {{ label = "{label}", when = 'ethnicity in {{{", ".join(f'"{c}"' for c in codes)}}}' }},\n"""
    for label, codes in GROUPS.items()
) + """]
otherwise = "white_or_unknown"
output = true
"""  # fmt: skip
GROUP = pl.Enum([*GROUPS, "white_or_unknown"])


def _age(as_of: dt.date) -> pl.Expr:
    return peer_polars._age(as_of)


def _count(as_of: dt.date) -> pl.Expr:
    return peer_polars._ltc_count()


def _predictor(as_of: dt.date) -> pl.Expr:
    """In doubles, since that is what is asked for; hundredths as whole numbers would be another sum."""
    parts = [pl.when(name).then(weight).otherwise(0.0) for name, weight in WEIGHTS.items()]
    return peer_polars._total(parts).alias("predictor")


def _category(as_of: dt.date) -> pl.Expr:
    rules = [(pl.col("ethnicity").is_in(list(codes)), label) for label, codes in GROUPS.items()]
    return peer_polars._first(GROUP, *rules, otherwise="white_or_unknown").alias("ethnic_group")


KERNELS = {
    "age": ("age", AGE, _age),
    "count of 27 flags": ("ltc_count", COUNT, _count),
    "linear predictor, 27 terms": ("predictor", PREDICTOR, _predictor),
    "category from labels": ("ethnic_group", CATEGORY, _category),
}


@pytest.mark.parametrize("what", KERNELS, ids=lambda what: what.split()[0])
def test_kernel(
    what: str, table: pa.Table, frame: pl.DataFrame, as_of: dt.date, versus: Versus, tmp_path: Path
) -> None:
    output, pack, expression = KERNELS[what]
    path = tmp_path / "pack.toml"
    path.write_text(HEAD + pack, encoding="utf-8")
    scorer = popstrat.Scorer(path, as_of)
    batch = table.to_batches()[0]
    query: Callable[[], pl.DataFrame] = lambda: frame.select(expression(as_of))  # noqa: E731
    _assert_same(pl.from_arrow(pa.table({"x": scorer.score_batch(batch).column(output)})), query())
    versus(f"kernel: {what}", lambda: scorer.score_batch(batch), patients=len(table), threads=1, peer=("Polars", query))


def _assert_same(ours: pl.DataFrame | pl.Series, theirs: pl.DataFrame) -> None:
    assert isinstance(ours, pl.DataFrame)
    a, b = ours.to_series(), theirs.to_series()
    if a.dtype == pl.Float64:
        assert np.allclose(a.to_numpy(), b.to_numpy(), rtol=0, atol=1e-11)
    else:
        assert a.cast(pl.String).equals(b.cast(pl.String))
