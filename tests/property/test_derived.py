"""The patient table made of many people's folds, against one patient at a time in plain Python: cell by cell."""

from __future__ import annotations

import datetime as dt
import random
from functools import cache

import pytest
from coded_record import compare
from hypothesis import example, given
from hypothesis import strategies as st
from made_specifications import specification

from popstrat.deriving.kinds.registry import KINDS, examples
from popstrat.deriving.spec import load_spec

_built_in = cache(lambda as_of: load_spec("gp-record-2026").at(as_of))
_examples = cache(lambda path, as_of: load_spec(path).at(as_of))
AS_OF = (dt.date(2026, 6, 30), dt.date(2024, 2, 29), dt.date(2026, 3, 31))


@given(st.integers(0, 2**32), st.sampled_from(AS_OF))
def test_one_feature_of_each_kind(tmp_path_factory: pytest.TempPathFactory, seed: int, as_of: dt.date) -> None:
    path = tmp_path_factory.getbasetemp() / "features.toml"
    if not path.exists():
        path.write_text(examples())
    features = _examples(path, as_of)
    assert {f.name for f in features.features} == set(KINDS)
    compare(features, random.Random(seed), 6, 30)


@given(st.integers(0, 2**32), st.sampled_from(AS_OF))
@example(2843, dt.date(2026, 6, 30))  # of two rows alike one has null for a value, the other NaN
def test_made_up_specifications(tmp_path_factory: pytest.TempPathFactory, seed: int, as_of: dt.date) -> None:
    path, rng = tmp_path_factory.getbasetemp() / "made.toml", random.Random(seed)
    path.write_text(specification(rng))
    compare(load_spec(path).at(as_of), rng, 4, 60)


@given(st.integers(0, 2**32), st.sampled_from(AS_OF), st.booleans())
def test_the_built_in_specification(seed: int, as_of: dt.date, lacking: bool) -> None:
    rng, features = random.Random(seed), _built_in(as_of)
    if lacking:
        features = features.without(rng.sample(list(features.lists), k=10))
    compare(features, rng, 5, 60)
