"""The patient table made of many people's folds, against one patient at a time in plain Python: cell by cell."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import gettempdir

import pytest
from coded_record import codes_of, folded, people, rows
from hypothesis import example, given
from hypothesis import strategies as st
from made_specifications import specification

from popstrat.deriving.features import Features
from popstrat.deriving.folds import SET_ASIDE
from popstrat.deriving.kinds.registry import KINDS, examples
from popstrat.deriving.reference import derive_one
from popstrat.deriving.spec import load_spec

_built_in = cache(lambda as_of: load_spec("gp-record-2026").at(as_of))
_examples = cache(lambda path, as_of: load_spec(path).at(as_of))
AS_OF = (dt.date(2026, 6, 30), dt.date(2024, 2, 29), dt.date(2026, 3, 31))


def _compare(features: Features, rng: random.Random, count: int, most: int) -> None:
    codes = codes_of(features, rng)
    batch = people(rng, count, features.as_of)
    persons = batch.to_pylist()
    records = [rows(rng, features, codes, rng.randint(0, most)) for _ in persons]
    found, counts = folded(features, batch, records, codes, Path(gettempdir()))
    table = features.finalise(batch, found)
    assert table.schema.equals(features.table_schema(batch.schema))
    aside: Counter[tuple[str, str]] = Counter()
    assert table.column("patient_id").equals(batch.column("patient_id"))
    for i, (person, record) in enumerate(zip(persons, records, strict=True)):
        derived = derive_one(features, person, record, codes)
        row = {name: table.column(name)[i].as_py() for name in table.schema.names[2:]}
        assert row == {name: derived.values[name] for name in row}
        assert set(derived.values) == set(row)
        for why in derived.features.values():
            aside.update((one.fold, one.reason) for one in why.aside if one.reason in SET_ASIDE)
    told = {(fold, r): n for fold, one in counts.folds.items() for r, n in one.set_aside.items() if n}
    assert told == dict(aside)


@given(st.integers(0, 2**32), st.sampled_from(AS_OF))
def test_one_feature_of_each_kind(tmp_path_factory: pytest.TempPathFactory, seed: int, as_of: dt.date) -> None:
    path = tmp_path_factory.getbasetemp() / "features.toml"
    if not path.exists():
        path.write_text(examples())
    features = _examples(path, as_of)
    assert {f.name for f in features.features} == set(KINDS)
    _compare(features, random.Random(seed), 6, 30)


@given(st.integers(0, 2**32), st.sampled_from(AS_OF))
@example(2843, dt.date(2026, 6, 30))  # of two rows alike one has null for a value, the other NaN
def test_made_up_specifications(tmp_path_factory: pytest.TempPathFactory, seed: int, as_of: dt.date) -> None:
    path, rng = tmp_path_factory.getbasetemp() / "made.toml", random.Random(seed)
    path.write_text(specification(rng))
    _compare(load_spec(path).at(as_of), rng, 4, 60)


@given(st.integers(0, 2**32), st.sampled_from(AS_OF), st.booleans())
def test_the_built_in_specification(seed: int, as_of: dt.date, lacking: bool) -> None:
    rng, features = random.Random(seed), _built_in(as_of)
    if lacking:
        features = features.without(rng.sample(list(features.lists), k=10))
    _compare(features, rng, 5, 60)
