"""What every test may use: Hypothesis profiles, the count of examples, and the modules that tests share."""

from __future__ import annotations

import gc
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
settings.register_profile("ci", max_examples=40, deadline=None, derandomize=True, suppress_health_check=_QUIET)
settings.register_profile("nightly", max_examples=500, deadline=None, print_blob=True, suppress_health_check=_QUIET)
settings.load_profile("ci")  # `--hypothesis-profile=nightly` for the long run


def _reason(item: pytest.Item, mark: pytest.Mark) -> str:
    if len(mark.args) != 1 or not isinstance(mark.args[0], str):
        raise pytest.UsageError(f"{item.nodeid}: {mark.name} needs its reason")
    return mark.args[0]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what only the engine's own readers and writers promise where pyarrow reads and writes everything; leave what
    is marked `nightly` to the night, unless it is asked for by its name."""
    by_arrow = os.environ.get("POPSTRAT_FORMATS") == "arrow"
    by_name = any("::" in argument for argument in config.args)
    tonight: list[pytest.Item] = []
    today: list[pytest.Item] = []
    for item in items:
        for mark in item.iter_markers("native_formats"):
            reason = _reason(item, mark)
            if by_arrow:
                item.add_marker(pytest.mark.skip(reason=f"native formats: {reason}"))
        nightly = [_reason(item, mark) for mark in item.iter_markers("nightly")]
        (tonight if nightly else today).append(item)
    if by_name:
        return
    kept = {item.nodeid.split("[")[0] for item in today}
    if alone := sorted({item.nodeid.split("[")[0] for item in tonight} - kept):
        raise pytest.UsageError(f"nightly, and no member of it is run by day: {', '.join(alone)}")
    if tonight and not os.environ.get("POPSTRAT_NIGHTLY"):
        config.hook.pytest_deselected(items=tonight)
        items[:] = today


def pytest_collection_finish() -> None:
    """Thousands of tests and their modules stay to the end: the garbage collector need not look at them each time."""
    gc.collect()
    gc.freeze()


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
