"""A process that folds a few events once: with the engine, or by the loop in numba, which compiles first."""

from __future__ import annotations

from pathlib import Path

import derive_events as d


def ours() -> None:
    from popstrat.deriving.folding import fold_chunks

    record = d.record(4000)
    folds = [f for f in d.folds() if f.name.startswith(("last", "first", "year"))]
    tables = {"events": record.events.to_batches()}
    list(
        fold_chunks(record.keys, record.births, tables, folds, record.lists, as_of=d.AS_OF, threads=1, spill_dir=Path())
    )


def with_numba() -> None:
    import peer_derive

    peer_derive.Numba(d.record(4000), 1)()
