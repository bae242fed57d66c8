"""Several threads for work of one kind, whose results keep their order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Workers:
    """So many ``threads``; of one, everything is done by the caller itself."""

    def __init__(self, threads: int, name: str) -> None:
        self._threads = max(threads, 1)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix=name) if self._threads > 1 else None

    def in_order(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """The results of ``work`` as they are asked for, a few items ahead; raises what the work raised."""
        if self._pool is None:
            for item in items:
                yield work(item)
            return
        waiting: deque[Future[R]] = deque()
        for item in items:
            waiting.append(self._pool.submit(work, item))
            if len(waiting) > self._threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """All results, in order; the caller's thread works too. Raises what it raised, once all of it has ended."""
        if self._pool is None:
            return [work(item) for item in items]
        results: dict[int, R] = {}
        todo, lock = iter(range(len(items))), threading.Lock()

        def next_one() -> int | None:
            with lock:
                return next(todo, None)

        def run() -> None:
            while (i := next_one()) is not None:
                results[i] = work(items[i])

        helpers = [self._pool.submit(run) for _ in range(self._threads - 1)]
        try:
            run()
        finally:
            wait(helpers)
        for helper in helpers:
            helper.result()
        return [results[i] for i in range(len(items))]

    def close(self) -> None:
        """Drop what has not begun and wait for what has."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
