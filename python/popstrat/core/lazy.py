"""Modules that are costly to import and seldom needed: imported when first used."""

from __future__ import annotations

import importlib
from typing import Any


class _Module:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


compute: Any = _Module("pyarrow.compute")
"""Arrow's compute functions, 30 ms of start-up that scoring an ordinary list does without."""

parquet: Any = _Module("pyarrow.parquet")
"""Arrow's Parquet, 20 ms of start-up, since it imports every remote file system."""
