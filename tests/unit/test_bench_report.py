"""The tables that the benchmarks write, and how they measure processes and growth."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import measuring
import report
import where

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MACHINE = {
    "cpu": "a processor", "cores": 2, "memory_bytes": 8 << 30, "instruction_sets": ["baseline", "avx2", "avx512"],
    "system": "an OS", "python": "3.12", "versions": {"popstrat": "0"}, "date": "2026-01-01",
}  # fmt: skip
OUTCOME = {
    "what": "score a table", "patients": 2_500_000, "threads": 2, "seconds": 0.02, "peer": "Polars", "peer_threads": 2,
    "peer_seconds": 0.3, "ratio": 15.0, "low": 14.0, "high": 16.0, "cpu_ratio": 14.5, "memory": 0, "peer_memory": 0,
    "turns": 9, "machine": MACHINE,
}  # fmt: skip


def _figure(name: str, value: float, patients: int = 2_500_000, **machine: Any) -> dict[str, Any]:
    return {"figure": name, "value": value, "patients": patients, "machine": {**MACHINE, **machine}}


def _results(path: Path, *infos: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"benchmarks": [{"extra_info": info} for info in infos]}), encoding="utf-8")
    return path


def _judged(bar: dict[str, Any], *figures: dict[str, Any]) -> str:
    return report.judged({"command": "make bench", **bar}, {(f["figure"], f["patients"]): f for f in figures})


AT_LEAST = {"figure": "f", "patients": 10, "unit": "x", "least": 12, "least_without_avx512": 8, "aim": 17}
AT_MOST = {"figure": "g", "patients": 10, "unit": "MB", "most": 700, "aim": 500}


@pytest.mark.parametrize(
    ("value", "word"), [(11.9, "**short of the bar**"), (12.0, "bar met"), (16.9, "bar met"), (17.0, "aim reached")]
)
def test_a_bar_is_met_or_not(value: float, word: str) -> None:
    assert _judged({"needs": [AT_LEAST]}, _figure("f", value, 10)).endswith(word)


def test_a_bar_may_differ_without_avx512() -> None:
    figure = _figure("f", 9.0, 10, instruction_sets=["baseline", "avx2"])
    assert _judged({"needs": [AT_LEAST]}, figure) == "9.00 ×: bar met"


def test_every_figure_counts_unless_one_is_enough() -> None:
    figures = (_figure("f", 20.0, 10), _figure("g", 900, 10))
    assert _judged({"needs": [AT_LEAST, AT_MOST]}, *figures) == "20.0 ×, 900 MB: **short of the bar**"
    assert _judged({"needs": [AT_LEAST, AT_MOST], "any": True}, *figures).endswith("bar met")


def test_a_figure_counts_only_at_its_number_of_patients() -> None:
    assert _judged({"needs": [AT_LEAST]}, _figure("f", 20.0, 11)) == "not measured (`make bench`)"


def test_the_bars_name_figures_that_benchmarks_give() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in BENCHMARKS.glob("test_*.py"))
    for bar in tomllib.loads((BENCHMARKS / "bars.toml").read_text(encoding="utf-8"))["bar"]:
        assert bar["command"] in ("make bench", "make bench-full")
        for need in bar["needs"]:
            assert report._figure(1.0, need["unit"])
            assert f'"{need["figure"]}"' in code


def test_the_newest_result_counts(tmp_path: Path) -> None:
    old = _results(tmp_path / "1.json", {**OUTCOME, "ratio": 3.0, "figures": [_figure("memory-polars", 3.0)]})
    new = _results(tmp_path / "2.json", {**OUTCOME, "figures": [_figure("memory-polars", 15.0)]}, {})
    outcomes, figures = report.read([old, new])
    assert [o["ratio"] for o in outcomes] == [15.0]
    assert "| 15.0 ×: bar met |" in report.bars(figures)
    assert "| 15.0 ×: bar met |" in report.bars(figures, short=True)
    assert "| Polars | 300 ms, 2 threads | 15.0 × | 14.0–16.0 |" in report.comparisons(outcomes)
    assert "2026-01-01: a processor, 2 cores, 8 GB" in report.comparisons(outcomes)


def test_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- bars:start -->\nold\n<!-- bars:end -->\nz\n", encoding="utf-8")
    report.write(page, {"bars": "new", "figures": "unused"})
    assert page.read_text(encoding="utf-8") == "a\n<!-- bars:start -->\nnew\n<!-- bars:end -->\nz\n"
    page.write_text("<!-- bars:end --> <!-- bars:start -->", encoding="utf-8")
    with pytest.raises(ValueError, match="wrong order"):
        report.write(page, {"bars": "new"})
    page.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="no markers"):
        report.write(page, {"bars": "new"})


@pytest.mark.parametrize("page", report.PAGES, ids=lambda page: page.name)
def test_the_pages_have_their_markers(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    tables = {"README.md": ("bars-short",), "performance.md": ("bars", "figures")}[page.name]
    assert all(text.index(f"<!-- {t}:start -->") < text.index(f"<!-- {t}:end -->") for t in tables)


def test_a_process_is_told_by_what_it_used_itself() -> None:
    held = bytearray(300 << 20)  # which is not the child's
    held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
    small = measuring.process([sys.executable, "-I", "-S", "-c", "print('done')"])
    large = measuring.process([sys.executable, "-I", "-S", "-c", "x = b'x' * (100 << 20)"])
    assert small.printed == "done\n"
    assert small.memory < 60 << 20 < 100 << 20 < large.memory < 200 << 20
    assert 0 < small.cpu < 10
    assert small.seconds > 0
    with pytest.raises(subprocess.CalledProcessError):
        measuring.process([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_line_through_times() -> None:
    rows = [10_000, 100_000, 1_000_000, 60_000_000]
    start, each, worst = measuring.line(rows, [0.2 + 1e-7 * n for n in rows])
    assert (start, each * 1e7) == (pytest.approx(0.2), pytest.approx(1.0))
    assert worst == pytest.approx(0, abs=1e-9)
    bent = [0.2 + 1e-7 * n for n in rows[:3]] + [12.0]
    assert 0.1 < measuring.line(rows, bent)[2] < 1


def test_where_the_time_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every operation of a pack's program is timed; the table adds them up by kind and puts the whole beside them."""
    monkeypatch.setattr(where, "TURNS", 3)
    found = where.measure(where.ROWS, None, "efi")
    assert len(found.each) == len(found.names) > 20
    assert found.cached > 0 < sum(found.each)
    text = where.table(found, where.ROWS, "baseline", "efi")
    assert f"| all {len(found.names)} operations, one by one |" in text
    assert "`efi`, baseline, one thread." in text
