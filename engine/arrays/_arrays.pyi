from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

def increasing(values: Any, offset: int, rows: int) -> bool: ...
def count_at(
    there: NDArray[np.uint8], places: NDArray[np.int32], counts: NDArray[np.int64], last: int = -1
) -> None: ...
def distinct(lists: Sequence[tuple[Any, int, int]]) -> bool: ...
def astray(
    what: str, width: int, values: Any, valid: Any, offset: int, rows: int, entries: Any = 0, most: int = 6
) -> tuple[int, list[int]]: ...
