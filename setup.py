"""Extensions only; everything else is in pyproject.toml."""

import sys
from pathlib import Path

from setuptools import Extension, setup

if sys.platform == "win32":
    raise SystemExit("popstrat does not run on Windows: its engine needs gcc or clang, POSIX threads and pread")

ENGINE = Path(__file__).parent / "engine"
# -ffp-contract=off: a fused multiply-add on one machine and not on another would give another score.
# -Werror=switch: an operation in the table without a case in the kernels' switch does not compile.
FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Werror=switch"]


def headers(*folders: str) -> list[str]:
    """Every header and declaration of these folders: whatever changes there, what includes any of it is built again."""
    found = [p for folder in folders for pattern in ("*.h", "*.pxi") for p in (ENGINE / folder).glob(pattern)]
    return sorted(str(p.relative_to(ENGINE.parent)) for p in found)


MODULES = {
    "_table": headers("", "program"),
    "_engine": headers("", "program", "kernels"),
    "arrays._arrays": headers("", "arrays"),
    "arrays.top_k": headers("arrays"),
    "arrays.check_digits": [],
    "_parquet_read": ["engine/parquet.h"],
    "_parquet_write": ["engine/parquet_encode.h"],
    "_csv_read": ["engine/csv_read.h"],
    "_csv_write": ["engine/csv_write.h"],
}

setup(
    ext_modules=[
        Extension(
            f"popstrat.engine.{name}",
            sources=[f"engine/{name.replace('.', '/')}.pyx"],
            depends=depends,
            include_dirs=["engine"],
            extra_compile_args=FLAGS,
        )
        for name, depends in MODULES.items()
    ]
)
