"""The package built from a copy of its sources with an edit, to measure what the engine as it is cannot show."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent


def package(edit: Callable[[Path], None], folder: Path) -> Path:
    """A folder for PYTHONPATH with the package, after ``edit`` has had its way with the copied folder `engine`."""
    source, built = folder / "source", folder / "package"
    source.mkdir(parents=True)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("engine", "python", "synthetic"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
    edit(source / "engine")
    build = [sys.executable, "setup.py", "-q", "build", "--build-lib", str(built)]
    done = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return built
