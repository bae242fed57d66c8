"""What reading a patient table from Parquet costs: CPU seconds, seconds and peak memory, beside pyarrow and Polars.

python benchmarks/parquet_reading.py LIST.parquet [--threads N] [--rounds N]

Each reader runs in a process of its own, the readers in turn, and the least of the rounds counts. All the columns that
`london-2026` reads are read, and let go as soon as they are there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

READERS = ("popstrat", "pyarrow", "polars")


def read(reader: str, path: Path, threads: int) -> tuple[int, float, float, int]:
    """Rows, CPU seconds, seconds, peak MB of one reading in this process, imports not counted."""
    import resource
    import time

    import pyarrow as pa
    import pyarrow.parquet as pq

    from popstrat.formats import open_source
    from popstrat.schema import patient_schema
    from popstrat.scorer import Scorer

    known = patient_schema().columns
    wanted = Scorer(pack="london-2026", as_of="2026-06-30").columns
    columns = [n for n in pq.read_schema(path).names if n in wanted]
    pa.set_cpu_count(threads)
    if reader == "polars":
        import polars as pl
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    if reader == "popstrat":
        source = open_source([path], kinds=lambda n: known[n].type if n in known else None, threads=threads).files[0]
        rows = sum(batch.num_rows for batch in source.batches(columns))
    elif reader == "pyarrow":
        with pq.ParquetFile(path) as file:
            groups = range(file.num_row_groups)
            rows = sum(file.read_row_group(i, columns=columns, use_threads=threads > 1).num_rows for i in groups)
    else:
        rows = pl.read_parquet(path, columns=columns).height
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return rows, cpu, seconds, after.ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reader", choices=READERS, help="read once, in this process")
    given = parser.parse_args()
    if given.reader:
        print(json.dumps(read(given.reader, given.file, given.threads)))
        return
    runs: dict[str, list[tuple[int, float, float, int]]] = {r: [] for r in READERS}
    for _ in range(given.rounds):
        for reader in READERS:
            command = [sys.executable, __file__, str(given.file), "--reader", reader, "--threads", str(given.threads)]
            environment = {**os.environ, "POLARS_MAX_THREADS": str(given.threads)}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            runs[reader].append(json.loads(done.stdout))
    assert len({found[0] for all_found in runs.values() for found in all_found}) == 1, "the readers disagree on rows"
    print("reader      CPU s       s  peak MB")
    for reader, found in runs.items():
        rows, cpu, seconds, peak = (min(values) for values in zip(*found, strict=True))
        print(f"{reader:9} {cpu:7.3f} {seconds:7.3f} {peak:8}")
    print(f"{rows:,} rows, {given.threads} thread(s), least of {given.rounds}")


if __name__ == "__main__":
    main()
