from typing import Any

PASSED: int
MISSING: int
NOT_DIGITS: int
FAILED: int

def weighted_mod11(
    values: Any, text: Any, valid: Any, offset: int, rows: int, width: int, digits: int, numbers: Any, states: Any
) -> None: ...
