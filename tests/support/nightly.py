"""Members of a test that only the night runs."""

from __future__ import annotations

from typing import Any

import pytest


def seeds(by_day: int, in_all: int) -> list[Any]:
    """The seeds from 0, of which those from ``by_day`` on are left to `make nightly`."""
    more = pytest.mark.nightly(f"{in_all - by_day} more seeds")
    return [*range(by_day), *(pytest.param(seed, marks=more) for seed in range(by_day, in_all))]
