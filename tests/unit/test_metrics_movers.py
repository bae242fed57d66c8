"""Movers between two scored tables: a list of seven people that a reader can follow."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from popstrat.errors import InputError
from popstrat.metrics.estimates import Shown, rows_of
from popstrat.metrics.figures import Areas, Figures
from popstrat.metrics.movers import People, coded, figures_of, read_previous, refuse_other
from popstrat.metrics.rows import Level

AREAS = Areas(("P2", "P1"), (None, None), (None, None), ("East", "East"))
RAG = {"cvrm_rag": ("red", "amber", "green")}
BEFORE = [
    ("1", "P1", "red"),
    ("2", "P1", "green"),
    ("3", "P1", None),
    ("4", "P2", "amber"),
    ("5", "P2", "amber"),
    ("6", "P9", "red"),
]
NOW = [
    ("1", "P1", "amber"),
    ("2", "P1", "green"),
    ("4", "P2", None),
    ("5", "P1", "amber"),
    ("6", "P1", "red"),
    ("7", "P2", "red"),
]


def table(rows: list[tuple[str, str, str | None]], *, dictionary: bool = True) -> pa.Table:
    ids, practices, rag = zip(*rows, strict=True)
    column = pa.array(rag, pa.string())
    return pa.table({
        "patient_id": ids, "practice_code": practices, "cvrm_rag": column.dictionary_encode() if dictionary else column,
    })  # fmt: skip


def people(rows: list[tuple[str, str, str | None]], folder: Path) -> People:
    pq.write_table(table(rows), folder / "scored.parquet")
    return read_previous(folder / "scored.parquet", RAG, AREAS.practices)


def moved(figures: Figures, level: Level, area: str) -> dict[str, int]:
    """The moves of an area that somebody made."""
    found = zip(figures.levels(), figures.area_names(), figures.groups(), figures.numerator.tolist(), strict=True)
    return {str(group): count for on, name, group, count in found if (on, name) == (level, area) and count}


def test_from_where_to_where(tmp_path: Path) -> None:
    figures = figures_of(people(BEFORE, tmp_path), people(NOW, tmp_path), RAG, AREAS, "1")
    assert moved(figures, Level.PRACTICE, "P1") == {
        "red>amber": 1, "green>green": 1, "no group>left": 1,
        "new>amber": 1,  # 5 came from P2
        "new>red": 1,  # 6 came from a practice that is not on the list
    }  # fmt: skip
    assert moved(figures, Level.PRACTICE, "P2") == {"amber>no group": 1, "amber>left": 1, "new>red": 1}
    assert moved(figures, Level.ICB, "all") == {
        "red>amber": 1, "green>green": 1, "amber>no group": 1, "no group>left": 1, "amber>left": 1, "new>amber": 1,
        "new>red": 2,
    }  # fmt: skip


def test_moves_add_up_to_everybody(tmp_path: Path) -> None:
    figures = figures_of(people(BEFORE, tmp_path), people(NOW, tmp_path), RAG, AREAS, "1")
    for level in (Level.ICB, Level.PLACE):
        rows = np.flatnonzero(np.array(figures.levels()) == level)
        assert figures.numerator[rows].sum() == figures.denominator[rows[0]] == 8
    assert len(figures) == (1 + 1 + 2) * (5 * 5 - 1)


def test_rows_name_the_column_and_the_move(tmp_path: Path) -> None:
    figures = figures_of(people(BEFORE, tmp_path), people(NOW, tmp_path), RAG, AREAS, "1", [Level.ICB])
    rows = rows_of(figures, Shown.uncontrolled(figures), dt.date(2026, 6, 30)).to_pylist()
    [row] = [row for row in rows if row["group"] == "new>red"]
    assert (row["metric"], row["measure"], row["group_by"], row["numerator"], row["denominator"]) == (
        "cvrm_rag", "movers", "cvrm_rag", 2, 8,
    )  # fmt: skip
    assert row["value"] == 0.25


def test_several_columns_and_flags() -> None:
    labels = {"cohort": ("false", "true"), "rag": ("red",)}
    ids = pa.array(["1", "2"], pa.large_string())
    at = np.zeros(2, dtype=np.int32)
    flags = coded(pa.array([True, False]), labels["cohort"], "cohort")
    nobody = coded(pa.nulls(2), labels["rag"], "rag")
    before = People(ids, at, {"cohort": flags, "rag": nobody})
    now = People(ids, at, {"cohort": flags[::-1].copy(), "rag": nobody})
    figures = figures_of(before, now, labels, Areas(("P1",), (None,), (None,), (None,)), "1", [Level.ICB])
    assert moved(figures, Level.ICB, "all") == {"true>false": 1, "false>true": 1, "no group>no group": 2}


@pytest.mark.parametrize("dictionary", [True, False])
def test_a_label_of_another_pack_and_a_missing_column_are_refused(tmp_path: Path, dictionary: bool) -> None:
    path = tmp_path / "may.parquet"
    pq.write_table(table([("1", "P1", "red"), ("2", "P1", "purple")], dictionary=dictionary), path)
    with pytest.raises(InputError, match=r"column 'cvrm_rag': holds a label that the pack does not have \(row 2\)"):
        read_previous(path, RAG, AREAS.practices)
    with pytest.raises(InputError, match=r"column 'need_rag': is missing.*: --previous takes a scored table"):
        read_previous(path, {"need_rag": ("red",)}, AREAS.practices)


def test_nobody_before_or_now(tmp_path: Path) -> None:
    empty = People(pa.array([], pa.large_string()), np.empty(0, np.int32), {"cvrm_rag": np.empty(0, np.int32)})
    assert moved(figures_of(empty, people(NOW, tmp_path), RAG, AREAS, "1"), Level.ICB, "all") == {
        "new>amber": 2, "new>green": 1, "new>red": 2, "new>no group": 1,
    }  # fmt: skip
    assert set(moved(figures_of(people(BEFORE, tmp_path), empty, RAG, AREAS, "1"), Level.ICB, "all")) == {
        "red>left", "green>left", "no group>left", "amber>left",
    }  # fmt: skip


def test_an_earlier_table_is_one_of_an_earlier_day(tmp_path: Path) -> None:
    path, day = tmp_path / "may.parquet", dt.date(2026, 6, 30)
    assert refuse_other(path, day, "p 1") == ["may.parquet has no run record, so its date and pack are not known"]
    for as_of, version, said in (("2026-05-31", "1", 0), ("2026-05-31", "0", 1)):
        record = {"as_of": as_of, "pack": {"id": "p", "version": version}}
        (tmp_path / "may.parquet.run.json").write_text(json.dumps(record))
        assert len(refuse_other(path, day, "p 1")) == said
    with pytest.raises(InputError, match=r"may.parquet: is as of 2026-05-31, which is not before 2026-05-31"):
        refuse_other(path, dt.date(2026, 5, 31), "p 1")
