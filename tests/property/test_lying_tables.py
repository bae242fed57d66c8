"""Tables and Arrow files that lie about themselves, by the thousand, in processes of their own: a crash is a failure.

What each holds and what must come out stands in `liars`. `engine/sanitize.py` runs the same under sanitizers.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings

WORKER = Path(__file__).with_name("liars.py")
AT_ONCE = 2
EACH = 100  # liars of a process


def run(start: int, stop: int, kind: str) -> dict[str, Counter[str]]:
    """What came of the liars of these numbers. Fails naming the number that ended the process."""
    command = [sys.executable, "-X", "faulthandler", str(WORKER), str(start), str(stop), kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    if done.returncode != 0:
        numbers = [line for line in done.stderr.splitlines() if line.isdigit()]
        told = [line for line in done.stderr.splitlines() if not line.isdigit()][-12:]
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
        pytest.fail(f"{kind} {numbers[-1] if numbers else start}: {how}\n" + "\n".join(told))
    found = json.loads(done.stdout.splitlines()[-1])
    return {what: Counter(found[what]) for what in ("came", "lies")}


@pytest.mark.parametrize("kind", ["tables", "files"])
def test_liars_are_refused_or_read_as_unknown(kind: str) -> None:
    """Either way there are some of each: a generator whose tables are all refused would show nothing."""
    many = 2 * settings.default.max_examples
    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = list(pool.map(lambda start: run(start, min(start + EACH, many), kind), range(0, many, EACH)))
    came = sum((part["came"] for part in parts), Counter[str]())
    lies = sum((part["lies"] for part in parts), Counter[str]())
    assert came.total() == many
    assert len(came) == 2
    assert min(came.values()) > many / 25
    assert len(lies) >= 4
    assert min(lies.values()) > many / 200
