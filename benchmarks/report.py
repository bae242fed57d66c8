"""Puts the figures of the benchmarks into a page, between its markers, so that no number is written by hand.

    python benchmarks/report.py --write README.md                     # runs the benchmarks, then writes
    python benchmarks/report.py --patients 500k --patients 2.5M ...   # at these sizes
    python benchmarks/report.py --results r.json --write README.md    # writes what `--benchmark-json=r.json` kept

Without --write the table goes to standard output.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ORDER = ("score a table", "score a batch", "Parquet", "CSV", "popstrat score", "make a", "kernel")  # as a reader asks
BEGIN, END = "<!-- benchmarks:start -->", "<!-- benchmarks:end -->"
HERE = Path(__file__).parent


def measure(patients: str, target: Path, select: str = "") -> Path:
    """Run the benchmarks on a list of that size, into a JSON file."""
    command = [sys.executable, "-m", "pytest", str(HERE), "-q", "--patients", patients, f"--benchmark-json={target}"]
    subprocess.run([*command, *(["-k", select] if select else [])], check=True, stdout=sys.stderr)
    return target


def read(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """What each benchmark noted of itself, in the order in which they ran."""
    found = []
    for path in paths:
        noted = [b["extra_info"] for b in json.loads(path.read_text(encoding="utf-8"))["benchmarks"]]
        found += [info for info in noted if "what" in info]
    return sorted(
        found, key=lambda info: next((i for i, o in enumerate(ORDER) if info["what"].startswith(o)), len(ORDER))
    )


def table(outcomes: Sequence[dict[str, Any]]) -> str:
    """The figures as markdown, with what they hold for."""
    if not outcomes:
        raise ValueError("there are no results to report")
    lines = [
        "| | patients | popstrat | | | peer's time over ours | processor time over ours |",
        "|---|--:|--:|---|--:|--:|--:|",
    ]
    for o in outcomes:
        cells = [o["what"], f"{o['patients']:,}", _time(o["seconds"], o["threads"])]
        if o["peer"]:
            cells += [
                o["peer"],
                _time(o["peer_seconds"], o["peer_threads"]),
                _ratio(o["ratio"]),
                _ratio(o["cpu_ratio"]),
            ]
        else:
            cells += ["", "", "", ""]
        lines.append(f"| {' | '.join(cells)} |")
    meaning = (
        "Medians. Ours and the peer's ran turn by turn in one process; a ratio is the median of the ratios of "
        "neighbours, above 1 where popstrat is faster. Peers that score were first seen to give the same results."
    )
    notes = [meaning]
    for machine in _machines(outcomes):
        versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
        sets = ", ".join(machine["instruction_sets"])
        notes.append(
            f"Measured on {machine['date']}: {machine['cpu']}, {machine['cores']} cores, kernels for {sets}; "
            f"Python {machine['python']}, {versions}."
        )
    return "\n".join([*lines, "", *notes])


def write(page: Path, text: str) -> None:
    """Replace what stands between the page's markers."""
    before = page.read_text(encoding="utf-8")
    start, end = before.find(BEGIN), before.find(END)
    if start < 0 or end < start:
        raise ValueError(f"{page} lacks the markers {BEGIN} and {END}, in this order")
    page.write_text(f"{before[: start + len(BEGIN)]}\n{text}\n{before[end:]}", encoding="utf-8")


def _machines(outcomes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for outcome in outcomes:
        if outcome["machine"] not in found:
            found.append(outcome["machine"])
    return found


def _time(seconds: float, threads: int) -> str:
    shown = f"{seconds * 1e3:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"
    return f"{shown}, {threads} thread{'s' if threads > 1 else ''}"


def _ratio(value: float) -> str:
    return f"{value:.1f} ×" if value >= 9.95 else f"{value:.2f} ×"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--results", type=Path, action="append", metavar="JSON", help="what --benchmark-json kept")
    parser.add_argument("--patients", action="append", metavar="N", help="sizes to run at if no results are given")
    parser.add_argument("-k", dest="select", default="", metavar="EXPRESSION", help="only these benchmarks")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="the page with the markers")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        sizes = given.patients or ["500k"]
        results = given.results or [measure(n, Path(folder) / f"{n}.json", given.select) for n in sizes]
        text = table(read(results))
    if given.write:
        write(given.write, text)
    else:
        print(text)


if __name__ == "__main__":
    main()
