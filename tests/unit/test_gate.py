"""The performance gate's judgement: what it fails on and what it says. That it sees a slower kernel is shown by
benchmarks/gate_is_real.py, which needs valgrind."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from popstrat import engine

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import counted
import floors
import instructions
import passes

HERE = {"machine": "x86_64", "compiler": "gcc 12.2.0", "valgrind": "3.19.0", "date": "2026-06-30"}
OLD = {"avx2": {"AND": 0.05, "EXP": 12.0}, "baseline": {"AND": 0.07, "EXP": 31.0}}


def changed(**figures: float) -> instructions.Counts:
    return OLD | {"avx2": OLD["avx2"] | figures}


# ---- instruction counts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", engine.levels())
def test_every_operation_has_a_case(level: str) -> None:
    """Programs are made from the signatures: each operation runs, and the longer program has the copies more."""
    made = dict(counted.cases(level, own_choice=False))
    assert list(made) == list(engine.OPERATIONS)
    for make in made.values():
        case = make()
        case.less()
        case.more()
        assert case.patients % counted.ROWS == 0


def test_other_loops_are_counted_once() -> None:
    """On the engine's own choice of instruction set, since they cannot be told which to take."""
    own = {name for name, _ in counted.cases("baseline", own_choice=True)} - set(engine.OPERATIONS)
    assert own == set(counted.CASES) >= {"london-2026", "increasing ids"}
    with pytest.raises(ValueError, match="two cases are called 'london-2026'"):
        counted.case("london-2026")(counted.CASES["london-2026"])


def test_passes_are_counted_on_the_engines_own_choice() -> None:
    """The London pack with all passes, without each, and with none."""
    assert list(passes.cases("baseline", own_choice=False)) == []
    made = dict(passes.cases("baseline", own_choice=True))
    assert len(made) == len(passes.NAMES) + 2
    case = made["none of them"]()
    case.less()
    case.more()
    assert case.patients == counted.ROWS


def test_a_case_by_rows() -> None:
    """Twice the rows, less the rows once."""
    seen: list[int] = []
    case = counted.by_rows(seen.append, 10)
    case.less()
    case.more()
    assert (seen, case.patients) == ([10, 20], 10)


def test_within_the_tolerance_nothing_is_said() -> None:
    assert instructions.compare(OLD, changed(EXP=12.3)) == []
    assert instructions.compare(OLD, changed(EXP=11.7)) == []
    assert instructions.compare(OLD, changed(AND=0.052)) == []  # a few instructions a block


def test_what_has_changed_is_named_with_both_figures() -> None:
    slower, faster = instructions.compare(OLD, changed(EXP=13.2, AND=0.02))[::-1]
    assert slower.fails
    assert str(slower) == "SLOWER: EXP (avx2), 12 → 13.2 instructions per patient, +10.0%"
    assert not faster.fails
    assert str(faster) == "faster: AND (avx2), 0.05 → 0.02 instructions per patient, -60.0%"


def test_a_kernel_that_only_one_side_knows_fails() -> None:
    new, gone = instructions.compare({"avx2": {"A": 1.0}}, {"avx2": {"B": 2.0}})[::-1]
    assert new.fails
    assert str(new) == "not in the baseline: B (avx2), 2 instructions per patient"
    assert gone.fails
    assert str(gone) == "in the baseline only: A (avx2), 1 instructions per patient"
    assert instructions.compare({"avx2": {"A": 1.0, "B": 2.0}}, {"avx2": {"B": 2.0}}, only=["B"]) == []


def test_an_own_choice_is_compared_with_the_same_choice() -> None:
    """A whole pack was counted on AVX2; a processor without it has a figure for the baseline alone."""
    old = {"avx2": {"AND": 1.0, "pack": 400.0}, "baseline": {"AND": 2.0}}
    assert instructions.compare(old, {"baseline": {"AND": 2.0, "pack": 900.0}}) == []


