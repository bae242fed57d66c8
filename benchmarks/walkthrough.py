"""Walks through docs/walkthrough.md: its commands in order, and the figures that they lead to.

python benchmarks/walkthrough.py --write      # puts the figures into the page
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs/walkthrough.md"
START, END = "<!-- walkthrough:start -->", "<!-- walkthrough:end -->"
STEPS = {"south-default": "the default model", "south-ours": "recalibrated", "south-refitted": "refitted"}
MEASURES = {
    "oe": "observed over expected",
    "slope": "calibration slope",
    "auroc": "AUROC",
    "brier": "Brier score",
}


def walk(folder: Path, part: int = 1) -> dict[str, dict[str, Any]]:
    """Run every command of the page in `folder`, on lists of one ``part``-th of the people; the measures of each
    validation. Raises if a command fails."""
    page = re.sub(r"(?<=synth -n )\d+", lambda people: str(int(people[0]) // part), PAGE.read_text(encoding="utf-8"))
    (specification,) = re.findall(r"```toml\n# refit.toml[^\n]*\n(.*?)```", page, re.DOTALL)
    (folder / "refit.toml").write_text(specification, encoding="utf-8")
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    for commands in re.findall(r"```sh\n(.*?)```", page, re.DOTALL):
        done = subprocess.run(
            ["bash", "-e", "-c", commands],
            cwd=folder,
            env={**os.environ, "PATH": paths},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{commands}\n{done.stdout}\n{done.stderr}")
    return {step: json.loads((folder / step / "validation.json").read_text())["overall"] for step in STEPS}


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The measures side by side, with their 95 % intervals."""
    lines = [f"| on the south | {' | '.join(STEPS.values())} |", "| --- |" + " --- |" * len(STEPS)]
    for key, words in MEASURES.items():
        shown = []
        for step in STEPS:
            measure = found[step]["measures"][key]
            shown.append(f"{measure['value']:.3f} ({measure['low']:.3f} to {measure['high']:.3f})")
        lines.append(f"| {words} | {' | '.join(shown)} |")
    return "\n".join(lines)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = table(walk(Path(folder)))
    print(made)
    if "--write" in sys.argv[1:]:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(START)
        PAGE.write_text(f"{before}{START}\n{made}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
