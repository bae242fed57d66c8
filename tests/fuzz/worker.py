"""One target in one process, which may die of it: `run.py` starts these and buries them.

    python tests/fuzz/worker.py parquet run START COUNT SECONDS   # inputs of these numbers, until the time is up
    python tests/fuzz/worker.py parquet replay FILE …             # inputs from files
    python tests/fuzz/worker.py parquet make NUMBER FILE          # write an input

`run` tells on the standard output of each finding as it comes and of the counts at the end, a JSON object a line. The
file named by POPSTRAT_FUZZ_AT holds the number that is being tried and the counts so far, for when there is no end.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from types import FrameType
from typing import Any, cast

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "property", HERE.parent / "unit"):
    sys.path.insert(0, str(folder))
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")
SECONDS = int(os.environ.get("POPSTRAT_FUZZ_SECONDS", "20")) * (5 if SANITIZED else 1)  # an input, at most
MEGABYTES = int(os.environ.get("POPSTRAT_FUZZ_MEGABYTES", "400"))  # an input, at most
_ADDRESS_SPACE = 8 << 30


class SlowError(Exception):
    """An input took too long."""


def _slow(signum: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # if compiled code does not come back, the next one ends the process
    signal.alarm(SECONDS)
    raise SlowError(f"more than {SECONDS} seconds")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def tried(target: Any, content: bytes, folder: Path) -> tuple[str, str]:
    """What came of an input: (read, refused or finding; of a finding, what it was)."""
    from popstrat.errors import InputError, PackError

    before = _peak()
    signal.signal(signal.SIGALRM, _slow)
    signal.alarm(SECONDS)
    try:
        came = target.judge(content, folder)
    except (InputError, PackError) as error:
        came = "refused"
        if len(str(error)) > 4000 or "\n\n\n" in str(error):
            return "finding", f"a message of {len(str(error)):,} characters"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        return "finding", f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {str(error)[:300]}"
    finally:
        signal.alarm(0)
    if not SANITIZED and _peak() - before > MEGABYTES:
        return "finding", f"more than {MEGABYTES} MB"
    return came, ""


def _told(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def run(target: Any, start: int, count: int, seconds: float) -> None:
    counts = {"inputs": 0, "read": 0, "refused": 0, "finding": 0}
    at = os.open(os.environ.get("POPSTRAT_FUZZ_AT", os.devnull), os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + seconds
    number = start
    with tempfile.TemporaryDirectory(prefix="popstrat-fuzz-") as name:
        while number < start + count and time.monotonic() < end:
            content = target.make(number)
            state = {"number": number, **counts, "cpu": time.process_time()}
            os.pwrite(at, json.dumps(state).encode().ljust(200), 0)
            came, what = tried(target, content, Path(name))
            counts["inputs"] += 1
            counts[came] += 1
            if came == "finding":
                _told(finding=what, number=number)
            number += 1
    _told(**counts, next=number, cpu=time.process_time())


def main(name: str, what: str, *arguments: str) -> int:
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(1000)
    if not SANITIZED:
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    target = cast("Any", importlib.import_module(f"targets.{name}"))
    random.seed(0)
    if what == "make":
        Path(arguments[1]).write_bytes(target.make(int(arguments[0])))
    elif what == "replay":
        bad = 0
        with tempfile.TemporaryDirectory(prefix="popstrat-fuzz-") as folder:
            for file in arguments:
                came, told = tried(target, Path(file).read_bytes(), Path(folder))
                _told(file=file, came=came, finding=told)
                bad += came == "finding"
        return 1 if bad else 0
    else:
        run(target, int(arguments[0]), int(arguments[1]), float(arguments[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
