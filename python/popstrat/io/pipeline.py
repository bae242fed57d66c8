"""Threads of a pipeline: one reads ahead, one writes behind, each with a short queue; one hashes what is written."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")
_WAIT = 0.2  # seconds between looks at whether the other side has stopped
_END = object()
_LOOK = 0.02  # seconds between looks at whether a file has grown
_BLOCK = 1 << 20


class ReadAhead(Generic[T]):
    """Iterates over ``items`` in a thread of its own, at most ``depth`` items ahead.

    What the iteration raises is raised to the reader in its place. Leaving the ``with`` block stops the thread.
    ``busy`` is the time spent producing items, in seconds.
    """

    def __init__(self, items: Iterable[T], depth: int) -> None:
        self.busy = 0.0
        self._items = items
        self._queue: queue.Queue[Any] = queue.Queue(depth)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="popstrat-read", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        iterator = iter(self._items)
        try:
            while not self._stop.is_set():
                start = time.perf_counter()
                item = next(iterator, _END)
                self.busy += time.perf_counter() - start
                if not self._put(item) or item is _END:
                    break
        except BaseException as error:
            self._error = error
            self._put(_END)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    def _put(self, item: object) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_WAIT)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> Iterator[T]:
        while (item := self._queue.get()) is not _END:
            yield item
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop reading and wait for the thread."""
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class WriteBehind(Generic[T]):
    """Calls ``write`` for each item in a thread of its own, at most ``depth`` items behind.

    `put` and `finish` raise what ``write`` raised. Leaving the ``with`` block without `finish` drops what is queued.
    ``busy`` is the time spent writing, in seconds.
    """

    def __init__(self, write: Callable[[T], None], depth: int) -> None:
        self.busy = 0.0
        self._write = write
        self._queue: queue.Queue[Any] = queue.Queue(depth)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="popstrat-write", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    item = self._queue.get(timeout=_WAIT)
                except queue.Empty:
                    continue
                if item is _END:
                    return
                start = time.perf_counter()
                self._write(item)
                self.busy += time.perf_counter() - start
        except BaseException as error:
            self._error = error
        finally:
            self._stop.set()

    def put(self, item: T) -> None:
        """Queue an item, waiting for room."""
        self._put(item)

    def _put(self, item: object) -> None:
        while True:
            if self._error is not None:
                raise self._error
            try:
                self._queue.put(item, timeout=_WAIT)
                return
            except queue.Full:
                continue

    def finish(self) -> None:
        """Write all that is queued, and stop."""
        self._put(_END)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop and wait for the thread; what is still queued is dropped."""
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class HashBehind:
    """The SHA-256 of a file while it is written, from its beginning to its end, by a thread that follows behind.

    Call `finish` when the file is closed; ``bytes`` is then how many were hashed. A file whose earlier bytes are
    written again cannot be followed. Leaving the ``with`` block stops the thread.
    """

    def __init__(self, path: Path) -> None:
        self.bytes = 0
        self._path = path
        self._digest = hashlib.sha256()
        self._closed, self._stop = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="popstrat-hash", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            block = bytearray(_BLOCK)
            view = memoryview(block)
            with self._path.open("rb", buffering=0) as file:
                while not self._stop.is_set():
                    last = self._closed.is_set()  # before reading: what comes after it is nothing
                    while (count := file.readinto(block)) and not self._stop.is_set():
                        self._digest.update(view[:count])
                        self.bytes += count
                    if last:
                        return
                    self._closed.wait(_LOOK)
        except BaseException as error:
            self._error = error

    def finish(self) -> str:
        """The hash in hex, once the file is complete."""
        self._closed.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._digest.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._closed.set()
        self._thread.join()
