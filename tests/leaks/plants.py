"""Shows that the leak run sees what it is for: each line of the compiled code that gives something back is made not to.

    python tests/leaks/plants.py [PART OF A PATH]      # make leaks-proof

One build has a switch at every such line (`planted.h`); for each the `entry_points` of its module are called, and must
be found to leak. After that each line that asks for memory gets none: then there must be an error of Python's, and
nothing may leak. Lines for which neither could be shown are listed; status 1 if any is not among the `UNREACHED`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from growth import started, told

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "engine"
GIVES = r"\b(?:free|munmap|PyBuffer_Release|PyThread_free_lock)\((?!void|Py)[^)]"
TAKES = r"\b(?:malloc|calloc|realloc|aligned_alloc|mmap|PyThread_allocate_lock)\("
CALLED = {
    "arrays/_arrays.pyx": "whole_columns", "arrays/distinct.h": "whole_columns", "arrays/top_k.pyx": "largest",
    "arrays/cells.pyx": "cells", "arrays/check_digits.pyx": "check_digits", "arrays/letters.pyx": "letters",
    "program/memory": "memory",
    "program/pool.pxi": "work", "program/frame.pxi": "frames", "program/execute.h": "frames work",
    "formats/csv_read": "csv_cells", "formats/csv_write": "csv_lines",
    "formats/parquet_read": "parquet_read_sound parquet_read_refused",
    "formats/parquet_write": "parquet_write_pages",
}  # fmt: skip
_ELSEWHERE = "where the system is not Linux"
UNREACHED = {
    "formats/csv_write.h: if (!csv_out_reserve(&out, 2 * (end - start) + 3 + CSV_OUT_WIDEST)) { free(out.at);":
        "only where memory runs out a second time",
    "program/memory.h: (void)size; free(start);": _ELSEWHERE,
    "program/memory.h: static void popstrat_memory_init(void) {} static uint8_t *popstrat_allocate(int64_t size) "
    "{ return malloc((size_t)size); }": _ELSEWHERE,
}  # fmt: skip
"""Lines of which it cannot be shown, each behind the one before it, and why."""


def built(folder: Path) -> Path:
    """The package with its switches, as a folder for PYTHONPATH."""
    source, package = folder / "source", folder / "package"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("engine", "python", "synthetic"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
    setup = source / "setup.py"
    setup.write_text(setup.read_text("utf-8").replace('"-O3"', '"-O0"'), "utf-8")
    environment = os.environ | {"CFLAGS": f"-include {Path(__file__).with_name('planted.h')} -w"}
    for words in (["build_py"], ["build_ext", "--cython-line-directives", "--build-temp", str(folder / "objects")]):
        command = [sys.executable, "setup.py", "-q", *words, "--build-lib", str(package)]
        done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
    return package


def lines(pattern: str, part: str = "") -> list[str]:
    """Where the compiled code does this, as path:line."""
    found = []
    declared = re.compile(r" *(from|cdef extern|void|static void) ")
    for path in sorted(p for p in ENGINE.rglob("*") if p.suffix in (".h", ".pyx", ".pxi")):
        name = path.relative_to(ENGINE).as_posix()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if part in name and re.search(pattern, line) and not declared.match(line):
                found.append(f"{name}:{number}")
    return found


def seen(plant: str, package: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """What the calls of its module do with this plant. Raises ``RuntimeError`` where they end in another way."""
    names = next((calls for path, calls in CALLED.items() if path in plant), "")
    environment = os.environ | {"PYTHONPATH": str(package), "POPSTRAT_PLANT": plant}
    full = ["--no-memory"] if "full" in plant else []
    return told(started(["3", *names.split(), *full], folder, environment))


def leaks(plant: str, package: Path, folder: Path) -> bool:
    return any(line["leaks"] for line in seen(plant, package, folder).values())


def fault(plant: str, package: Path, folder: Path) -> str:
    """What is wrong with what came of this plant; nothing if it is as it should be."""
    try:
        if plant.startswith("full"):
            found = seen(plant, package, folder)
            leaking = [name for name, line in found.items() if line["leaks"]]
            none = "" if any(line["full"] for line in found.values()) else "never asks for memory there"
            return f"leaks without memory: {leaking}" if leaking else none
        if leaks(plant, package, folder):
            return ""
        module = plant.removeprefix("leak ").split(":")[0].rsplit(".", 1)[0]  # what is given back where memory runs out
        short = (f"{plant};full {at}" for at in lines(TAKES, module))
        return "" if any(leaks(both, package, folder) for both in short) else "is not seen"
    except RuntimeError as error:
        return str(error)[-300:]


def context(plant: str) -> str:
    """The line of a plant and the one before it, behind the path, which do not change as the line's number does."""
    name, number = plant.split()[1].rsplit(":", 1)
    text = (ENGINE / name).read_text("utf-8").splitlines()
    return f"{name}: {text[int(number) - 2].strip()} {text[int(number) - 1].strip()}"


def main(arguments: list[str]) -> int:
    part = arguments[0] if arguments else ""
    plants = [f"leak {at}" for at in lines(GIVES, part)] + [f"full {at}" for at in lines(TAKES, part)]
    wrong = known = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = built(folder)
        for plant in plants:
            what = fault(plant, package, folder)
            if what:
                why = UNREACHED.get(context(plant))
                known, wrong = known + (why is not None), wrong + (why is None)
                print(f"{plant} ({context(plant)}): {what}{f', as expected: {why}' if why else ''}", flush=True)
    print(f"{len(plants)} planted, {len(plants) - known - wrong} seen, {known} cannot be, {wrong} should have been")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
