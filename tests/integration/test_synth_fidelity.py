"""The synthetic list reproduces the shares it was built on, and its conditions cluster as real ones do."""

from __future__ import annotations

import datetime as dt
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from popstrat import synthetic

AS_OF = dt.date(2026, 6, 30)
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fidelity.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fidelity", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fidelity"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


fidelity = _load()


@pytest.fixture(scope="module")
def people() -> Any:
    return fidelity.People(synthetic.table(200_000, seed=0, as_of=AS_OF), AS_OF)


@pytest.fixture(scope="module")
def figures(people: Any) -> dict[str, Any]:
    return {f.name: f for f in fidelity.figures(people)}


def test_every_figure_is_near_its_target(figures: dict[str, Any]) -> None:
    """On 200,000 people a rare register is a few hundred of them, and a place or two stand for London: twice the
    tolerance of a large list is allowed for."""
    held = [f for f in figures.values() if f.tolerance is not None]
    assert len(held) > 40
    far = {f.name: (f.target, round(f.generated, 3)) for f in held if not f.off <= 2 * f.tolerance}
    assert far == {}


def test_conditions_cluster(people: Any) -> None:
    """Far more people have many conditions, and none, than if each came by its own throw of the coin."""
    prime = (people.age >= 45) & (people.age < 65)
    flags = np.array([people[name][prime] for name in fidelity.LONG_TERM])
    share = flags.mean(axis=1)
    counts = np.array([1.0])
    for p in share:  # distribution of the sum of independent coins
        counts = np.convolve(counts, [1 - p, p])
    assert (flags.sum(axis=0) >= 4).mean() > 2 * counts[4:].sum()
    assert (flags.sum(axis=0) == 0).mean() > 1.1 * counts[0]
    assert people.ltc[prime].var() > 1.3 * (share * (1 - share)).sum()


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("diabetes", "hypertension", 2.5),
        ("heart_failure", "atrial_fibrillation", 5),
        ("depression", "anxiety", 4),
        ("copd", "emergency_admissions_12m", 2),
        ("homeless", "drug_dependence", 5),
        ("dementia", "care_home", 10),
    ],
)
def test_known_companions(people: Any, one: str, other: str, ratio: float) -> None:
    adult = people.adult
    with_, without = adult & people[one], adult & ~people[one]
    second = people[other] > 0
    assert fidelity.share(second, with_) > ratio * fidelity.share(second, without)


def test_known_gradients(people: Any) -> None:
    adult, women = people.adult, people["sex"] == "female"
    asian, black = np.isin(people["ethnicity"], ["H", "J", "K"]), np.isin(people["ethnicity"], ["M", "N", "P"])
    white = np.isin(people["ethnicity"], ["A", "B", "C"])
    middle = adult & (people.age >= 45) & (people.age < 75)
    share = fidelity.share
    assert share(people["diabetes"], middle & asian) > 1.5 * share(people["diabetes"], middle & white)
    assert share(people["hypertension"], middle & black) > 1.3 * share(people["hypertension"], middle & white)
    everyone = np.ones(len(adult), dtype=bool)
    assert share(people["sickle_cell"], black) > 10 * share(people["sickle_cell"], everyone & white)
    assert share(people["lupus"], adult & women) > 2 * share(people["lupus"], adult & ~women)
    assert share(people["osteoporosis"], women) > 3 * share(people["osteoporosis"], ~women)
    deprived, spared = people["imd_decile"] <= 2, people["imd_decile"] >= 9
    for name in ("copd", "smi", "diabetes", "drug_dependence"):
        assert share(people[name], adult & deprived) > 1.2 * share(people[name], adult & spared), name


def test_high_need_is_concentrated(people: Any) -> None:
    old, frailty, admitted = people.age >= 65, people.frailty, people["emergency_admissions_12m"] > 0
    assert fidelity.share(admitted, old & (frailty >= 2)) > 2 * fidelity.share(admitted, old & (frailty == 0))
    dying = people["end_of_life"] | people["palliative_care"]
    assert fidelity.share(dying, old & (frailty == 3)) > 5 * fidelity.share(dying, old)


def test_the_table_can_be_written(figures: dict[str, Any]) -> None:
    text = fidelity.as_table(list(figures.values()))
    assert text.startswith("| figure | target (source) | generated |")
    assert text.count("\n") == len(figures) + 1
