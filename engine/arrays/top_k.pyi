from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST: int

def top_k(
    columns: Sequence[tuple[int, float | None, Any, Any | None]],
    present: Any | None,
    rows: int,
    start: int,
    stop: int,
    k: int,
) -> tuple[NDArray[np.int32], NDArray[np.int16], NDArray[np.float64]]: ...
