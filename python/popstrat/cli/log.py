"""What a run tells a scheduler: with ``--log-format json`` a line of JSON for each event, on standard error.

Every line has ``time`` (UTC), ``level`` (info, warning or error), ``event`` and ``command``. No line holds anything
from a patient's row: what is told is what the messages for people tell.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sys
import time
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from popstrat.core.progress import Progress
from popstrat.errors import InputError, PackError, PopstratError

_BETWEEN = 10.0  # seconds between lines of progress


class Format(StrEnum):
    """How events are told: to people, or a line of JSON each."""

    TEXT = "text"
    JSON = "json"


class Log:
    """The events of one run."""

    def __init__(self) -> None:
        self.begin(None)

    def begin(self, asked: str | None) -> None:
        """A run begins; ``asked`` is the format that the environment asks for, which an option may change."""
        self.format = Format.JSON if asked == Format.JSON else Format.TEXT
        self.command = ""
        self._begun = time.perf_counter()

    @property
    def is_json(self) -> bool:
        return self.format is Format.JSON

    def tell(self, level: str, event: str, **told: Any) -> None:
        """A line, if the format is JSON."""
        if not self.is_json:
            return
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": now, "level": level, "event": event, "command": self.command, **told}
        with contextlib.suppress(OSError):
            print(json.dumps(line, ensure_ascii=False, default=str), file=sys.stderr, flush=True)

    def ended(self, status: int, error: BaseException | None = None, message: str = "") -> None:
        """The last line: whether it went well, and if not what was the matter."""
        about: dict[str, Any] = {"status": status, "seconds": round(time.perf_counter() - self._begun, 3)}
        if error is None and not status:
            self.tell("info", "finished", **about)
            return
        if isinstance(error, PackError):
            about |= {"file": error.file, "line": error.line}
        if isinstance(error, InputError):
            about["faults"] = [fault.record() for fault in getattr(error, "faults", [error])]
        kind = type(error).__name__ if isinstance(error, PopstratError | OSError) else None
        self.tell("error", "failed", **about, kind=kind, message=message)

    def record(self, record: Mapping[str, Any], output: Path | None) -> None:
        """What a run record says that somebody should read, and what was written."""
        for warning in record.get("warnings", ()):
            self.tell("warning", "warning", message=warning)
        for notice in record.get("notices", ()):
            self.tell("info", "notice", message=notice)
        told = {key: record[key] for key in ("as_of", "rows", "pack") if key in record}
        self.tell(
            "info", "done" if output is None else "written", output=None if output is None else str(output), **told
        )

    @contextlib.contextmanager
    def progress(self, what: str) -> Iterator[Progress | None]:
        """Now and then a line that says how far the work is."""
        last = time.monotonic()

        def shown(done: int, total: int | None) -> None:
            nonlocal last
            if time.monotonic() - last >= _BETWEEN:
                last = time.monotonic()
                self.tell("info", "progress", what=what, done=done, total=total)

        yield shown


log = Log()
"""Of the run that is at work."""
