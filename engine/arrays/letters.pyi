from typing import Any

DIGIT: int
CAPITAL: int
SMALL: int
JOINING: int
OTHER: int

def made_of(values: Any, text: Any, offset: int, rows: int, width: int, each: Any = None) -> tuple[int, int]: ...
def changes(values: Any, text: Any, offset: int, rows: int, width: int, out: Any, most: int | None = None) -> int: ...
