"""Next year's outcomes of a synthetic list: their meaning, their rates, that they come out the same again."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import popstrat
from popstrat import synthetic
from popstrat.errors import InputError, PackError
from popstrat.synthetic import _outcomes

AS_OF = dt.date(2026, 6, 30)
BLOCK = 65_536
STATED = Path(_outcomes.__file__).with_name("outcomes.toml")


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(4 * BLOCK + 1_000, seed=21, as_of=AS_OF)


@pytest.fixture(scope="module")
def drawn(people: pa.Table) -> pa.Table:
    return synthetic.outcomes(people, seed=5, as_of=AS_OF)


@pytest.fixture(scope="module")
def hazards(people: pa.Table) -> pa.Table:
    return popstrat.score(people, as_of=AS_OF, pack=STATED)


def array(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table[name].to_numpy())


def test_one_row_a_person_in_order_with_the_lists_ids(people: pa.Table, drawn: pa.Table) -> None:
    assert drawn.schema == synthetic.OUTCOME_SCHEMA
    assert drawn["patient_id"].equals(people["patient_id"])


def test_what_the_columns_say_of_each_other(drawn: pa.Table) -> None:
    lost = pc.is_valid(drawn["censoring"])
    assert pc.all(pc.equal(lost, pc.is_null(drawn["admitted_12m"]))).as_py()  # null where follow-up is incomplete
    assert pc.all(pc.equal(pc.fill_null(drawn["admitted_12m"], False), drawn["event"])).as_py()
    assert not pc.any(pc.and_(lost, drawn["event"])).as_py()
    assert pc.min_max(drawn["days"]).as_py() == {"min": 1, "max": 365}
    complete = drawn.filter(pc.equal(drawn["admitted_12m"], False))
    assert pc.unique(complete["days"]).to_pylist() == [365]
    assert set(pc.unique(drawn["censoring"].cast(pa.string())).to_pylist()) == {None, "died", "left"}


def test_the_same_however_the_list_is_cut(people: pa.Table, drawn: pa.Table) -> None:
    short = people.slice(0, 2 * BLOCK + 77)
    wanted = drawn.slice(0, short.num_rows)
    cuts = [0, 1, 5_000, BLOCK - 1, BLOCK + 3, short.num_rows]
    pieces = [short.slice(a, b - a).combine_chunks().to_batches()[0] for a, b in itertools.pairwise(cuts)]
    assert synthetic.outcomes(iter(pieces), seed=5, as_of=AS_OF).equals(wanted)
    assert synthetic.outcomes(short.combine_chunks(), seed=5, as_of=AS_OF).equals(wanted)


def test_another_seed_another_year(people: pa.Table, drawn: pa.Table) -> None:
    other = synthetic.outcomes(people.slice(0, 5_000), seed=6, as_of=AS_OF)
    assert not other["days"].equals(drawn.slice(0, 5_000)["days"])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_ids_keep_their_type(people: pa.Table, kind: pa.DataType) -> None:
    few = people.slice(0, 10)
    few = few.set_column(0, "patient_id", few["patient_id"].cast(kind))
    assert synthetic.outcomes(few, as_of=AS_OF)["patient_id"].equals(few["patient_id"])


def test_nobody_has_no_outcomes(people: pa.Table) -> None:
    empty = synthetic.outcomes(people.slice(0, 0), as_of=AS_OF)
    assert empty.num_rows == 0
    assert empty.schema == synthetic.OUTCOME_SCHEMA


def marginal(log_hazard: np.ndarray, variance: float) -> np.ndarray:
    """Risk of a year with a constant hazard times a gamma variate of mean 1, nothing else happening."""
    return np.asarray(1 - (1 + variance * np.exp(log_hazard)) ** (-1 / variance))


def followed(days: np.ndarray, event: np.ndarray) -> float:
    """Kaplan-Meier: share with an event within the year, had nobody been lost."""
    at_risk = len(days) - np.concatenate([[0], np.cumsum(np.bincount(days, minlength=366))[:-1]])
    events = np.bincount(days[event], minlength=366)
    return float(1 - np.prod(1 - events / np.maximum(at_risk, 1)))


def test_admissions_come_at_the_stated_rate(drawn: pa.Table, hazards: pa.Table) -> None:
    risk = marginal(array(hazards, "admission"), 0.25)
    days, event = array(drawn, "days"), array(drawn, "event")
    order = np.argsort(risk)
    for part in np.array_split(order, 5):
        se = np.sqrt(risk[part].mean() / len(part))
        # Who leaves depends on age as risk does; within a fifth of the list that matters little.
        assert followed(days[part], event[part]) == pytest.approx(risk[part].mean(), abs=5 * se)


@pytest.mark.parametrize(("hazard", "reason"), [("death", "died"), ("leaving", "left")])
def test_losses_come_at_the_stated_rate(drawn: pa.Table, hazards: pa.Table, hazard: str, reason: str) -> None:
    lost = pc.fill_null(pc.equal(drawn["censoring"].cast(pa.string()), reason), False).to_numpy()
    years = array(drawn, "days") / 365
    expected = (np.exp(array(hazards, hazard)) * years).sum()  # a count has the mean of its hazard added up
    assert lost.sum() == pytest.approx(expected, rel=5 / np.sqrt(expected) + 0.01)


def test_the_list_as_a_whole_is_as_published(people: pa.Table, hazards: pa.Table) -> None:
    scored = popstrat.score(people, as_of=AS_OF)
    adult = array(scored, "age") >= 18
    risk = marginal(array(hazards, "admission"), 0.25)
    assert risk[adult].mean() == pytest.approx(0.056, abs=0.003)
    conditions = np.minimum(array(scored, "ltc_count"), 5)
    by_count = np.array([risk[adult & (conditions == k)].mean() for k in range(6)])
    published = np.array([3.9, 7.0, 9.5, 14.5, 29.1, 30.7])
    assert by_count / by_count[0] == pytest.approx(published / published[0], rel=0.25)
    assert 0.02 < risk[~adult].mean() < 0.06


def test_it_is_not_the_default_model(people: pa.Table, hazards: pa.Table) -> None:
    scored = popstrat.score(people, as_of=AS_OF)
    adult = array(scored, "age") >= 18
    theirs = np.log(-np.log1p(-np.minimum(array(scored, "admission_risk")[adult], 0.999)))
    assert 0.6 < np.corrcoef(theirs, array(hazards, "admission")[adult])[0, 1] < 0.95


def test_a_truth_of_ones_own(people: pa.Table, drawn: pa.Table, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(
        f"[pack]\nid = 'mine'\nversion = '1'\nextends = '{STATED}'\n[parameters.unseen_variance]\nvalue = 0\n"
        "[definition.leaving]\nintercept = -40.0\ndraft = true\nreference_patients = []\n",
        encoding="utf-8",
    )
    few = people.slice(0, BLOCK)
    other = synthetic.outcomes(few, seed=5, as_of=AS_OF, hazards=mine)
    assert not pc.any(pc.equal(other["censoring"].cast(pa.string()), "left")).as_py()
    assert not other["days"].equals(drawn.slice(0, BLOCK)["days"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "needs a model 'admission'"),
        ("[definition.leaving]\noutput = false\n", "needs a model 'leaving'"),
        ("[parameters.unseen_variance]\nvalue = -1\n", "'unseen_variance', a number from 0"),
    ],
)
def test_hazards_that_will_not_do(people: pa.Table, tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "odd.toml"
    extends = f"extends = '{STATED if text else 'cha2ds2-vasc'}'\n"
    path.write_text(f"[pack]\nid = 'odd'\nversion = '1'\n{extends}{text}", encoding="utf-8")
    with pytest.raises(PackError, match=told):
        synthetic.outcomes(people.slice(0, 5), as_of=AS_OF, hazards=path)


def test_seed_and_table_are_checked(people: pa.Table) -> None:
    with pytest.raises(InputError, match="seed"):
        synthetic.outcomes(people, seed=-1, as_of=AS_OF)
    with pytest.raises(InputError, match="record batches are needed, not int"):
        synthetic.outcomes(3, as_of=AS_OF)
    with pytest.raises(InputError, match="patient_id"):
        synthetic.outcomes(people.drop_columns(["patient_id"]), as_of=AS_OF)
