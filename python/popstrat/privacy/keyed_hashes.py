"""HMAC-SHA-256 of many short values, on several processes.

OpenSSL (by way of ``hashlib``) does the hashing. The two padded keys of RFC 2104 are hashed once and their states
copied for each value: less than half the time of ``hmac.digest``, which fetches the algorithm anew every time. A hash
of ten bytes is too short to release the GIL for, so that threads would not help; processes do.

Nothing of popstrat but its errors is imported here, because a worker process imports this module.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Self

from popstrat.errors import RunError

SIZE = 32
"""Bytes of a digest."""

_BLOCK = 64
_FEW = 2048  # values that are not worth sending to another process


def hmac_sha256(key: bytes) -> Callable[[Sequence[bytes]], bytes]:
    """A function that gives the HMAC-SHA-256 of each value, one after another, `SIZE` bytes each."""
    if len(key) > _BLOCK:
        key = hashlib.sha256(key).digest()
    key = key.ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key)).copy
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in key)).copy

    def digests(values: Sequence[bytes]) -> bytes:
        found = []
        for value in values:
            within = inner()
            within.update(value)
            around = outer()
            around.update(within.digest())
            found.append(around.digest())
        return b"".join(found)

    return digests


class Digester:
    """Digests under one of several ``keys``, worked out by this process and ``processes - 1`` others.

    Leaving the ``with`` block ends the others; they end as well if this process is killed, because each waits at a pipe
    that nobody else holds. A script that asks for more than one process must be importable (``if __name__ ==
    "__main__":``), as always with ``multiprocessing``; a process of a ``multiprocessing.Pool`` may have none and
    works alone.
    """

    def __init__(self, keys: Sequence[bytes], processes: int = 1) -> None:
        self._own = [hmac_sha256(key) for key in keys]
        self._keys = list(keys)
        self._count = 0 if multiprocessing.current_process().daemon else max(1, processes) - 1
        self._workers: list[tuple[Connection, multiprocessing.process.BaseProcess]] = []

    def digests(self, which: int, values: Sequence[bytes]) -> bytes:
        """The digests of ``values`` under the key of that number, in order. Raises `RunError` if a process ended."""
        if not self._count or len(values) < _FEW:
            return self._own[which](values)
        if not self._workers:
            self._start()
        share = -(-len(values) // (self._count + 1))
        try:
            for i, (pipe, _) in enumerate(self._workers, 1):  # the first share is our own
                pipe.send((which, values[i * share : (i + 1) * share]))
            return b"".join([self._own[which](values[:share]), *(pipe.recv() for pipe, _ in self._workers)])
        except (EOFError, OSError):
            raise RunError(
                "a process that helps with hashing has ended. If a script did this, its work must stand under "
                '`if __name__ == "__main__":`, or ask for one thread'
            ) from None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        for _ in range(self._count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, self._keys), daemon=True)
            process.start()
            theirs.close()
            self._workers.append((ours, process))

    def close(self) -> None:
        """End the other processes; safe to call twice."""
        for pipe, _ in self._workers:
            pipe.close()
        for _, process in self._workers:
            process.join()
        self._workers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _work(pipe: Connection, keys: Sequence[bytes]) -> None:
    """What another process does until its pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the first process decides
    own = [hmac_sha256(key) for key in keys]
    while True:
        try:
            which, values = pipe.recv()
            pipe.send(own[which](values))
        except (EOFError, OSError):
            return
