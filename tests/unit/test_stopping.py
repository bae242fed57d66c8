"""A stop that Python drops, or that surfaces as another error, still is the stop."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from popstrat.core import files, stopping
from popstrat.core.files import Outputs
from popstrat.formats.pipeline import ReadAhead

main = importlib.import_module("popstrat.cli.main")  # ``popstrat.cli.main`` is also the function
STOPS = [signal.SIGINT, signal.SIGTERM]


def stop(number: signal.Signals = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


class StopsWhenCollected:
    """Python prints what a ``__del__`` raises, and drops it."""

    def __del__(self) -> None:
        stop()


def run(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> int:
    app = typer.Typer()
    app.command()(lambda: work())
    monkeypatch.setattr(main, "app", app)
    status = main.run([])
    assert isinstance(status, int)
    return status


def write(target: Path, between: Callable[[], object]) -> None:
    with Outputs() as outputs:
        outputs.add(target).write_text("made")
        between()
        outputs.commit()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stop_that_python_drops(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def drop() -> None:
        one = StopsWhenCollected()
        del one
        assert stopping.was_asked()  # and nothing was raised

    assert run(monkeypatch, lambda: write(tmp_path / "out", drop)) == 1
    assert capsys.readouterr().err == "error: stopped; nothing was written\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_dropped_stop_ends_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def work() -> None:
        with ReadAhead(iter(range(1000)), 2) as items:
            for item in items:
                seen.append(item)
                if item == 3:
                    one = StopsWhenCollected()
                    del one

    assert run(monkeypatch, work) == 1
    assert seen == [0, 1, 2, 3]


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("error", [RuntimeError, ValueError, OSError, None])
def test_a_stop_that_surfaces_as_another_error(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    error: type[Exception] | None,
) -> None:
    def work() -> None:
        try:
            stop(number)
        except BaseException:
            if error is None:
                raise
            raise error("cannot join thread before it is started") from None

    assert run(monkeypatch, work) == 1
    assert capsys.readouterr().err == "error: stopped; nothing was written\n"


@pytest.mark.parametrize("number", STOPS)
def test_a_stop_while_names_are_given_is_too_late(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: signal.Signals
) -> None:
    named = files.Outputs._one_by_one

    def stopped(outputs: Outputs) -> None:
        stop(number)
        named(outputs)
        stop(number)

    monkeypatch.setattr(files.Outputs, "_one_by_one", stopped)
    assert run(monkeypatch, lambda: write(tmp_path / "out", list)) == 0
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("out", "made")]


def test_a_stop_after_everything_was_written_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        write(tmp_path / "out", list)
        stop()

    assert run(monkeypatch, work) == 1
    assert capsys.readouterr().err == "error: stopped; everything was written\n"
    assert (tmp_path / "out").read_text() == "made"


def test_each_run_begins_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert run(monkeypatch, stop) == 1
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert run(monkeypatch, lambda: write(tmp_path / "out", list)) == 0


@pytest.mark.parametrize("work", [stopping.heed, lambda: stopping.naming().__enter__()])
def test_without_a_stop_nothing_is_raised(work: Callable[[], object]) -> None:
    with stopping.stoppable():
        work()
