"""The threads of a pipeline: nothing lost, nothing out of order, errors where the work is asked for."""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from popstrat.errors import InputError
from popstrat.formats.pipeline import HashBehind, ReadAhead, WriteBehind
from popstrat.formats.workers import Workers


def test_read_ahead_keeps_order_and_passes_errors_on() -> None:
    def items(upto: int, error: Exception | None = None) -> Any:
        yield from range(upto)
        if error:
            raise error

    with ReadAhead(items(100), 3) as ahead:
        assert list(ahead) == list(range(100))
    with ReadAhead(items(5, InputError("bad")), 2) as ahead, pytest.raises(InputError, match="bad"):
        list(ahead)
    with ReadAhead(items(1000), 2) as ahead:
        assert next(iter(ahead)) == 0  # and the rest is never asked for


def test_write_behind_writes_all_or_raises() -> None:
    out: list[int] = []
    with WriteBehind(out.append, 2) as writer:
        for i in range(50):
            writer.put(i)
        writer.finish()
    assert out == list(range(50))

    def fail(at: int) -> Callable[[int], None]:
        def write_one(i: int) -> None:
            if i == at:
                raise OSError(errno.ENOSPC, "full")

        return write_one

    for at in (0, 49):
        with WriteBehind(fail(at), 2) as writer, pytest.raises(OSError, match="full"):  # noqa: PT012
            for i in range(50):
                writer.put(i)
            writer.finish()


def test_a_pipeline_that_is_left_early_leaves_no_thread_and_closes_what_it_read(tmp_path: Path) -> None:
    closed = threading.Event()

    def endless() -> Any:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    started = threading.Event()
    release = threading.Event()

    def slow(item: int) -> None:
        started.set()
        release.wait()

    (tmp_path / "a").touch()
    with (  # noqa: PT012
        pytest.raises(KeyboardInterrupt),
        ReadAhead(endless(), 2) as ahead,
        WriteBehind(slow, 2) as behind,
        HashBehind(tmp_path / "a"),
    ):
        for item in ahead:
            behind.put(item)
            started.wait()
            release.set()
            raise KeyboardInterrupt
    assert closed.is_set()
    assert not [t.name for t in threading.enumerate() if t.name.startswith("popstrat-")]


def test_what_is_queued_when_a_writer_is_left_is_dropped() -> None:
    release, written = threading.Event(), list[int]()

    def slow(item: int) -> None:
        release.wait()
        written.append(item)

    with WriteBehind(slow, 3) as writer:
        for i in range(3):
            writer.put(i)
        threading.Timer(0.05, release.set).start()
    assert len(written) <= 1


def test_a_hash_that_cannot_be_taken_is_said_when_it_is_asked_for(tmp_path: Path) -> None:
    with HashBehind(tmp_path / "nothing") as hashed, pytest.raises(FileNotFoundError):
        hashed.finish()
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    with HashBehind(tmp_path / "a") as hashed:
        assert hashed.finish() == hashlib.sha256(b"x" * 3_000_000).hexdigest()
        assert hashed.bytes == 3_000_000


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
def test_workers_keep_the_order_and_pass_errors_on(threads: int) -> None:
    def square(n: int) -> int:
        if n == 77:
            raise InputError("77")
        return n * n

    with Workers(threads, "popstrat-test") as workers:
        assert workers.each(square, range(50)) == [n * n for n in range(50)]
        assert list(workers.in_order(square, iter(range(50)))) == [n * n for n in range(50)]
        with pytest.raises(InputError, match="77"):
            workers.each(square, range(70, 80))
        results = workers.in_order(square, iter(range(70, 80)))
        assert [next(results) for _ in range(7)] == [n * n for n in range(70, 77)]
        with pytest.raises(InputError, match="77"):
            next(results)
    assert not [t.name for t in threading.enumerate() if t.name.startswith("popstrat-test")]
