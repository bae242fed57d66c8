"""What a run costs by size, stage by stage: the table of docs/scale.md.

    python benchmarks/scale.py [--patients N …] [--runs R] [--folder DIR] [--write docs/scale.md]

Each run is a command of its own, `popstrat score`, Parquet to Parquet, over a synthetic list. The stages are those of
its run record; what that does not see is the start and the end of the process. Stages overlap: reading, scoring and
writing go on at the same time in threads of their own, so their seconds add up to more than the whole.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from measuring import machine, popstrat, process

BEGIN, END = "<!-- scale: begin -->", "<!-- scale: end -->"
AS_OF = "2026-06-30"
SIZES = (10_000, 100_000, 1_000_000, 2_500_000)
STAGES = ("open", "read", "ids", "score", "write", "hash")


def list_of(patients: int, folder: Path) -> Path:
    """A synthetic list, made if it is not there."""
    path = folder / f"list-{patients}.parquet"
    if not path.exists():
        made = ["synth", "--patients", str(patients), "--seed", "1", "--as-of", AS_OF, "-o", str(path), "--quiet"]
        subprocess.run([*popstrat(), *made], check=True)
    return path


def measured(patients: int, folder: Path, runs: int) -> Mapping[str, float]:
    """The medians of a few runs after one that is not counted: seconds by stage, in all and of the whole process, the
    processor's, and the most memory in MB."""
    source, target = list_of(patients, folder), folder / "scored.parquet"
    found: list[dict[str, float]] = []
    for _ in range(runs + 1):
        score = ["score", str(source), "-o", str(target), "--as-of", AS_OF, "--quiet", "--force"]
        spent = process([*popstrat(), *score])
        record: Mapping[str, Any] = json.loads(Path(f"{target}.run.json").read_text(encoding="utf-8"))
        stages = {stage: float(record["seconds"].get(stage, 0)) for stage in STAGES}
        whole = {"process": spent.seconds, "processor": spent.cpu, "memory": spent.memory / 1e6}
        found.append({**stages, **whole, "start": spent.seconds - float(record["seconds"]["total"])})
    return {name: statistics.median(one[name] for one in found[1:]) for name in found[0]}


def table(sizes: Sequence[int], rows: Sequence[Mapping[str, float]]) -> str:
    """The table, in Markdown."""
    names = ("start", *STAGES, "process", "processor")
    head = ["people", *(f"{name}, s" for name in names), "most memory, MB", "people a second"]
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---:"] * len(head)) + " |"]
    for size, row in zip(sizes, rows, strict=True):
        cells = [f"{size:,}", *(f"{row[name]:.2f}" for name in names), f"{row['memory']:,.0f}"]
        lines.append("| " + " | ".join([*cells, f"{size / row['process']:,.0f}"]) + " |")
    about = machine()
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items() if name != "popstrat")
    told = f"{about['cpu']}, {about['cores']} cores, Python {about['python']}, {versions}; {about['date']}"
    asked = "" if tuple(sizes) == SIZES else f" --patients {' '.join(map(str, sizes))}"
    command = f"python benchmarks/scale.py{asked} --write docs/scale.md"
    return "\n".join([*lines, "", f"Measured by `{command}` on: {told}."])


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--patients", type=int, nargs="+", default=list(SIZES))
    ask.add_argument("--runs", type=int, default=5)
    ask.add_argument("--folder", type=Path, default=None, help="Where lists are kept; else they are made anew.")
    ask.add_argument("--write", type=Path, default=None)
    given = ask.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        text = table(given.patients, [measured(size, folder, given.runs) for size in given.patients])
    print(text)
    if given.write is not None:
        page = given.write.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        given.write.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
