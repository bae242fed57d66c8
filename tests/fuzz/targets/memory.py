"""Arrow tables in memory, scored: `liars` makes them from a number and says what must come out."""

from __future__ import annotations

from pathlib import Path

import liars
from target import WrongError


def make(number: int) -> bytes:
    return str(number).encode()


def judge(content: bytes, folder: Path) -> str:
    try:
        came, _ = liars.liar(int(content))
    except liars.LiedError as error:
        raise WrongError(str(error)) from None
    return "read" if came == "scored" else "refused"
