"""Extensions only; everything else is in pyproject.toml."""

import sys

from setuptools import Extension, setup

# -ffp-contract=off: a fused multiply-add on one machine and not on another would give another score.
strict = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wall"]
flags = [] if sys.platform == "win32" else strict

setup(
    ext_modules=[
        Extension(
            "popstrat.engine._engine",
            sources=["engine/_engine.pyx"],
            depends=["engine/interpreter.h", "engine/kernels.h", "engine/isa.h"],
            include_dirs=["engine"],
            extra_compile_args=flags,
        ),
        Extension(
            "popstrat.engine._csv_read",
            sources=["engine/_csv_read.pyx"],
            depends=["engine/csv_read.h"],
            include_dirs=["engine"],
            extra_compile_args=flags,
        ),
    ]
)
