"""What every test may use: Hypothesis profiles, the count of examples, and the modules that tests share."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

for folder in (
    "spec",
    "property",
    "integration",
    "unit",
    "leaks",
    "support",
):  # spec_tables, generated, kill_points, complaints
    sys.path.insert(0, str(Path(__file__).parent / folder))

os.environ.pop("COLUMNS", None)  # how wide what is tested is written
_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, suppress_health_check=_QUIET)
settings.register_profile("nightly", max_examples=500, deadline=None, print_blob=True, suppress_health_check=_QUIET)
settings.load_profile("ci")  # `--hypothesis-profile=nightly` for the long run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what only the engine's own readers and writers promise where pyarrow reads and writes everything."""
    by_arrow = os.environ.get("POPSTRAT_FORMATS") == "arrow"
    for item in items:
        for mark in item.iter_markers("native_formats"):
            if len(mark.args) != 1 or not isinstance(mark.args[0], str):
                raise pytest.UsageError(f"{item.nodeid}: native_formats needs its reason")
            if by_arrow:
                item.add_marker(pytest.mark.skip(reason=f"native formats: {mark.args[0]}"))


_seen: Counter[str] = Counter()


def pytest_sessionfinish(session: Any) -> None:
    """What this process compared: sent to the one that reports, where tests run in several."""
    generated = sys.modules.get("generated")
    seen = dict(generated.SEEN) if generated is not None else {}
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["seen"] = seen
    else:
        _seen.update(seen)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process is done."""
    _seen.update(getattr(node, "workeroutput", {}).get("seen", {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many generated examples the property tests compared."""
    if _seen:
        told = ", ".join(f"{_seen[what]:,} {what}" for what in ("examples", "rows", "values"))
        drawn = ", ".join(f"{_seen[what]:,} {what}" for what in ("like another", "lookups", "required inputs"))
        terminalreporter.write_line(f"property tests: {told} compared; in the packs drawn, {drawn}")
