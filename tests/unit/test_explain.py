"""An explanation on a terminal: tidy, each part once, and nobody is named."""

from __future__ import annotations

import datetime as dt
import io

import pyarrow as pa
import pytest
from one_patient import BP, patient
from rich.console import Console

from popstrat.pages import explain
from popstrat.reasons.trace import trace
from popstrat.scoring.scorer import Scorer


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(as_of=dt.date(2026, 6, 30))


def text(scorer: Scorer, table: pa.Table) -> str:
    console = Console(width=100, file=io.StringIO(), highlight=False)
    explain.show(trace(scorer, table), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_part_is_expanded_once_and_then_referred_to(scorer: Scorer) -> None:
    printed = text(scorer, patient(**BP, ckd=True, statin=True))
    assert printed.count("Allowance for a home reading  ") == 1
    assert "as above: Allowance for a home reading" in printed


def test_nobody_is_named(scorer: Scorer) -> None:
    table = patient(**BP)
    table = table.remove_column(table.schema.names.index("age"))
    table = table.append_column("date_of_birth", pa.array([dt.date(1958, 11, 23)]))
    shown = text(scorer, table)
    assert "67 years" in shown
    for secret in ("P-771923", "1958-11-23", "G85001"):
        assert secret not in shown
    implausible = table.set_column(table.schema.names.index("date_of_birth"), "date_of_birth", [[dt.date(2031, 5, 5)]])
    shown = text(scorer, implausible)
    assert "after the as-of date" in shown
    assert "2031" not in shown


def test_it_is_tidy_at_100_columns(scorer: Scorer) -> None:
    shown = text(scorer, patient(**BP, diabetes=True, ckd=True, acr=80.0, dementia=True, cfs=7))
    assert max(map(len, shown.splitlines())) <= 100
    assert len(shown.splitlines()) < 220
    assert all(line == line.rstrip() for line in shown.splitlines())
