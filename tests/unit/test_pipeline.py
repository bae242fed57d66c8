"""The threads of a pipeline: nothing lost, nothing out of order, errors where the work is asked for."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from popstrat.errors import InputError
from popstrat.formats.pipeline import ReadAhead, WriteBehind


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
