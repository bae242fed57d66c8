"""Loops compiled by numba, kept between runs where there is somewhere to keep them.

Without numba's compiler (``NUMBA_DISABLE_JIT=1``) they run as they stand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """A decorator: the function compiled when it is first called; division by nought gives what NumPy gives."""
    try:
        return numba.njit(function, nogil=True, cache=True, error_model="numpy")  # type: ignore[no-any-return]
    except RuntimeError:  # nowhere to keep what was compiled
        return numba.njit(function, nogil=True, error_model="numpy")  # type: ignore[no-any-return]
