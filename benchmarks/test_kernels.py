"""Single rules, memory to memory on one thread: small packs of one definition each, against the Polars expression and
against NumPy on arrays of its own liking.

popstrat checks the plausibility of what it reads on the way and hands out the key columns and the flags as well.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import peer_numpy
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
LOGISTIC = """
[definition.predictor]
kind = "model"
draft = true
title = "Linear predictor"
version = "1"
assumption = "to have something to time"
link = "logistic"
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
PREDICTOR = LOGISTIC.replace('"logistic"', '"identity"')
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


def _logistic(as_of: dt.date) -> pl.Expr:
    return (1 / (1 + (-_predictor(as_of)).exp())).round(6).alias("predictor")


def _category(as_of: dt.date) -> pl.Expr:
    rules = [(pl.col("ethnicity").is_in(list(codes)), label) for label, codes in GROUPS.items()]
    return peer_polars._first(GROUP, *rules, otherwise="white_or_unknown").alias("ethnic_group")


KERNELS = {
    "age": ("age", AGE, _age),
    "count of 27 flags": ("ltc_count", COUNT, _count),
    "linear predictor, 27 terms": ("predictor", PREDICTOR, _predictor),
    "probability, 27 terms": ("predictor", LOGISTIC, _logistic),
    "category from labels": ("ethnic_group", CATEGORY, _category),
}


@pytest.fixture(scope="module")
def block(table: pa.Table) -> peer_numpy.Flags:
    return peer_numpy.flags(table, peer_polars.LTC)


def _numpy(what: str, table: pa.Table, block: peer_numpy.Flags, as_of: dt.date) -> Callable[[], np.ndarray]:
    """The same rule in NumPy, its input made beforehand."""
    weights, born = np.array(list(WEIGHTS.values())), peer_numpy.births(table)
    calls: dict[str, Callable[[], np.ndarray]] = {
        "age": lambda: peer_numpy.age(born, as_of),
        "count of 27 flags": lambda: peer_numpy.count(block),
        "linear predictor, 27 terms": lambda: peer_numpy.predictor(block, weights),
        "probability, 27 terms": lambda: peer_numpy.logistic(block, weights),
    }
    return calls[what]


@pytest.fixture
def make_scorer(tmp_path: Path, as_of: dt.date) -> Callable[[str], popstrat.Scorer]:
    def make(what: str) -> popstrat.Scorer:
        path = tmp_path / "pack.toml"
        path.write_text(HEAD + KERNELS[what][1], encoding="utf-8")
        return popstrat.Scorer(path, as_of)

    return make


@pytest.mark.parametrize("what", KERNELS, ids=lambda what: what.split()[0].strip(","))
def test_polars(
    what: str,
    table: pa.Table,
    frame: pl.DataFrame,
    as_of: dt.date,
    make_scorer: Callable[[str], popstrat.Scorer],
    versus: Versus,
) -> None:
    output, _, expression = KERNELS[what]
    scorer, batch = make_scorer(what), table.to_batches()[0]

    def query() -> pl.DataFrame:
        return frame.select(expression(as_of))

    _assert_same(scorer.score_batch(batch).column(output), query().to_series())
    versus(f"kernel: {what}", lambda: scorer.score_batch(batch), patients=len(table), threads=1, peer=("Polars", query))


@pytest.mark.parametrize("what", list(KERNELS)[:-1], ids=lambda what: what.split()[0].strip(","))
def test_numpy(
    what: str,
    table: pa.Table,
    block: peer_numpy.Flags,
    as_of: dt.date,
    make_scorer: Callable[[str], popstrat.Scorer],
    versus: Versus,
) -> None:
    scorer, batch = make_scorer(what), table.to_batches()[0]
    call = _numpy(what, table, block, as_of)
    _assert_same(scorer.score_batch(batch).column(KERNELS[what][0]), pl.Series(call()))
    versus(
        f"kernel: {what}",
        lambda: scorer.score_batch(batch),
        patients=len(table),
        threads=1,
        peer=("NumPy", call),
        peer_threads=1,
    )


def _assert_same(ours: pa.Array, theirs: pl.Series) -> None:
    a = pl.Series(ours)
    if a.dtype == pl.Float64:
        assert np.allclose(a.to_numpy(), theirs.to_numpy(), rtol=0, atol=1e-11)
    else:
        assert a.cast(pl.String).to_list() == theirs.cast(pl.String).to_list()
