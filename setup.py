"""Packages and extensions; everything else is in pyproject.toml."""

import sys

from setuptools import Extension, find_packages, setup

# -ffp-contract=off: a fused multiply-add on one machine and not on another would give another score.
strict = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wall"]
flags = [] if sys.platform == "win32" else strict

HEADERS = {
    "_engine": ["interpreter.h", "kernels.h", "ops.h", "distinct.h", "sound.h"],
    "formats.parquet_read": ["formats/parquet_read.h"],
    "formats.parquet_write": ["formats/parquet_write.h"],
    "formats.csv_read": ["formats/csv_read.h"],
    "formats.csv_write": ["formats/csv_write.h"],
    "_largest": ["largest.h"],
    "_digits": [],
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
            depends=[f"engine/{header}" for header in headers],
            include_dirs=["engine"],
            extra_compile_args=flags,
        )
        for name, headers in HEADERS.items()
    ],
)
