"""A few inputs of every target, always the same ones, and every input that was ever a finding. `run.py` tries more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WORKER = HERE / "worker.py"
COUNTS = {
    "parquet": 300, "csv": 150, "arrow": 300, "memory": 30, "packs": 40, "maps": 150, "templates": 150, "manifests": 60,
    "audit": 60, "specifications": 40, "layouts": 80, "codelists": 150, "worklists": 150, "plans": 150,
}  # fmt: skip


def worker(*arguments: str) -> list[dict[str, object]]:
    command = [sys.executable, "-X", "faulthandler", str(WORKER), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=600)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    found = [t for t in told if t["finding"]]
    assert not found, found
    assert done.returncode == 0, done.stderr[-2000:]
    return told


def test_every_target_is_tried() -> None:
    assert set(COUNTS) == {p.stem for p in (HERE / "targets").glob("*.py")} - {"__init__"}


@pytest.mark.parametrize("target", COUNTS)
def test_inputs_are_refused_or_read_rightly(target: str) -> None:
    (counts,) = worker(target, "run", "0", str(COUNTS[target]), "300")
    assert counts["inputs"] == COUNTS[target]
    assert counts["refused"]
    assert counts["read"]


@pytest.mark.parametrize("target", sorted(p.name for p in (HERE / "corpus").iterdir() if p.is_dir()))
def test_what_was_found_once_is_refused_or_read_rightly(target: str) -> None:
    files = sorted(str(p) for p in (HERE / "corpus" / target).iterdir())
    assert len(worker(target, "replay", *files)) == len(files)
