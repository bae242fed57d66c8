"""Threads of a pipeline: one reads ahead, one writes behind, each with a short queue; one hashes what is written.

All three are one thing: work in a thread of its own that is stopped when its ``with`` block is left, and whose error is
raised where its result is asked for.
"""

from __future__ import annotations

import hashlib
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Generic, Self, TypeVar

from popstrat.core import stopping
from popstrat.core.hashing import HASH

T = TypeVar("T")
_LOOK = 0.02  # seconds between looks at whether a file has grown
_BLOCK = 1 << 20


class Channel(Generic[T]):
    """A queue of at most ``depth`` items between two threads, either of which may give up.

    `end` says that nothing follows: what is queued is still given out. `close` drops what is queued.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._items: deque[T] = deque()
        self._ended = self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> bool:
        """Queue an item, waiting until it fits; False, and nothing queued, if the channel is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._depth)
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._ended or self._items)
                if self._closed or not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()


class _Background(ABC):
    """Work in a thread of its own, begun at once; leaving the ``with`` block stops it."""

    def __init__(self, name: str) -> None:
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)
        self._thread.start()

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:  # raised to whoever waits for the work
            self._error = error
        finally:
            self._over()

    @abstractmethod
    def _run(self) -> None:
        """The work; it ends soon after `_give_up`."""

    @abstractmethod
    def _over(self) -> None:
        """Let whoever waits for more know that nothing follows; called in the thread, also after an error."""

    @abstractmethod
    def _give_up(self) -> None:
        """Have the work end soon."""

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop the work and wait for its thread; what it would have raised is dropped."""
        self._give_up()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class ReadAhead(_Background, Generic[T]):
    """Iterates over ``items`` in a thread of its own, at most ``depth`` items ahead.

    What the iteration raises is raised to the reader in its place. Leaving the ``with`` block stops the thread.
    ``busy`` is the time spent producing items, in seconds.
    """

    def __init__(self, items: Iterable[T], depth: int) -> None:
        self.busy = 0.0
        self._items = items
        self._channel: Channel[T] = Channel(depth)
        super().__init__("popstrat-read")

    def _run(self) -> None:
        iterator = iter(self._items)
        try:
            while True:
                start = time.perf_counter()
                try:
                    item = next(iterator)
                except StopIteration:
                    return
                finally:
                    self.busy += time.perf_counter() - start
                if not self._channel.put(item):
                    return
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    def _over(self) -> None:
        self._channel.end()

    def _give_up(self) -> None:
        self._channel.close()

    def __iter__(self) -> Iterator[T]:
        for item in self._channel:
            stopping.heed()
            yield item
        self._raise()


class WriteBehind(_Background, Generic[T]):
    """Calls ``write`` for each item in a thread of its own, at most ``depth`` items behind.

    `put` and `finish` raise what ``write`` raised. Leaving the ``with`` block without `finish` drops what is queued.
    ``busy`` is the time spent writing, in seconds.
    """

    def __init__(self, write: Callable[[T], None], depth: int) -> None:
        self.busy = 0.0
        self._write = write
        self._channel: Channel[T] = Channel(depth)
        super().__init__("popstrat-write")

    def _run(self) -> None:
        for item in self._channel:
            start = time.perf_counter()
            self._write(item)
            self.busy += time.perf_counter() - start

    def _over(self) -> None:
        self._channel.close()

    def _give_up(self) -> None:
        self._channel.close()

    def put(self, item: T) -> None:
        """Queue an item, waiting until the queue is short enough."""
        if not self._channel.put(item):
            self._thread.join()
            self._raise()

    def finish(self) -> None:
        """Write all that is queued, and stop."""
        self._channel.end()
        self._thread.join()
        self._raise()


class HashBehind(_Background):
    """The `HASH` of a file while it is written, from its beginning to its end, by a thread that follows behind.

    Call `finish` when the file is closed; ``bytes`` is then how many were hashed. A file whose earlier bytes are
    written again cannot be followed. Leaving the ``with`` block stops the thread.
    """

    def __init__(self, path: Path) -> None:
        self.bytes = 0
        self._path = path
        self._digest = hashlib.new(HASH)
        self._complete, self._stop = threading.Event(), threading.Event()
        super().__init__("popstrat-hash")

    def _run(self) -> None:
        block = bytearray(_BLOCK)
        view = memoryview(block)
        with self._path.open("rb", buffering=0) as file:
            while not self._stop.is_set():
                last = self._complete.is_set()  # before reading: what comes after it is nothing
                while (count := file.readinto(block)) and not self._stop.is_set():
                    self._digest.update(view[:count])
                    self.bytes += count
                if last:
                    return
                self._complete.wait(_LOOK)

    def _over(self) -> None:
        """Nobody waits for more of it."""

    def _give_up(self) -> None:
        self._stop.set()
        self._complete.set()

    def finish(self) -> str:
        """The hash in hex, once the file is complete."""
        self._complete.set()
        self._thread.join()
        self._raise()
        return self._digest.hexdigest()
