"""What several metrics of a release say together of one cell."""

from __future__ import annotations

import datetime as dt
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popstrat import synthetic
from popstrat.metrics import control, together
from popstrat.metrics.figures import Areas, Figures, Groups, Metric
from popstrat.metrics.people import PeopleCount
from popstrat.metrics.request import Request
from popstrat.metrics.rows import Grouping, Measure
from popstrat.privacy.disclosure import SMALLEST, WIDTH
from popstrat.privacy.disclosure.tables import nearest_five
from popstrat.runs.in_memory import score_table

AS_OF = "2026-06-30"


def release(counts: list[list[int]], denominator: list[int], said: str = 'status == "{}"') -> Figures:
    """So many labels in so many practices, of everybody alone."""
    practices = tuple(f"P{i}" for i in range(len(denominator)))
    nowhere = (None,) * len(practices)
    metrics = tuple(
        Metric(f"m{i}", "t", "1", Measure.PROPORTION, "all", "none", counted=said.format(i)) for i in range(len(counts))
    )
    n, k = len(denominator), len(counts)
    numerator, of = np.array(counts).reshape(-1), np.tile(denominator, k)
    zero = np.zeros(n * k, np.int64)
    return Figures(
        Areas(practices, nowhere, nowhere, nowhere), metrics, (Groups(Grouping.NONE, (None,)),),
        np.repeat(np.arange(k), n), zero + 4, np.tile(np.arange(n), k), zero, zero, numerator, of, numerator,
    )  # fmt: skip


def rows(figures: Figures) -> tuple[dict[int, np.ndarray], np.ndarray]:
    cell, cells = control._cells(figures)
    at = {}
    for metric in range(len(figures.metrics)):
        own = np.flatnonzero(figures.metric == metric)
        at[metric] = np.full(len(cells), -1)
        at[metric][cell[own]] = own
    return at, cells


def widths(counts: list[int], denominator: int, shown: list[bool], whole: bool) -> list[float]:
    """By trying all values that fit what is published: of each withheld label the highest less the lowest."""
    most = range(
        denominator - 2 + (nearest := int(nearest_five(np.array([denominator]))[0]) - denominator),
        nearest + denominator + 3,
    )
    ranges = [
        range(max(0, int(nearest_five(np.array([c]))[0]) - 2), int(nearest_five(np.array([c]))[0]) + 3)
        if s else range(SMALLEST if c < SMALLEST else max(most) + 1)
        for c, s in zip(counts, shown, strict=True)
    ]  # fmt: skip
    fit = [v for v in product(*ranges) if (sum(v) in most if whole else sum(v) <= max(most))]
    return [max(v[i] for v in fit) - min(v[i] for v in fit) for i, s in enumerate(shown) if not s]


@given(st.lists(st.integers(0, 22), min_size=2, max_size=3), st.integers(0, 9))
def test_intervals_are_those_of_all_values_that_fit(counts: list[int], rest: int) -> None:
    whole = rest < 5
    denominator = sum(counts) + (0 if whole else rest)
    shown = np.array([c >= SMALLEST for c in counts])
    found = together._widths(
        np.array(counts)[:, None], nearest_five(np.array(counts)).astype(float)[:, None],
        nearest_five(np.array([denominator])).astype(float), shown[:, None], np.array([True]), whole,
    )[~shown, 0]  # fmt: skip
    assert found.tolist() == widths(counts, denominator, shown.tolist(), whole)


def test_of_two_that_are_each_others_rest_both_go() -> None:
    figures = release([[100, 40], [0, 20]], [100, 60])
    found = control.control(figures)
    assert np.isnan(found.numerator[[0, 2]]).all()  # 100 of 100 would say that nobody is in the other
    assert found.numerator[[1, 3]].tolist() == [40, 20]


def test_labels_of_several_columns_or_of_some_people_are_no_family() -> None:
    for said in ("flag_{}", 'status_{} == "a"'):
        figures = release([[100], [0]], [100], said)
        assert together.families(figures, rows(figures)[0]) == []


def test_two_metrics_that_are_one_count_are_shown_both_or_neither() -> None:
    figures = release([[40, 50, 60], [40, 50, 60], [40, 50, 60]], [90, 90, 90], "flag_{}")
    at, cells = rows(figures)
    shown = np.ones(len(figures), np.bool_)
    shown[at[2][1]] = False
    more = together.also_withheld(figures, at, cells, [], shown, shown)
    assert sorted(np.flatnonzero(more)) == sorted([at[0][1], at[1][1]])


@cache
def _figures() -> Figures:
    request = Request()
    scorer = request.scorer("neighbourhood-2026", AS_OF, "direct-care")
    people = PeopleCount(request, scorer, 1)
    listed = synthetic.table(12_000, seed=3, as_of=dt.date.fromisoformat(AS_OF), practices=5)
    for batch in score_table(listed, scorer, threads=1, counted=False, mapping=None).batches:
        people.add(batch)
    return control.merged(people.figures()[0])


def test_the_families_of_the_built_in_pack() -> None:
    figures = _figures()
    found = {
        frozenset(figures.metrics[m[0]].id for m in one.labels): one.whole
        for one in together.families(figures, rows(figures)[0])
    }
    assert found[frozenset({"ltc_0", "ltc_1", "ltc_2", "ltc_3", "ltc_4_or_more"})]
    assert not found[frozenset({"need_rag_red", "need_rag_amber", "need_rag_green"})]
    assert sum("optimised" in name for names in found for name in names) >= 10


@pytest.mark.parametrize("seed", [0])
def test_no_label_of_a_release_is_known_closely_from_the_others(seed: int) -> None:
    figures = _figures()
    found = control.control(figures)
    at, cells = rows(figures)
    shown, whole = found.why_numerator == 0, found.why_denominator == 0
    kin = together.families(figures, at)
    assert kin
    assert not together.also_withheld(figures, at, cells, kin, shown, whole).any()
    assert WIDTH == 5
