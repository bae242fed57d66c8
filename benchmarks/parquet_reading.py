"""What reading a patient table from Parquet costs: CPU seconds, seconds and memory, beside pyarrow and Polars.

python benchmarks/parquet_reading.py LIST.parquet [--threads N] [--rounds N]

Each reader runs in a process of its own, the readers in turn; medians of the rounds, and the median over the rounds of
the ratio to the engine's reader in the same round. All the columns that `london-2026` reads are read, batch by batch
where the library can, and let go as soon as they are there. CPU time is that of all threads, user and system; imports
are not counted. Memory is the most that was resident, and that less what was resident before the file was opened.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

BATCH_ROWS = 1 << 17
Columns = Sequence[str]
Reader = Callable[[Path, Columns, Collection[str], int], int]
"""(The file, the columns, those of them that are text, threads) → rows."""


def engine(path: Path, columns: Columns, texts: Collection[str], threads: int) -> int:
    """popstrat as it comes."""
    return _ours(path, columns, texts, threads, "native")


def by_arrow(path: Path, columns: Columns, texts: Collection[str], threads: int) -> int:
    """popstrat with ``POPSTRAT_FORMATS=arrow``."""
    return _ours(path, columns, texts, threads, "arrow")


def _ours(path: Path, columns: Columns, texts: Collection[str], threads: int, backend: str) -> int:
    from popstrat.formats import open_source

    kinds = dict.fromkeys(texts, "category")
    # Half of a run's threads read: as many as the others are given.
    source = open_source([path], kinds=kinds.get, threads=2 * threads, backend=backend).files[0]  # type: ignore[arg-type]
    return sum(batch.num_rows for batch in source.batches(columns, batch_rows=BATCH_ROWS))


def iter_batches(path: Path, columns: Columns, texts: Collection[str], threads: int) -> int:
    """pyarrow, batch by batch, text as dictionaries."""
    with pq.ParquetFile(path, read_dictionary=list(texts)) as file:
        batches = file.iter_batches(BATCH_ROWS, columns=list(columns), use_threads=threads > 1)
        return sum(batch.num_rows for batch in batches)


def read_row_group(path: Path, columns: Columns, texts: Collection[str], threads: int) -> int:
    """pyarrow, a row group at a time, text as dictionaries."""
    with pq.ParquetFile(path, read_dictionary=list(texts)) as file:
        groups = (file.read_row_group(i, columns, use_threads=threads > 1) for i in range(file.num_row_groups))
        return sum(group.num_rows for group in groups)


def collect_batches(path: Path, columns: Columns, texts: Collection[str], threads: int) -> int:
    """Polars, batch by batch."""
    import polars as pl

    return sum(b.height for b in pl.scan_parquet(path).select(columns).collect_batches(chunk_size=BATCH_ROWS))


def read_parquet(path: Path, columns: Columns, texts: Collection[str], threads: int) -> int:
    """Polars, the whole file at once."""
    import polars as pl

    return pl.read_parquet(path, columns=list(columns)).height


READERS: dict[str, Reader] = {
    "popstrat": engine,
    "popstrat by pyarrow": by_arrow,
    "pyarrow iter_batches": iter_batches,
    "pyarrow read_row_group": read_row_group,
    "Polars collect_batches": collect_batches,
    "Polars read_parquet": read_parquet,
}


def read(reader: str, path: Path, threads: int) -> tuple[int, float, float, float, float]:
    """Rows, CPU seconds, seconds, peak MB and MB beyond what was resident before, of one reading in this process."""
    import resource
    import time

    import popstrat.formats.parquet.native_reader
    import popstrat.formats.parquet.reader  # noqa: F401  (imports are not counted)
    from popstrat.packs.patient_table import patient_schema
    from popstrat.scoring.scorer import Scorer

    if "Polars" in reader:
        import polars  # noqa: F401
    known = patient_schema().columns
    wanted = Scorer(pack="london-2026", as_of="2026-06-30").columns
    columns = [n for n in pq.read_schema(path).names if n in wanted]
    texts = [n for n in columns if known[n].type in ("string", "category")]
    pa.set_cpu_count(threads)
    resident = _resident()
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    rows = READERS[reader](path, columns, texts, threads)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    peak = after.ru_maxrss / 1024
    return rows, cpu, seconds, peak, peak - resident


def _resident() -> float:
    """MB that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--reader", choices=READERS, help="read once, in this process")
    given = parser.parse_args()
    if given.reader:
        print(json.dumps(read(given.reader, given.file, given.threads)))
        return
    given.file.read_bytes()  # into the page cache
    runs: dict[str, list[tuple[int, float, float, float, float]]] = {r: [] for r in READERS}
    for _ in range(given.rounds):
        for reader in READERS:
            command = [sys.executable, __file__, str(given.file), "--reader", reader, "--threads", str(given.threads)]
            environment = {**os.environ, "POLARS_MAX_THREADS": str(given.threads)}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            runs[reader].append(json.loads(done.stdout))
    assert len({found[0] for all_found in runs.values() for found in all_found}) == 1, "the readers disagree on rows"
    print(f"{'reader':24}  CPU s  ratio      s  peak MB  MB more")
    for reader, found in runs.items():
        rows, cpu, seconds, peak, more = (statistics.median(values) for values in zip(*found, strict=True))
        ratio = statistics.median(one[1] / ours[1] for one, ours in zip(found, runs["popstrat"], strict=True))
        print(f"{reader:24} {cpu:6.3f} {ratio:6.2f} {seconds:6.3f} {peak:8.0f} {more:8.0f}")
    print(f"{rows:,.0f} rows, {given.threads} thread(s), medians of {given.rounds} rounds")


if __name__ == "__main__":
    main()
