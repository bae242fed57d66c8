from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

Kind = Literal["bool", "f64", "f32", "date", "text", "label"]

PAD: int

class Found(NamedTuple):
    nulls: int
    bad_rows: tuple[int, ...]
    text: bytes | None
    offsets: bytes | None

def most_rows(length: int, width: int) -> int: ...
def layout(kinds: Iterable[Kind], rows: int) -> tuple[list[tuple[int, int, int]], int]: ...
def read(
    text: Any,
    length: int,
    width: int,
    wanted: Sequence[tuple[int, Kind]],
    out: Any,
    rows: int,
    *,
    between: bytes = b",",
    plain: bool = False,
) -> tuple[int, bool, list[Found], list[tuple[int, int, bytes]]] | None: ...
