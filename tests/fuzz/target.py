"""What a target is: something that reads bytes of strangers. Each module in `targets` has these two functions."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class WrongError(Exception):
    """Something came out that is neither right nor a refusal."""


class Target(Protocol):
    def make(self, number: int) -> bytes:
        """The input of this number: always the same bytes."""

    def judge(self, content: bytes, folder: Path) -> str:
        """What came of the input: "read" or "refused". Raises `WrongError`, or whatever the code under test raises that
        is no refusal. ``folder`` is for files, and is this process's own."""
