from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_TABLES: int
BLOCK: int
FINE: int
NOWHERE: int
IN_TWO: int

class Coded:
    def __init__(self, indices: Any, width: int, valid: Any | None, offset: int, rows: int, table: Any) -> None: ...
    @property
    def rows(self) -> int: ...
    def numbers(self, out: Any) -> int: ...
    def within(self, whole: Any, held: Any) -> int: ...

class Cells:
    def __init__(
        self,
        whole: Coded,
        most: int,
        tables: Sequence[Sequence[tuple[Any, Any | None, int, int]]],
        planes: Sequence[Any] = ...,
        numbers: Sequence[tuple[Any, int, Any | None]] = ...,
        within: Sequence[Coded] = ...,
    ) -> None: ...
    @property
    def rows(self) -> int: ...
    @property
    def width(self) -> int: ...

class Tally:
    def __init__(self, width: int, planes: int, numbers: int, threads: int = ...) -> None: ...
    @property
    def width(self) -> int: ...
    @property
    def planes(self) -> int: ...
    @property
    def numbers(self) -> int: ...
    @property
    def most(self) -> int: ...
    @property
    def threads(self) -> int: ...
    def grow(self, most: int) -> None: ...
    def add(
        self,
        rows: Cells,
        start: int,
        stop: int,
        thread: int = ...,
        held: Sequence[Any] = ...,
        level: int | None = ...,
    ) -> int: ...
    def finish(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int64]]: ...
