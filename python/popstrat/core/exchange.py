"""Two names exchanged in one step, where the system can do that."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

from popstrat.errors import NoLinksError

_HERE, _EXCHANGE = -100, 2  # AT_FDCWD; RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
_WITHOUT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM)


def exchange(one: Path, other: Path) -> None:
    """Each gets the other's name. Raises `NoLinksError` where the system cannot, ``OSError`` if it failed."""
    first, second = os.fsencode(one), os.fsencode(other)
    name = {"linux": "renameat2", "darwin": "renamex_np"}.get(sys.platform)
    call = None if name is None else getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if call is None:
        raise NoLinksError
    at = () if sys.platform == "darwin" else (_HERE,)
    if call(*at, first, *at, second, _EXCHANGE) == 0:
        return
    number = ctypes.get_errno()
    if number in _WITHOUT:
        raise NoLinksError
    raise OSError(number, os.strerror(number), str(other))
