"""The leak run: `make leaks`.

    python tests/leaks/run.py [CALLS] [NAME...]     # 50 calls a round, of all of the entry points

First `growth.py`, in which no call of the compiled code may leave anything. Then the same calls under LeakSanitizer,
which also sees what is lost once and for all, in the build of `engine/sanitize.py`. What Python and other libraries
keep until a process ends is not ours: of its report the blocks count that were allocated below the engine's functions.
At last one is planted (`planted.h`), to see that it is found. Ends with status 1 if there is a leak, or that is not.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "engine"))
import growth
import sanitize
from plants import GIVES, lines

HERE = Path(__file__).parent
ROUNDS = 3


def grows(arguments: list[str]) -> bool:
    """Whether a call leaves something, which is then printed."""
    with tempfile.TemporaryDirectory() as name:
        found = growth.told(growth.started(arguments, Path(name)))
    for call, line in found.items():
        print(f"{call}: {', '.join(f'{line[kind]:+d} {kind}' for kind in growth.KINDS)} in {arguments[0]} calls")
    return any(line["leaks"] for line in found.values())


def ours(report: str) -> list[str]:
    """The leaks in a report of LeakSanitizer that were allocated below the engine.

    A frame is shown with its line, or with its module where that is not known."""
    blocks = re.split(r"\n\n+", report)
    frame = re.compile(r"popstrat/engine/|\bengine/\S+\.(?:c|h|pyx|pxi)\b")
    return [b for b in blocks if re.match(r"(Direct|Indirect) leak", b) and frame.search(b)]


def lost(rounds: int, plant: str = "") -> tuple[list[str], int]:
    """The leaks of the engine in so many rounds of calls, and in how many places the whole process left memory.

    Raises ``RuntimeError`` where the process went wrong."""
    environment = sanitize.environment() | {"PYTHONMALLOC": "malloc", "POPSTRAT_PLANT": plant}
    environment["ASAN_OPTIONS"] = environment["ASAN_OPTIONS"].replace("detect_leaks=0", "detect_leaks=1")
    environment["LSAN_OPTIONS"] = "max_leaks=0:report_objects=0"
    command = [sys.executable, str(HERE / "entry_points.py"), str(rounds)]
    done = subprocess.run(command, env=environment, cwd=sanitize.BUILT, capture_output=True, text=True, check=False)
    if done.returncode and "LeakSanitizer" not in done.stderr:
        raise RuntimeError(done.stderr[-6000:])
    return ours(done.stderr), len(re.findall(r"^Direct leak", done.stderr, re.M))


def main(arguments: list[str]) -> int:
    grown = grows(arguments or ["50"])
    sanitize.build(f"-include {HERE / 'planted.h'}")
    found, everywhere = lost(ROUNDS)
    print("\n\n".join(found[:20]))
    print(f"LeakSanitizer: {everywhere} places left memory in the whole process, {len(found)} of them in the engine")
    plant = f"leak {lines(GIVES, 'csv_read.h')[0]}"
    planted, _ = lost(1, plant)
    print(f"with a {plant}: {len(planted)}")
    return int(grown or bool(found) or not planted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
