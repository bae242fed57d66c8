"""Packages and extensions; everything else is in pyproject.toml."""

import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup

if sys.platform == "win32":
    raise SystemExit("popstrat does not run on Windows: its engine needs gcc or clang, POSIX threads and pread")

ROOT = Path(__file__).parent
# -ffp-contract=off: a fused multiply-add on one machine and not on another would give another score.
# -Werror=switch: an operation in the table without a case in the kernels' switch does not compile.
FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Werror=switch"]


def parts(*folders: str) -> list[str]:
    """Every header and every part of a Cython module in these folders: where one changes, all that may include it is
    built again."""
    found = [p for folder in folders for ending in ("*.h", "*.pxi") for p in (ROOT / folder).glob(ending)]
    return sorted(str(p.relative_to(ROOT)) for p in found)


MODULES = {
    "_table": parts("engine", "engine/program"),
    "_engine": parts("engine", "engine/program", "engine/kernels"),
    "arrays._arrays": parts("engine", "engine/arrays"),
    "arrays.top_k": ["engine/arrays/top_k.h"],
    "arrays.cells": ["engine/arrays/cells.h"],
    "arrays.check_digits": [],
    "arrays.letters": parts("engine", "engine/arrays"),
    "events._events": parts("engine/events"),
    "formats.parquet_read": ["engine/formats/parquet_read.h"],
    "formats.parquet_write": ["engine/formats/parquet_write.h"],
    "formats.csv_read": ["engine/formats/csv_read.h"],
    "formats.csv_write": ["engine/formats/csv_write.h"],
}

# engine/ and synthetic/ lie beside python/ and are installed inside popstrat (package_dir is in pyproject.toml)
PACKAGES = [
    *find_packages("python"),
    *("popstrat.engine", *(f"popstrat.engine.{name}" for name in find_packages("engine"))),
    "popstrat.synthetic",
]

setup(
    packages=PACKAGES,
    ext_modules=[
        Extension(
            f"popstrat.engine.{name}",
            sources=[f"engine/{name.replace('.', '/')}.pyx"],
            depends=depends,
            include_dirs=["engine"],
            extra_compile_args=FLAGS,
        )
        for name, depends in MODULES.items()
    ],
)
