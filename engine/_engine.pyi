from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

LARGE: int

class Memory:
    def __init__(self, size: int, whole: Memory | None = None, at: int = 0) -> None: ...
    @staticmethod
    def several(sizes: Sequence[int], in_one: int) -> list[Memory]: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class Program:
    code: NDArray[np.int32]
    arguments: NDArray[np.int32]
    integers: NDArray[np.int64]
    doubles: NDArray[np.float64]
    spans: NDArray[np.int32]
    column_kinds: tuple[str, ...]
    output_kinds: tuple[str, ...]
    planes: int
    bytes: int
    shorts: int
    numbers: int
    counters: int
    newest: tuple[int, ...]
    sums: tuple[int, ...]
    def __init__(
        self,
        code: ArrayLike,
        arguments: Sequence[int],
        integers: Sequence[int],
        doubles: Sequence[float],
        column_kinds: Sequence[str],
        output_kinds: Sequence[str],
        planes: int,
        bytes: int,
        shorts: int,
        numbers: int,
        counters: int,
    ) -> None: ...
    def listing(self) -> str: ...

class Labels:
    def __init__(self, codes: Mapping[str, int]) -> None: ...

STREAM_ROWS: int

class Frame:
    program: Program
    rows: int
    def __init__(
        self,
        program: Program,
        columns: list[tuple[Any, Any, int, Any, Any, Labels | None] | tuple[int, Any, Labels | None]],
        outputs: list[tuple[Any, Any]],
        rows: int,
        batch: tuple[object, object] | None = None,
        sizes: dict[int, int] | None = None,
    ) -> None: ...
    def run(self, start: int, stop: int, level: str | None = None, stream: bool | None = None) -> NDArray[np.int64]: ...

class Work:
    def __init__(self, helpers: int = 0, stream: bool | None = None, level: str | None = None) -> None: ...
    def add(self, frame: Frame) -> None: ...
    def run(self) -> None: ...
    def run_until(self, frame: int) -> bool: ...
    def stop(self) -> None: ...
    def counters(self, frame: int) -> NDArray[np.int64]: ...