@pytest.mark.parametrize(
    ("new", "holds_for", "status", "said"),
    [
        (OLD, {}, 0, "4 of 4 counts are within 3% of"),
        (changed(EXP=13.0), {}, 1, "SLOWER: EXP (avx2), 12 → 13"),
        (changed(EXP=11.0), {}, 0, "faster: EXP (avx2), 12 → 11"),
        (changed(EXP=13.0), {"compiler": "gcc 14.1.0"}, 0, "baseline is of gcc 12.2.0, this engine of gcc 14.1.0"),
        (changed(EXP=50.0), {"compiler": "gcc 14.1.0"}, 1, "SLOWER: EXP (avx2), 12 → 50"),
        (changed(EXP=50.0), {"machine": "aarch64"}, 0, "Not compared: the baseline was counted on x86_64"),
        ({"baseline": OLD["baseline"]}, {}, 0, "Not compared: avx2"),
    ],
)
def test_the_verdict(
    new: instructions.Counts,
    holds_for: dict[str, str],
    status: int,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Tight where the baseline's compiler made the engine, loose for another, none for another kind of processor."""
    baseline = tmp_path / "baseline.json"
    instructions.write(baseline, OLD, HERE)
    assert instructions.check(baseline, new, HERE | holds_for) == status
    assert said in capsys.readouterr().out


def test_without_a_baseline_or_valgrind_the_reason_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(instructions.CannotCountError, match="write one with"):
        instructions.check(tmp_path / "none.json", OLD, HERE)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert instructions.main(["--check"]) == 2
    assert "apt-get install valgrind" in capsys.readouterr().err


def test_the_baseline_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """A part of the kernels never replaces the committed file, which says what it holds for."""
    with pytest.raises(SystemExit):
        instructions.main(["--update", "--only", "EXP"])
    assert "written whole" in capsys.readouterr().err
    kept = json.loads(instructions.BASELINE.read_text(encoding="utf-8"))
    assert {"machine", "compiler", "valgrind", "date"} < set(kept)
    assert all(figure > 0 for kernels in kept["instructions"].values() for figure in kernels.values())


def test_the_compiler_is_read_from_the_library(tmp_path: Path) -> None:
    library = tmp_path / "x.so"
    library.write_bytes(
        b"\x7fELF\0GCC: (Debian 12.2.0-14) 12.2.0\0GCC: (Debian 12.2.0-14) 12.2.0\0clang version 17.0.6\0"
    )
    assert instructions.compiler_of(library) == "clang 17.0.6, gcc 12.2.0"
    library.write_bytes(b"nothing")
    assert instructions.compiler_of(library) == "unknown"


# ---- ratios ----------------------------------------------------------------------------------------------------------


def result(what: str, threads: int = 1, **figures: Any) -> dict[str, Any]:
    info = {"what": what, "peer": "Polars", "patients": 200_000, "threads": threads, "ratio": 9.0, "cpu_ratio": 9.0}
    return {"fullname": f"benchmarks/test_x.py::test[{what}-{threads}]", "extra_info": info | figures}


def test_a_ratio_under_its_floor_is_named() -> None:
    floor = floors.Floor("score a table", "Polars", 2.5)
    good, bad = result("score a table"), result("score a table", 2, cpu_ratio=2.1)
    (broken,) = floors.under([floor], [good, bad, result("another", cpu_ratio=0.1)])
    assert broken.test == bad["fullname"]
    assert str(broken) == (
        "UNDER ITS FLOOR: score a table [2], 200,000 patients, 2.10 × the speed of Polars (processor time); "
        "the floor is 2.5 ×"
    )
    assert floors.under([floors.Floor("score a table", "Polars", 2.5, threads=1)], [good, bad]) == []
    assert floors.under([floors.Floor("score a table", "Polars", 2.5, "ratio")], [good, bad]) == []


def test_no_figure_is_no_pass() -> None:
    """A ratio that is not a number is under every floor; a floor without a result is missed."""
    floor = floors.Floor("score a table", "Polars", 0.0)
    assert floors.under([floor], [result("score a table", cpu_ratio=float("nan"))])
    assert floors.unmeasured([floor], [result("another")]) == [floor]


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, Path]:
    """Floors and results on disk, for the command."""
    results, limits = tmp_path / "r.json", tmp_path / "floors.toml"
    results.write_text(json.dumps({"benchmarks": [result("score a table", cpu_ratio=3.0)]}), encoding="utf-8")
    return results, limits


@pytest.mark.parametrize(("at_least", "status", "said"), [(2.9, 0, "1 of 1 floors hold"), (3.1, 1, "the floor is 3.1")])
def test_the_command(
    kept: tuple[Path, Path], at_least: float, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results, limits = kept
    entry = f'[[floor]]\nwhat = "score a table"\npeer = "Polars"\nat_least = {at_least}\n'
    limits.write_text(f'patients = "1k"\nselect = "x"\n{entry}', encoding="utf-8")
    assert floors.main(["--results", str(results), "--floors", str(limits)]) == status
    assert said in capsys.readouterr().out


def test_slow_twice_is_slow(
    kept: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A benchmark under its floor is run again, alone, and the second figure counts."""
    _, limits = kept
    entry = '[[floor]]\nwhat = "score a table"\npeer = "Polars"\nat_least = 5\n'
    limits.write_text(f'patients = "1k"\nselect = "x"\n{entry}', encoding="utf-8")
    for second, status in ((4.0, 1), (6.0, 0)):
        runs = [result("score a table", cpu_ratio=second), result("score a table", cpu_ratio=4.0)]
        asked: list[list[str]] = []

        def measure(arguments: Any, _: str, runs: Any = runs, asked: Any = asked) -> list[dict[str, Any]]:
            asked.append(list(arguments))
            return [runs.pop()]

        monkeypatch.setattr(floors, "measure", measure)
        assert floors.main(["--floors", str(limits)]) == status
        assert asked == [[str(floors.HERE), "-k", "x"], ["benchmarks/test_x.py::test[score a table-1]"]]
        assert ("4.00 × the speed" in capsys.readouterr().out) == bool(status)


def test_the_floors_can_be_read(tmp_path: Path) -> None:
    _, _, read = floors.read(floors.FLOORS)
    assert read
    wrong = tmp_path / "floors.toml"
    wrong.write_text('patients = "1k"\nselect = "x"\n[[floor]]\nwhat = "a"\npeer = "b"\nat_least = 1\nfigure = "x"\n')
    with pytest.raises(ValueError, match="unknown figure 'x'"):
        floors.read(wrong)
