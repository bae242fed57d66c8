"""Ratios against the peers, measured in one run, against the floors in floors.toml.

    python benchmarks/floors.py                    # runs the benchmarks; exit status 1 where a ratio is under its floor
    python benchmarks/floors.py --results r.json   # judges what `pytest benchmarks --benchmark-json=r.json` kept

A benchmark under its floor is run once more before it counts: a machine can be busy for some seconds, and code that has
become slower is slower both times.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FLOORS = HERE / "floors.toml"


@dataclass(frozen=True)
class Floor:
    """The least a ratio may be, of the benchmark of that name and peer, at any number of threads if none is said."""

    what: str
    peer: str
    at_least: float
    figure: str = "cpu_ratio"
    threads: int | None = None

    def concerns(self, outcome: dict[str, Any]) -> bool:
        return (outcome.get("what"), outcome.get("peer")) == (self.what, self.peer) and (
            self.threads in (None, outcome["threads"])
        )

    def __str__(self) -> str:
        threads = "" if self.threads is None else f" [{self.threads}]"
        return f"{self.what}{threads} against {self.peer}"


@dataclass(frozen=True)
class Broken:
    """A benchmark whose ratio is under its floor."""

    floor: Floor
    outcome: dict[str, Any]
    test: str  # what pytest calls it

    def __str__(self) -> str:
        o = self.outcome
        words = {"cpu_ratio": "processor time", "ratio": "time"}[self.floor.figure]
        return (
            f"UNDER ITS FLOOR: {o['what']} [{o['threads']}], {o['patients']:,} patients, "
            f"{o[self.floor.figure]:.2f} × the speed of {self.floor.peer} ({words}); the floor is "
            f"{self.floor.at_least:g} ×"
        )


def read(path: Path) -> tuple[str, str, list[Floor]]:
    """(number of patients, selection, floors) of a file of floors. Raises `ValueError` for one that makes no sense."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        floors = [Floor(**entry) for entry in content["floor"]]
        for floor in floors:
            if floor.figure not in ("cpu_ratio", "ratio"):
                raise ValueError(f"{floor}: unknown figure {floor.figure!r}")
        return content["patients"], content["select"], floors
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def measure(arguments: Sequence[str], patients: str) -> list[dict[str, Any]]:
    """What the chosen benchmarks kept, as pytest-benchmark writes it. Raises `CalledProcessError` if one fails."""
    with tempfile.TemporaryDirectory(prefix="popstrat-gate-") as folder:
        kept = Path(folder) / "results.json"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-columns=median"]
        command += ["--patients", patients, f"--benchmark-json={kept}", *arguments]
        subprocess.run(command, check=True, cwd=HERE.parent)
        return results(kept)


def results(path: Path) -> list[dict[str, Any]]:
    """The benchmarks of a file that ``--benchmark-json`` wrote."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
    return found


def under(floors: Iterable[Floor], benchmarks: Sequence[dict[str, Any]]) -> list[Broken]:
    """Every result that is under a floor of its own."""
    return [
        Broken(floor, b["extra_info"], b["fullname"])
        for floor in floors
        for b in benchmarks
        if floor.concerns(b["extra_info"]) and not b["extra_info"][floor.figure] >= floor.at_least
    ]


def unmeasured(floors: Iterable[Floor], benchmarks: Sequence[dict[str, Any]]) -> list[Floor]:
    """Floors that no result is held to."""
    return [floor for floor in floors if not any(floor.concerns(b["extra_info"]) for b in benchmarks)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--results", type=Path, metavar="JSON", help="judge these, and measure nothing")
    parser.add_argument("--floors", type=Path, default=FLOORS, metavar="TOML", help="other floors")
    given = parser.parse_args(arguments)
    patients, select, floors = read(given.floors)
    try:
        benchmarks = results(given.results) if given.results else measure([str(HERE), "-k", select], patients)
        broken = under(floors, benchmarks)
        if broken and not given.results:
            again = measure(sorted({b.test for b in broken}), patients)
            broken = under(floors, again)
    except subprocess.CalledProcessError:
        print("The benchmarks themselves failed: no ratio was compared.", file=sys.stderr)
        return 1
    missing = unmeasured(floors, benchmarks)
    for line in broken:
        print(line)
    for floor in missing:
        print(f"NOT MEASURED: {floor}, for which {given.floors.name} has a floor")
    print(f"{len(floors) - len({b.floor for b in broken}) - len(missing)} of {len(floors)} floors hold.")
    return 1 if broken or missing else 0


if __name__ == "__main__":
    sys.exit(main())
