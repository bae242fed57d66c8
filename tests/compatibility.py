"""Versions of the libraries that hold lists with which the tests of frames pass, each in an environment of its own.

    python tests/compatibility.py [NAME…] [--write docs/install.md]          # or: make compatibility

It prints a table, and writes it into a page. An environment is made anew, beside the popstrat that this interpreter
has, and takes a few minutes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ("tests/unit/test_frames.py", "tests/unit/test_plain_types.py")
SHOWN = ("pyarrow", "polars", "pandas", "duckdb", "numpy")
BESIDES = ("pytest>=8", "hypothesis>=6.100", "typer>=0.26", "rich>=13.8", "scipy>=1.13", "tzdata", "xlsxwriter>=3.2")
OLDEST = {"pyarrow": "18.*", "polars": "1.26.*", "pandas": "2.2.*", "duckdb": "1.2.*", "numpy": "2.0.*"}
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "current": {},
    "oldest of all": OLDEST,
    **{f"{name} oldest": {name: version} for name, version in OLDEST.items() if name != "numpy"},
    "first Polars whose columns share categories": {"polars": "1.32.*"},
    "last Polars 1": {"polars": "1.44.*"},
}
BEGIN, END = "<!-- compatibility: begin -->", "<!-- compatibility: end -->"


def show(here: Path, there: Path) -> None:
    """Let the popstrat that is installed here, from the sources or as a copy, be seen there too."""
    found = [*here.glob("popstrat"), *here.glob("popstrat-*.dist-info"), *here.glob("__editable__*popstrat*")]
    if len(found) < 2:
        raise SystemExit(f"popstrat is not installed in {here}")
    for one in found:
        (there / one.name).symlink_to(one)


def tried(pinned: dict[str, str], folder: Path) -> tuple[dict[str, str], str]:
    """The versions that were installed, and what came of the tests."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = [f"{name}=={pinned[name]}" if name in pinned else name for name in SHOWN]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted, *BESIDES], check=True)
    there = next(folder.glob("[Ll]ib/**/site-packages"))
    show(Path(sysconfig.get_paths()["purelib"]), there)
    done = subprocess.run(
        [python, "-m", "pytest", "-p", "no:cacheprovider", *TESTS], cwd=ROOT, capture_output=True, text=True
    )
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {SHOWN!r}}}))"
    versions = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    bad = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if done.returncode:
        print(done.stdout[-20_000:], done.stderr[-2_000:], file=sys.stderr)
    return json.loads(versions), f"{len(bad) or 'all'} failed" if done.returncode else "pass"


def as_run(names: list[str], on: dt.date) -> str:
    left = [name for name in ENVIRONMENTS if name not in names]
    return f"As run by `tests/compatibility.py` on {on}." + (f" Not run: {', '.join(left)}." if left else "")


def main() -> int:
    asked = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    asked.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ENVIRONMENTS))
    asked.add_argument("--write", type=Path)
    given = asked.parse_args()
    names = given.names or list(ENVIRONMENTS)
    lines = [f"| versions | Python | {' | '.join(SHOWN)} | tests |", f"|{'---|' * (len(SHOWN) + 3)}"]
    print("\n".join(lines), flush=True)
    passed = True
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            versions, result = tried(ENVIRONMENTS[name], Path(folder))
        passed = passed and result == "pass"
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        lines.append(f"| {' | '.join((name, python, *(versions[n] for n in SHOWN), result))} |")
        print(lines[-1], flush=True)
    if given.write:
        before, _, rest = given.write.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        made = "\n".join([BEGIN, "", *lines, "", as_run(names, dt.datetime.now(dt.UTC).date()), "", END])
        given.write.write_text(f"{before}{made}{after}", encoding="utf-8")
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
