"""The hash by which files are known in records: which, and of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

HASH = "sha256"
_BLOCK = 4 << 20


def hash_file(path: Path, stopped: Callable[[], bool] = lambda: False) -> str:
    """The file's `HASH` in hex; releases the GIL, so it can run beside the reading. Given up once ``stopped``.

    Raises ``OSError`` if the file cannot be read.
    """
    digest = hashlib.new(HASH)
    with path.open("rb", buffering=0) as file:
        block = bytearray(_BLOCK)
        view = memoryview(block)
        while (count := file.readinto(block)) and not stopped():
            digest.update(view[:count])
    return digest.hexdigest()
