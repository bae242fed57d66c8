"""The whole process: scoring a practice from the command line, against a Python that imports its usual tools only."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
from measuring import PRACTICE, Versus

IMPORTS = [sys.executable, "-c", "import polars, pyarrow, typer"]


def test_score_a_practice(
    make_list: Callable[[int, str], Path], as_of: dt.date, versus: Versus, tmp_path: Path
) -> None:
    source, target = make_list(PRACTICE, ".parquet"), tmp_path / "scored.parquet"
    command = Path(sys.executable).with_name("popstrat")
    program = [str(command)] if command.exists() else [sys.executable, "-m", "popstrat"]
    score = [*program, "score", str(source), "-o", str(target), "--as-of", str(as_of), "--quiet"]

    def run(arguments: list[str]) -> None:
        subprocess.run(arguments, check=True, capture_output=True)

    run(score)
    assert pq.read_metadata(target).num_rows == PRACTICE
    versus(
        "popstrat score, whole process",
        lambda: run(score),
        patients=PRACTICE,
        threads=versus.peer_threads,
        peer=("imports only", lambda: run(IMPORTS)),
        peer_threads=1,
    )
