"""What every test may use: Hypothesis profiles, the count of examples, and the modules that tests share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

for folder in ("spec", "property", "unit"):  # spec_tables, generated, complaints
    sys.path.insert(0, str(Path(__file__).parent / folder))

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, suppress_health_check=_QUIET)
settings.register_profile("nightly", max_examples=6000, deadline=None, print_blob=True, suppress_health_check=_QUIET)
settings.load_profile("ci")  # `--hypothesis-profile=nightly` for the long run


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many generated examples the property tests compared."""
    generated = sys.modules.get("generated")
    if generated is not None and generated.SEEN:
        seen = generated.SEEN
        terminalreporter.write_line(
            f"property tests: {seen['examples']:,} examples, {seen['rows']:,} rows, {seen['values']:,} values compared"
        )
