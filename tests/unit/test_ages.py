"""At which ages conditions can hold, by themselves."""

from __future__ import annotations

import pytest

from popstrat.packs.ages import Ages
from popstrat.packs.resolve import expression
from popstrat.scoring.scorer import Scorer


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer("neighbourhood-2026", "2026-06-30")


@pytest.mark.parametrize(
    ("rules", "ages"),
    [
        ([], range(131)),
        (["age >= 18"], range(18, 131)),
        (["18 <= age < 80", "hypertension"], range(18, 80)),
        (["age >= 18 and not ascvd", "age < 65"], range(18, 65)),
        (["age < 5 or age >= 65"], [*range(5), *range(65, 131)]),
        (["age < 5 or hypertension"], range(131)),
        (["frailty_int_segment"], range(65, 131)),
        (["age > 40 and age < 30"], []),
    ],
)  # fmt: skip
def test_ages_by_the_rules_alone(scorer: Scorer, rules: list[str], ages: list[int]) -> None:
    found = Ages(scorer.resolved).of([expression(scorer.resolved, rule) for rule in rules])
    assert found == frozenset(ages)
