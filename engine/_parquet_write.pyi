from typing import Any

KINDS: tuple[str, ...]
MOST_CODES: int
PLAIN: int
DELTA: int
CODED: int

def bits_page(values: Any, valid: Any, offset: int, rows: int, optional: bool) -> tuple[bytes, int, int]: ...
def text_page(
    ends: Any, characters: Any, valid: Any, offset: int, rows: int, optional: bool, large: bool
) -> tuple[bytes, int]: ...
def code_page(
    indices: Any, valid: Any, offset: int, rows: int, optional: bool, entries: int
) -> tuple[bytes, int]: ...

class Codes:
    used: list[int] | None
    nulls: int
    def __init__(
        self, indices: Any, width: int, valid: Any, offset: int, rows: int, optional: bool, size: int
    ) -> None: ...
    def body(self, table: list[int], entries: int) -> bytes: ...

class Numbers:
    def __init__(self, kind: str, optional: bool, deltas: bool) -> None: ...
    def page(self, values: Any, valid: Any, offset: int, rows: int) -> tuple[bytes, int, int]: ...
    def finish(self) -> tuple[bytes, int, tuple[bytes, bytes] | None]: ...
