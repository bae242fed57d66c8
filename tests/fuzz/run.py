"""Fuzz what reads bytes of strangers: damaged and hostile inputs by the thousand, each judged against a reference.

    python tests/fuzz/run.py --seconds 300                    # in all, split over the targets
    python tests/fuzz/run.py --seconds 3600 --asan            # the compiled code under the sanitizers (built first)
    python tests/fuzz/run.py --targets parquet,csv --seed 7   # some of them, with other inputs
    python tests/fuzz/run.py --write docs/fuzzing.md          # put the totals of all runs so far into the document

Targets run in processes of their own, so that a crash is a finding and not the end. An input is *refused* with an
`InputError` or a `PackError`, or *read* and equal to the reference. Anything else is a finding: another exception,
other values, something read that the reference refuses, a sanitizer's report, a signal, more than 20 seconds or 400
MB. What is found is kept in build/fuzz/, made smaller where it can be; once mended it belongs in
tests/fuzz/corpus/TARGET/.
The last line of the output is a JSON object with the counts. Exit status 1 if there was a finding.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import runpy
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORKER = HERE / "worker.py"
KEPT = ROOT / "build" / "fuzz"
RUNS = KEPT / "runs.jsonl"
TARGETS = sorted(p.stem for p in (HERE / "targets").glob("*.py") if p.stem != "__init__")
TITLES = {
    "parquet": "Parquet files", "csv": "CSV files", "arrow": "Arrow files and streams",
    "memory": "Arrow tables in memory",
    "packs": "Packs", "maps": "Column maps", "templates": "Upload templates", "manifests": "Folders of uploads",
    "audit": "Audit logs", "specifications": "Feature specifications", "layouts": "Layouts of extracts",
    "codelists": "Code lists", "worklists": "Work lists of last time", "plans": "Plans of metrics",
}  # fmt: skip
SLICE = 60.0  # seconds of a process; what leaks is then bounded too
GRACE = 300.0
EVERYTHING = 1 << 40
FAR_APART = 1 << 32  # numbers between seeds
MAKING_SMALLER = 20.0  # seconds a finding
MOST_FINDINGS = 20  # kept of a target in one run


class Fuzzing:
    """One run: the counts of each target, and what was found."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        self.findings: list[dict[str, Any]] = []

    def slice(self, target: str, start: int, seconds: float, count: int = EVERYTHING) -> int:
        """Inputs of a target from a number on; gives the number after the last."""
        with tempfile.NamedTemporaryFile(prefix="popstrat-fuzz-") as at:
            more = {"POPSTRAT_FUZZ_AT": at.name}
            done = self._worker([target, "run", str(start), str(count), str(seconds)], seconds + GRACE, more)
            told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            for found in told:
                if "finding" in found and "number" in found:
                    self._found(target, found["number"], found["finding"])
            if told and "next" in told[-1]:
                self._add(target, told[-1])
                return int(told[-1]["next"])
            state = json.loads(Path(at.name).read_bytes() or b"{}")
        number = int(state.get("number", start))
        self._add(target, {**state, "inputs": state.get("inputs", 0) + 1, "finding": state.get("finding", 0) + 1})
        self._found(target, number, _ending(done))
        return number + 1

    def _worker(self, arguments: list[str], seconds: float, more: dict[str, str]) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-X", "faulthandler", str(WORKER), *arguments]
        try:
            return subprocess.run(
                command, env=self.environment | more, capture_output=True, text=True, errors="replace", check=False,
                timeout=seconds,
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            out = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or ""
            return subprocess.CompletedProcess(command, -9, out, "took too long")

    def _add(self, target: str, told: dict[str, Any]) -> None:
        for what in ("inputs", "read", "refused", "finding", "cpu"):
            self.counts[target][what] += told.get(what, 0)

    def _found(self, target: str, number: int, what: str) -> None:
        kind = (target, re.sub(r"[\d,.'\"]+", "#", what)[:150])
        same = [f for f in self.findings if f["kind"] == kind]
        if same:
            same[0]["times"] += 1
            return
        finding = {"target": target, "number": number, "what": what, "times": 1, "kind": kind}
        self.findings.append(finding)
        print(f"FINDING {target} {number}: {what}", flush=True)
        if sum(f["target"] == target for f in self.findings) <= MOST_FINDINGS:
            KEPT.mkdir(parents=True, exist_ok=True)
            path = KEPT / f"{target}-{number}.bin"
            self._worker([target, "make", str(number), str(path)], GRACE, {})
            if path.exists() and target != "memory":
                self._smaller(target, path)
            finding["file"] = str(path.relative_to(ROOT))

    def _smaller(self, target: str, path: Path) -> None:
        """Leave out pieces of the input as long as it ends the same way, for a while."""
        content = path.read_bytes()
        late = time.monotonic() + MAKING_SMALLER
        wanted = self._outcome(target, path)
        size = len(content) // 2
        with tempfile.TemporaryDirectory(prefix="popstrat-fuzz-") as folder:
            trial = Path(folder, "input")
            while size >= max(1, len(content) // 64) and time.monotonic() < late:
                at = 0
                while at < len(content) and time.monotonic() < late:
                    trial.write_bytes(content[:at] + content[at + size :])
                    if self._outcome(target, trial) == wanted:
                        content = trial.read_bytes()
                    else:
                        at += size
                size //= 2
        path.write_bytes(content)

    def _outcome(self, target: str, path: Path) -> str:
        done = self._worker([target, "replay", str(path)], 60 + GRACE, {})
        told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return re.sub(r"[\d,.]+", "#", told[0]["finding"]) if told else _ending(done)[:60]


def _ending(done: subprocess.CompletedProcess[str]) -> str:
    """How a process ended that should not have."""
    report = next((line for line in done.stderr.splitlines() if "Sanitizer" in line or "runtime error" in line), "")
    how = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
    last = [line.strip() for line in done.stderr.splitlines() if line.strip().startswith(("File", "#"))][:3]
    return f"{how}: {report or ' '.join(last) or done.stderr.strip()[-200:]}"


def sanitized() -> dict[str, str]:
    """Build the package under the sanitizers, and give what a process of it needs."""
    tools = runpy.run_path(str(ROOT / "engine" / "sanitize.py"))
    tools["build"]()
    found: dict[str, str] = tools["environment"]()
    return found


def totals(runs: list[dict[str, Any]]) -> str:
    """The table of the document, of all runs of this checkout."""
    rows = ["| Input | Tried | Read rightly | Refused | CPU hours | of them sanitized | Findings |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    whole = [0.0] * 6
    for target in TITLES:
        of_it = [(r, r["targets"][target]) for r in runs if target in r["targets"]]
        figures = [sum(t[what] for _, t in of_it) for what in ("inputs", "read", "refused")]
        figures.append(sum(t["cpu_seconds"] for _, t in of_it) / 3600)
        figures.append(sum(t["cpu_seconds"] for r, t in of_it if r["asan"]) / 3600)
        figures.append(sum(len(t["findings"]) for _, t in of_it))
        whole = [a + b for a, b in zip(whole, figures, strict=True)]
        rows.append(_row(TITLES[target], figures))
    return "\n".join([*rows, _row("**all**", whole)])


def _row(title: str, f: list[float]) -> str:
    return f"| {title} | {f[0]:,.0f} | {f[1]:,.0f} | {f[2]:,.0f} | {f[3]:.2f} | {f[4]:.2f} | {f[5]:.0f} |"


def write(path: Path) -> None:
    runs = [json.loads(line) for line in RUNS.read_text().splitlines()] if RUNS.exists() else []
    text = path.read_text(encoding="utf-8")
    start, end = "<!-- figures: run.py --write -->\n", "<!-- /figures -->"
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{start}{totals(runs)}\n{end}{after}", encoding="utf-8")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=0.0, help="in all; 0 to try nothing")
    parser.add_argument("--seed", type=int, default=1, help="which inputs: each seed has its own")
    parser.add_argument("--targets", default=",".join(TARGETS), help=f"some of {', '.join(TARGETS)}")
    parser.add_argument("--asan", action="store_true", help="the compiled code under the sanitizers")
    parser.add_argument("--write", type=Path, help="put the totals of all runs into this document")
    given = parser.parse_args(arguments)
    status = 0
    if given.seconds:
        status = fuzz(given.targets.split(","), given.seconds, given.seed, asan=given.asan)
    if given.write:
        write(given.write)
    return status


def fuzz(targets: list[str], seconds: float, seed: int, *, asan: bool) -> int:
    """Turn by turn, until the time is up; the counts go to the output and to build/fuzz/runs.jsonl."""
    environment = sanitized() if asan else dict(os.environ)
    fuzzing = Fuzzing(environment)
    following = dict.fromkeys(targets, seed * FAR_APART)
    end = time.monotonic() + seconds
    turn = min(SLICE, seconds / len(targets))
    while (left := end - time.monotonic()) > 1 or not fuzzing.counts:
        for target in targets:
            until = time.monotonic() + min(turn, max(left / len(targets), 1))
            while (rest := until - time.monotonic()) > 0.5:
                following[target] = fuzzing.slice(target, following[target], rest)
    told = {
        "seconds": seconds, "seed": seed, "asan": asan,
        "targets": {
            target: {
                **{what: int(fuzzing.counts[target][what]) for what in ("inputs", "read", "refused")},
                "cpu_seconds": round(fuzzing.counts[target]["cpu"], 1),
                "findings": [{k: f[k] for k in f if k != "kind"} for f in fuzzing.findings if f["target"] == target],
            }
            for target in targets
        },
    }  # fmt: skip
    KEPT.mkdir(parents=True, exist_ok=True)
    with RUNS.open("a") as log:
        log.write(json.dumps(told) + "\n")
    print(json.dumps(told))
    return 1 if fuzzing.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
