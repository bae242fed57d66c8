from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.errors import ChunkError as ChunkError

WINDOW: int
MEMORY: int

def reads(type: Any, physical: str) -> bool: ...
def footer_parts(footer: bytes) -> int | None: ...
def chunks(footer: bytes, groups: int, columns: int) -> NDArray[np.int64]: ...
def largest_page(read_into: Callable[[memoryview, int], None], start: int, size: int) -> int: ...

class Memory:
    most: int
    left: int
    def __init__(self, most: int = ...) -> None: ...
    def take(self, more: int) -> bool: ...

class Column:
    def __init__(
        self,
        read_into: Callable[[memoryview, int], None],
        type: Any,
        physical: str,
        optional: bool,
        memory: Memory | None = ...,
    ) -> None: ...
    def open(self, rows: int, chunk: Sequence[int]) -> None: ...
    def read(self, rows: int) -> Any: ...
