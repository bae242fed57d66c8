"""``popstrat report`` on figures of 400 practices and everything above them: seconds, memory and megabytes.

    python benchmarks/report_pages.py [--practices N] [--months M]

The figures are made by script: those of a small list, given to so many practices with another draw of chance each, so
that no list of millions has to be counted first. The folder of pages is thrown away.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from popstrat import synthetic
from popstrat.cli import run
from popstrat.core.hashing import HASH, hash_file

DAY = dt.date(2026, 6, 30)
PER_PCN, PER_NEIGHBOURHOOD, PER_PLACE = 5, 10, 67


def areas(practices: int) -> dict[str, dict[str, str]]:
    """Where each practice is."""
    return {
        f"Y{10000 + i}": {
            "pcn": f"U{10000 + i // PER_PCN}",
            "neighbourhood": f"Neighbourhood {i // PER_NEIGHBOURHOOD + 1}",
            "place": f"Place {i // PER_PLACE + 1}",
        }
        for i in range(practices)
    }


def figures(folder: Path) -> tuple[pa.Table, dict[str, Any]]:
    """The exact figures of a list of twelve practices, with their record."""
    pq.write_table(synthetic.table(24_000, seed=3, as_of=DAY, practices=12), folder / "list.parquet")
    output = folder / "small.parquet"
    command = ["metrics", str(folder / "list.parquet"), "-o", str(output), "--as-of", DAY.isoformat()]
    assert run([*command, "--no-disclosure-control", "-q"]) == 0
    return pq.read_table(output), json.loads((folder / "small.parquet.run.json").read_text())


def spread(small: pa.Table, where: dict[str, dict[str, str]], rng: np.random.Generator) -> pa.Table:
    """The rows of one area of each level for every area of that level, each value by another draw of chance."""
    parts = []
    for level in ("icb", "place", "neighbourhood", "pcn", "practice"):
        rows = small.filter(pc.equal(small["level"], level))
        names = rows["area"].unique().to_pylist()
        wanted = (
            ["all"]
            if level == "icb"
            else list(where)
            if level == "practice"
            else sorted({w[level] for w in where.values()})
        )
        for i, name in enumerate(wanted):
            one = rows.filter(pc.equal(rows["area"], names[i % len(names)]))
            parts.append(_set(_set(_jittered(one, rng), "area", [name] * len(one)), "parent", [None] * len(one)))
    return pa.concat_tables(parts)


def _jittered(rows: pa.Table, rng: np.random.Generator) -> pa.Table:
    for name in ("value", "low", "high"):
        values = rows[name].to_numpy(zero_copy_only=False).astype(float)
        share = np.array([m in ("proportion", "coverage") for m in rows["measure"].to_pylist()])
        moved = values * (1 + rng.normal(0, 0.03, len(values)))
        moved = np.where(share & (values <= 1), np.clip(moved, 0, 1), moved)
        rows = _set(rows, name, pa.array(moved, mask=~np.isfinite(moved)))
    return rows


def _set(rows: pa.Table, name: str, values: Any) -> pa.Table:
    at = rows.schema.get_field_index(name)
    return rows.set_column(at, rows.schema.field(at), pa.array(values, rows.schema.field(at).type))


def written(rows: pa.Table, record: dict[str, Any], path: Path, day: dt.date) -> None:
    """A metrics file with its record."""
    pq.write_table(_set(rows, "as_of", [day] * len(rows)), path)
    told = {**record, "as_of": day.isoformat(), "output": {"name": path.name, HASH: hash_file(path)}}
    path.with_name(f"{path.name}.run.json").write_text(json.dumps(told))


def main() -> None:
    """Make the figures, write the pages, say how long it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--practices", type=int, default=400)
    parser.add_argument("--months", type=int, default=13)
    asked = parser.parse_args()
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        small, record = figures(folder)
        where = areas(asked.practices)
        record["practices"] = where
        files = []
        for back in range(asked.months):
            month = DAY.year * 12 + DAY.month - 1 - back
            day = dt.date(month // 12, month % 12 + 1, 28)
            path = folder / f"{day:%Y-%m}.parquet"
            written(spread(small, where, rng), record, path, day)
            files.append(str(path))
        rows = pq.read_metadata(files[0]).num_rows
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start, worked = time.perf_counter(), time.process_time()
        assert run(["report", *files, "-o", str(folder / "pages"), "-q"]) == 0
        seconds, cpu = time.perf_counter() - start, time.process_time() - worked
        pages = list((folder / "pages").glob("*.html"))
        size = sum(page.stat().st_size for page in pages) / 1e6
        largest = max(page.stat().st_size for page in pages) / 1e6
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{asked.practices} practices, {asked.months} months of {rows:,} figures: {len(pages)} pages")
        print(f"{seconds:.1f} s, {cpu:.1f} s of one core; {size:.1f} MB, the largest page {largest:.2f} MB")
        print(f"at most {peak:,.0f} MB of memory, {before / 1024:,.0f} before")


if __name__ == "__main__":
    main()
