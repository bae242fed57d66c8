"""Extensions only; everything else is in pyproject.toml."""

import sys

from setuptools import Extension, setup

# -ffp-contract=off: a fused multiply-add on one machine and not on another would give another score.
strict = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wall"]
flags = [] if sys.platform == "win32" else strict

HEADERS = {
    "_engine": ["interpreter.h", "kernels.h", "ops.h", "distinct.h", "sound.h"],
    "_parquet_read": ["parquet.h"],
    "_parquet_write": ["parquet_encode.h"],
    "_csv_read": ["csv_read.h"],
    "_csv_write": ["csv_write.h"],
    "_largest": ["largest.h"],
    "_digits": [],
}

setup(
    ext_modules=[
        Extension(
            f"popstrat.engine.{name}",
            sources=[f"engine/{name}.pyx"],
            depends=[f"engine/{header}" for header in headers],
            include_dirs=["engine"],
            extra_compile_args=flags,
        )
        for name, headers in HEADERS.items()
    ]
)
