"""The package built anew in a folder of its own, to measure what the engine as it is cannot show."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent


def package(folder: Path, *, flags: str = "", edit: Callable[[Path], None] = lambda engine: None) -> Path:
    """A folder for PYTHONPATH with the package, compiled with further ``flags`` (none of which holds a space), after
    ``edit`` has had its way with the copied folder `engine`."""
    source, built = folder / "source", folder / "package"
    source.mkdir(parents=True)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("engine", "python", "synthetic"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
    edit(source / "engine")
    build = [sys.executable, "setup.py", "-q", "build", "--build-lib", str(built)]
    environment = {**os.environ, "CFLAGS": f"{os.environ.get('CFLAGS', '')} {flags}"}
    done = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return built
