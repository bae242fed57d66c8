from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS: tuple[str, ...]
MOST_CODES: int
PLAIN: int
DELTA: int
CODED: int

def bits_page(values: Any, valid: Any, offset: int, rows: int, optional: bool) -> tuple[bytes, int, int]: ...
def text_page(
    ends: Any, characters: Any, valid: Any, offset: int, rows: int, optional: bool, large: bool
) -> tuple[bytes, int]: ...
def first_use(indices: Any, width: int, valid: Any, offset: int, rows: int, size: int) -> NDArray[np.int64]: ...
def code_page(
    indices: Any,
    width: int,
    valid: Any,
    offset: int,
    rows: int,
    optional: bool,
    entries: int,
    table: NDArray[np.uint16] | None = None,
    size: int = 0,
) -> tuple[bytes, int]: ...

class Numbers:
    def __init__(self, kind: str, optional: bool, deltas: bool) -> None: ...
    def page(self, values: Any, valid: Any, offset: int, rows: int) -> tuple[bytes, int, int]: ...
    def finish(self) -> tuple[bytes, int, tuple[bytes, bytes] | None]: ...
