"""Extensions only; everything else is in pyproject.toml."""

import sys

from setuptools import Extension, setup

# -ffp-contract=off: a fused multiply-add on one machine and not on another would give another score.
strict = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wall"]
flags = [] if sys.platform == "win32" else strict


def extension(name: str, *headers: str) -> Extension:
    return Extension(
        f"popstrat.engine.{name}",
        sources=[f"engine/{name}.pyx"],
        depends=[f"engine/{header}" for header in headers],
        include_dirs=["engine"],
        extra_compile_args=flags,
    )


setup(
    ext_modules=[
        extension("_engine", "interpreter.h", "kernels.h", "isa.h"),
        extension("_csv_read", "csv_read.h"),
        extension("_csv_write", "csv_write.h"),
    ]
)
