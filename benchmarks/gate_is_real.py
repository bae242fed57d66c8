"""Shows that the gate sees what it is for: pytest benchmarks/gate_is_real.py (not part of `pytest benchmarks`).

An engine is built in which two kernels do a little useless work, and the gate is run on it: it must fail and name those
two with the old and the new figure; on the engine as it is, it must pass.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import rebuilt

GATE = [sys.executable, str(Path(__file__).parent / "instructions.py")]
SLOWED = ("RANGE_I32", "ADD_SCALED")  # over columns and over registers
LEFT = ("AND", "EXP", "increasing ids")
# A loop that does nothing before each of those operations, some hundreds of instructions each time
# (engine/kernels/block.h).
SLOWING = f"-DPOPSTRAT_SLOWED(op)=({'||'.join(f'(op)==OP_{name}' for name in SLOWED)})"


def gate(*arguments: str, package: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The gate on a few kernels, of the package in that folder or of the one that is installed."""
    chosen = [word for name in (*SLOWED, *LEFT) for word in ("--only", name)]
    environment = dict(os.environ) | ({"PYTHONPATH": str(package)} if package else {})
    return subprocess.run([*GATE, *arguments, *chosen], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def slowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package built with slowed kernels, as a folder for PYTHONPATH."""
    return rebuilt.package(tmp_path_factory.mktemp("slowed"), flags=SLOWING)


def test_a_slower_kernel_fails_the_gate(slowed: Path, tmp_path: Path) -> None:
    """Passes on the engine as it is; fails on the slowed one, naming each slowed kernel, old figure, new figure."""
    baseline = tmp_path / "baseline.json"
    assert gate("--update", "--baseline", str(baseline)).returncode == 0

    passed = gate("--check", "--baseline", str(baseline))
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "SLOWER" not in passed.stdout

    failed = gate("--check", "--baseline", str(baseline), package=slowed)
    print(failed.stdout)
    assert failed.returncode == 1, failed.stdout + failed.stderr
    counted = json.loads(baseline.read_text(encoding="utf-8"))["instructions"]
    for level, kernels in counted.items():
        for name in SLOWED:
            line = re.search(rf"^SLOWER: {name} \({level}\), (\S+) → (\S+) instructions", failed.stdout, re.M)
            assert line, failed.stdout
            old, new = map(float, line.groups())
            assert old == pytest.approx(kernels[name], rel=1e-3)
            assert 1.01 * old < new < 10 * old
    assert set(re.findall(r"^SLOWER: (.+?) \(", failed.stdout, re.M)) == set(SLOWED)
