"""Forked processes: what a parent did with threads, or does at that moment, never leaves a child waiting."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")

START = """
import datetime as dt, faulthandler, gc, multiprocessing, os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
import popstrat, popstrat.synthetic
from popstrat.cli.main import run

DAY = dt.date(2026, 6, 30)

def child(work):
    "The exit status of a child that does the work: 1 also where it waits for ever."
    if not (pid := os.fork()):
        status = 70
        faulthandler.dump_traceback_later(40, exit=True)
        try:
            status = 0 if work() else 1
            gc.collect()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def run(tmp_path: Path, script: str) -> None:
    file = tmp_path / "script.py"
    file.write_text(START + script)
    done = subprocess.run([sys.executable, file, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_while_other_threads_score(tmp_path: Path) -> None:
    """Tables and files, with threads of their own, in children of a process whose threads do the same."""
    run(
        tmp_path,
        """
import pyarrow.parquet as pq
from pathlib import Path

folder = Path(sys.argv[1])
table = popstrat.synthetic.table(40_000, as_of=DAY, threads=2)
pq.write_table(table, folder / "list.parquet")
wanted = popstrat.score(table, as_of=DAY, threads=2)
stop = threading.Event()

def again():
    while not stop.is_set():
        popstrat.score(table, as_of=DAY, threads=2)

def file(name):
    command = ["score", str(folder / "list.parquet"), "-o", str(folder / name), "--as-of", str(DAY)]
    return run([*command, "--threads", "2", "-q"]) == 0 and pq.read_table(folder / name).num_rows == 40_000

threads = [threading.Thread(target=again) for _ in range(2)]
for thread in threads:
    thread.start()
found = [child(lambda: popstrat.score(table, as_of=DAY, threads=2).equals(wanted)) for _ in range(6)]
found += [child(lambda: file(f"{i}.parquet")) for i in range(2)]
found += [child(lambda: popstrat.synthetic.table(70_000, as_of=DAY, threads=2).num_rows == 70_000)]
stop.set()
for thread in threads:
    thread.join()
sys.exit(any(found))
""",
    )


def test_while_another_thread_binds(tmp_path: Path) -> None:
    """Wherever it stands in `Scorer.bind`: here, where it looks for what it has kept."""
    run(
        tmp_path,
        """
table = popstrat.synthetic.table(50, as_of=DAY)
scorer = popstrat.Scorer(as_of=DAY)
reached, go_on = threading.Event(), threading.Event()

class Slow(int):
    asked = 0
    def __hash__(self):
        Slow.asked += 1
        if Slow.asked > 1:
            reached.set()
            go_on.wait()
        return 1

thread = threading.Thread(target=lambda: scorer.bind(table.schema, counted=Slow(1)))
thread.start()
reached.wait()
status = child(lambda: scorer.bind(table.schema, counted=False) is not None)
go_on.set()
thread.join()
sys.exit(status)
""",
    )


def test_a_list_begun_by_the_parent(tmp_path: Path) -> None:
    """The threads that would make the rest are not there: that is said, not waited for."""
    run(
        tmp_path,
        """
batches = popstrat.synthetic.generate(400_000, as_of=DAY, threads=2)
next(batches)

def goes_on():
    try:
        next(batches)
    except RuntimeError as error:
        return "begin it there" in str(error)

status = child(goes_on)
sys.exit(status or next(batches).num_rows == 0)
""",
    )


HASHING = """
from popstrat.privacy.keyed_hashes import Digester, hmac_sha256

VALUES, KEY = [b"%d" % i for i in range(5000)], b"key" * 11

def digests():
    with Digester([KEY], 3) as digester:
        return digester.digests(0, VALUES) == hmac_sha256(KEY)(VALUES)
"""


def test_hashing_in_a_pool(tmp_path: Path) -> None:
    """A process of a pool may have no processes of its own."""
    run(
        tmp_path,
        HASHING
        + """
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(1) as pool:
        sys.exit(not pool.apply(digests))
""",
    )


def test_hashing_by_a_script_that_cannot_be_imported(tmp_path: Path) -> None:
    run(
        tmp_path,
        HASHING
        + """
try:
    digests()
except popstrat.PopstratError as error:
    sys.exit("must stand under" not in str(error))
sys.exit(3)
""",
    )
