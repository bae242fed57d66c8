"""Packages and extensions; everything else is in pyproject.toml."""

import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

if sys.platform == "win32":
    raise SystemExit("popstrat does not run on Windows: its engine needs gcc or clang, POSIX threads and pread")

ROOT = Path(__file__).parent
# -ffp-contract=off: a fused multiply-add on one machine and not on another would give another score.
# -Werror=switch: an operation in the table without a case in the kernels' switch does not compile.
FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Werror=switch"]
# Symbols are four fifths of a module, and only debuggers and sanitizers read them: kept where CFLAGS has a -g.
STRIPPED = ["-Wl,-S"] if sys.platform == "darwin" else ["-Wl,--strip-all"]


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
    "arrays.cells": parts("engine", "engine/arrays"),
    "arrays.check_digits": [],
    "arrays.letters": parts("engine", "engine/arrays"),
    "events._events": parts("engine/events"),
    "tables.walk": ["engine/tables/simplex.h"],
    "formats.parquet_read": ["engine/formats/parquet_read.h"],
    "formats.parquet_write": ["engine/formats/parquet_write.h"],
    "formats.csv_read": ["engine/formats/csv_read.h"],
    "formats.csv_write": ["engine/formats/csv_write.h"],
}


class Build(build_ext):
    """The usual build, which says in a line what it lacks, leaves symbols out unless they are asked for, and has the C
    compiler work on several modules at once."""

    def build_extensions(self) -> None:
        compiler = self.compiler.compiler_so[0]
        if shutil.which(compiler) is None:
            raise SystemExit(f"popstrat is built with a C compiler, and there is no {compiler} "
                             "(on Debian and Ubuntu: apt-get install gcc python3-dev)")  # fmt: skip
        include = Path(sysconfig.get_path("include"))
        if not (include / "Python.h").exists():
            raise SystemExit(f"popstrat is built with Python's C headers, and there is no {include}/Python.h "
                             "(on Debian and Ubuntu: apt-get install python3-dev)")  # fmt: skip
        if not any(flag.startswith("-g") for flag in shlex.split(os.environ.get("CFLAGS", ""))):
            for extension in self.extensions:
                extension.extra_link_args += STRIPPED
        for extension in self.extensions:  # one after the other: Cython is not made for threads
            asked = {"include_path": list(extension.include_dirs), "emit_linenums": self.cython_line_directives}
            extension.sources = cythonize(extension, force=self.force, quiet=True, **asked)[0].sources
        self.parallel = self.parallel or os.cpu_count()
        super().build_extensions()


# engine/ and synthetic/ lie beside python/ and are installed inside popstrat (package_dir is in pyproject.toml)
PACKAGES = [
    *find_packages("python"),
    *("popstrat.engine", *(f"popstrat.engine.{name}" for name in find_packages("engine"))),
    "popstrat.synthetic",
]

setup(
    cmdclass={"build_ext": Build},
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
