"""The compiled core under the address and undefined-behaviour sanitizers, with tables and files that lie.

    python engine/sanitize.py                 # build, then 5,000 lying tables and 2,000 damaged files
    python engine/sanitize.py 20000 5000      # so many
    python engine/sanitize.py --pytest tests/unit/test_engine.py …   # or any tests

The package is copied to build/sanitized and its modules compiled there with gcc; nothing else is touched. A report of a
sanitizer ends the process that it is about, and this with status 1. pyarrow takes its memory from malloc meanwhile, so
that its buffers have guarded ends too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "build" / "sanitized"
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-sanitize=alignment -fno-omit-frame-pointer -g -w"
EACH = 250


def build(flags: str = "") -> None:
    """Copy the package and compile its modules in the copy, with further flags if there are any."""
    package = BUILT / "popstrat"
    shutil.rmtree(package, ignore_errors=True)
    clean = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "python" / "popstrat", package, ignore=clean)
    shutil.copytree(ROOT / "engine", package / "engine", ignore=clean)
    shutil.copytree(ROOT / "synthetic", package / "synthetic", ignore=clean)
    environment = os.environ | {"CFLAGS": f"{FLAGS} {flags}", "LDFLAGS": "-fsanitize=address,undefined"}
    command = [
        sys.executable,
        "setup.py",
        "-q",
        "build_ext",
        "--build-lib",
        str(BUILT),
        "--build-temp",
        str(BUILT / "objects"),
    ]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def environment() -> dict[str, str]:
    """What a process under the sanitizers needs."""
    library = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    cplusplus = subprocess.run(["gcc", "-print-file-name=libstdc++.so"], capture_output=True, text=True, check=True)
    return os.environ | {
        "LD_PRELOAD": f"{library.stdout.strip()} {cplusplus.stdout.strip()}",
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:handle_segv=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "PYTHONPATH": os.pathsep.join([str(BUILT), str(ROOT / "tests" / "property")]),
    }


def liars(many: int, kind: str) -> bool:
    """Run them in several processes; whether all ended as they should."""
    worker = ROOT / "tests" / "property" / "liars.py"

    def run(start: int) -> bool:
        command = [sys.executable, str(worker), str(start), str(min(start + EACH, many)), kind]
        done = subprocess.run(command, env=environment(), cwd=BUILT, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{kind} from {start}: status {done.returncode}\n{done.stderr[-6000:]}", flush=True)
        else:
            print(f"{kind} {start} to {min(start + EACH, many)}: {done.stdout.strip()}", flush=True)
        return done.returncode == 0

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return all(list(pool.map(run, range(0, many, EACH))))


def main(arguments: list[str]) -> int:
    build()
    if arguments[:1] == ["--pytest"]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", *arguments[1:]], env=environment(), cwd=ROOT, check=False
        ).returncode
    tables, files = (int(a) for a in [*arguments, *("5000", "2000")[len(arguments) :]])
    return 0 if liars(tables, "tables") & liars(files, "files") else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
