"""The eighty folds of `derive_events`, from a Parquet file to a Parquet file, in a process of its own.

derive_process.py make FOLDER EVENTS                  # sorted.parquet, unsorted.parquet, people.npz, lists.npz
derive_process.py ours|polars|scan FOLDER FILE OUT
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np


def make(folder: Path, events: int) -> None:
    import derive_events as d
    import pyarrow as pa
    import pyarrow.parquet as pq

    record = d.record(events)
    np.savez(folder / "people.npz", keys=record.keys.to_numpy(), births=record.births)
    np.savez(folder / "lists.npz", **record.lists)
    how: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "row_group_size": 1 << 20}
    pq.write_table(record.events, folder / "sorted.parquet", **how)
    turned = np.random.default_rng(2).permutation(events)
    pq.write_table(record.events.take(pa.array(turned)), folder / "unsorted.parquet", **how)


def ours(folder: Path, file: Path, out: Path) -> None:
    import derive_events as d
    import pyarrow as pa

    from popstrat.core.cpus import cores
    from popstrat.deriving.folding import fold_chunks
    from popstrat.deriving.rows import open_rows
    from popstrat.formats import open_sink

    people, lists = np.load(folder / "people.npz"), np.load(folder / "lists.npz")
    rows = open_rows("events", [file], threads=cores())

    keys = pa.array(people["keys"])
    chunks = fold_chunks(
        keys, people["births"], {"events": rows}, d.folds(), {n: lists[n] for n in lists.files},
        as_of=d.AS_OF, threads=cores(), spill_dir=folder,
    )  # fmt: skip
    sink = None
    for chunk in chunks:
        columns = {"patient_id": keys.slice(chunk.first, chunk.rows)}
        for name, folded in chunk.folded.items():
            for cell, array in vars(folded).items():
                if array is not None:
                    columns[f"{name}.{cell}"] = pa.array(array)
        batch = pa.record_batch(columns)
        if sink is None:
            sink = open_sink(out, batch.schema, form=".parquet", keys=("patient_id",), threads=cores())
        sink.write(batch)
    assert sink is not None
    sink.close()


def polars(folder: Path, file: Path, out: Path) -> None:
    import derive_events as d
    import peer_derive
    import polars as pl
    import pyarrow as pa

    people, lists = np.load(folder / "people.npz"), np.load(folder / "lists.npz")
    nothing = pa.table({"patient_id": pa.array([], pa.int64()), "unit": pa.array([], pa.string())})
    record = d.Record(nothing, pa.array(people["keys"]), people["births"], {n: lists[n] for n in lists.files})
    query = peer_derive.Polars(record)
    query.events = pl.scan_parquet(file).with_columns(pl.col("unit").cast(pl.Categorical))
    query().write_parquet(out, compression="zstd", compression_level=1)


def scan(folder: Path, file: Path, out: Path) -> None:
    """Polars alone reading the columns."""
    import polars as pl

    columns = ("patient_id", "date", "code", "value", "unit")
    (pl.scan_parquet(file).select(columns).select(pl.all().null_count()).collect(engine="streaming").write_parquet(out))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        {"ours": ours, "polars": polars, "scan": scan}[sys.argv[1]](*(Path(a) for a in sys.argv[2:5]))
