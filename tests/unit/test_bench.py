"""`popstrat bench` on a list small enough to be quick; what it prints, and that the floor does what it says."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Iterator

import pyarrow as pa
import pytest
from rich.console import Console

import popstrat
from popstrat import synthetic
from popstrat.bench import measure as bench
from popstrat.cli import run
from popstrat.pages.bench import show

AS_OF = dt.date(2026, 6, 30)


@pytest.fixture(scope="module", autouse=True)
def few_turns() -> Iterator[None]:
    """What is measured here is not looked at; before each turn the garbage of all tests would be collected."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "_MOST", bench._FEWEST)
        yield


@pytest.fixture(scope="module")
def found() -> dict[str, object]:
    return bench.measure(2_000, 2)


def test_everything_is_measured_with_its_machine(found: dict[str, object]) -> None:
    lines = found["measured"]
    assert isinstance(lines, list)
    assert [(line["what"].split(",")[0].split(":")[0], line["patients"], line["threads"]) for line in lines] == [
        ("score a table in memory", 2_000, 1),
        ("the floor", 2_000, 1),
        ("score a table in memory", 2_000, 2),
        ("the floor", 2_000, 2),
        ("popstrat score", 2_000, 2),
        ("popstrat score", bench.PRACTICE, 2),
    ]
    assert all(0 < line["best_seconds"] <= line["seconds"] for line in lines)
    assert all(line["over_floor"] > 0 for line in lines if "in memory" in line["what"])
    assert found["machine"]["versions"].keys() == {"popstrat", "pyarrow", "numpy"}  # type: ignore[index]


def test_the_table_fits_a_terminal(found: dict[str, object]) -> None:
    page = io.StringIO()
    show(found, Console(width=100, file=page))
    lines = page.getvalue().splitlines()
    assert lines[0].split() == ["patients", "threads", "time", "patients/s", "of", "the", "floor", "memory"]
    assert len(lines) == 1 + 6 + 2  # no line is broken in two
    assert bench.machine()["date"] in lines[-1]


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--patients", "500", "--threads", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["patients"] == 500
    assert [line["threads"] for line in told["measured"]] == [1, 1, 1, 1]


@pytest.mark.parametrize("patients", ["0", "30000000", "many"])
def test_an_impossible_list_is_refused(patients: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--patients", patients]) == 2
    assert "--patients" in capsys.readouterr().err


def test_traffic_counts_what_is_used_and_what_is_made() -> None:
    table = synthetic.table(10_000, seed=1, as_of=AS_OF).combine_chunks()
    scored = popstrat.score(table, as_of=AS_OF)
    read, written = bench.traffic(table, scored)
    assert read < table.nbytes
    assert written < scored.nbytes
    unused = table.append_column("more", pa.array(range(10_000)))
    assert bench.traffic(unused.drop(["gad7_date"]), scored) == (read, written)
    assert bench.traffic(table.drop(["hba1c"]), scored)[0] < read


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("read", "written"), [(0, 0), (1, 0), (9, 17), (3 << 20, 1 << 20), (5 << 20, 6 << 20)])
def test_the_floor_takes_any_sizes(read: int, written: int, threads: int) -> None:
    bench.streaming_floor(read, written, threads)()
