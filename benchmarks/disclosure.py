"""What secondary suppression costs, by level, and that no withheld count can be bounded closely.

    python benchmarks/disclosure.py LIST [--metrics NAME…] [--practices N] [--sample N] [--write NAME]

LIST is a patient table (``popstrat synth``). For each flag of it, its people of a registered list are counted by area
(icb, place, neighbourhood, pcn, practice) and group (none, sex; age band and deprivation quintile from neighbourhood
upwards). Each metric is protected together with everybody. Printed: counts withheld, the seconds it took, the least
width by linear programming for a sample of them, all tables together, and by level and group the share of counts over 7
(and not within 7 of their denominator) that are withheld to protect others.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from popstrat.privacy.disclosure import SMALLEST, WIDTH
from popstrat.privacy.disclosure.audit import widths
from popstrat.privacy.disclosure.problem import Problem
from popstrat.privacy.disclosure.release import Release

METRICS = ("hypertension", "diabetes", "ckd", "atrial_fibrillation", "copd", "dementia")
LEVELS = ("icb", "place", "neighbourhood", "pcn", "practice")
ABOVE = {"place": "icb", "neighbourhood": "place", "pcn": "place"}
AGES = np.array([5, 18, 40, 65, 75, 85])


def codes(column: Any) -> tuple[np.ndarray, int]:
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    index = np.asarray(encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False))
    return index.astype(np.int64), len(encoded.dictionary) + 1


def counted(table: pa.Table, names: Sequence[str], practices: int | None) -> tuple[dict[str, dict], list]:
    """Counts by (level, area, group kind, group) of everybody and of each flag, and how they add up."""
    rows = len(table)
    area: dict[str, np.ndarray] = {"icb": np.zeros(rows, np.int64)}
    for level, column in (("place", "place"), ("neighbourhood", "neighbourhood"), ("pcn", "pcn_code"),
                          ("practice", "practice_code")):  # fmt: skip
        area[level] = codes(table.column(column))[0]
    use = np.ones(rows, bool) if practices is None else area["practice"] < practices
    born = table.column("date_of_birth").cast(pa.int32()).to_numpy()
    age = (born.max() - born) / 365.25
    imd = table.column("imd_decile").to_numpy()
    group = {
        "none": np.zeros(rows, np.int64), "sex": codes(table.column("sex"))[0], "age": np.digitize(age, AGES),
        "imd": np.where(np.isnan(imd.astype(float)), 5, (np.nan_to_num(imd.astype(float)) - 1) // 2).astype(np.int64),
    }  # fmt: skip
    flags = {"people": use} | {n: use & np.asarray(table.column(n).fill_null(False).to_numpy()) for n in names}
    found: dict[str, dict] = {n: {} for n in flags}
    for level in LEVELS:
        for kind, of in group.items():
            if level in ("practice", "pcn") and kind in ("age", "imd"):
                continue
            width = int(of.max()) + 1
            key = area[level] * width + of
            present = np.unique(key[use])
            for n, chosen in flags.items():
                count = np.bincount(key[chosen], minlength=int(key.max()) + 1)
                found[n].update({(level, int(k // width), kind, int(k % width)): int(count[k]) for k in present})
    sums = []
    parents: dict[tuple[str, str], dict[int, int]] = {}
    for low, high in (("practice", "pcn"), ("practice", "neighbourhood"), ("pcn", "place"), ("neighbourhood", "place"),
                      ("place", "icb")):  # fmt: skip
        pairs = np.unique(np.column_stack([area[low][use], area[high][use]]), axis=0)
        if len(np.unique(pairs[:, 0])) == len(pairs):  # else the one does not lie within the other
            parents[low, high] = {int(a): int(b) for a, b in pairs}
    cells = found["people"]
    for (low, high), above in parents.items():
        members = defaultdict(list)
        for key in cells:
            if key[0] == low:
                members[(high, above[key[1]], *key[2:])].append(key)
        sums += [(total, parts) for total, parts in members.items() if total in cells]
    members = defaultdict(list)
    for key in cells:
        if key[2] != "none":
            members[key[:3]].append(key)
    sums += [((level, a, "none", 0), parts) for (level, a, _), parts in members.items()]
    return found, sums


def protected(people: Mapping, having: Mapping[str, Mapping], sums: Sequence) -> tuple[dict, float, float]:
    """Why each count is withheld, and the seconds it took: by the clock, and of a processor.

    Each metric goes with everybody whom it is a part of; what one metric makes withheld of everybody stays withheld for
    the next."""
    start, used = time.perf_counter(), time.process_time()
    why: dict = {"people": {}}
    for name, cells in having.items():
        release = Release()
        state(release, people, cells, why, name, sums)
        done = release.publish().why
        why |= {kind: {k[1]: v for k, v in done.items() if k[0] == kind} for kind in ("people", name)}
        print(f"# {name}: {time.perf_counter() - start:.1f} s", flush=True)
    for key in why["people"]:  # of the two reasons the first, not that it was withheld before
        if people[key] < SMALLEST:
            why["people"][key] = "small"
    return why, time.perf_counter() - start, time.process_time() - used


def state(release: Release, people: Mapping, cells: Mapping, why: Mapping, name: str, sums: Sequence) -> None:
    """Say what there is of everybody and of one metric."""
    for kind, counts in (("people", people), (name, cells)):
        for key, count in counts.items():
            if (kind, key) not in release:
                release.add((kind, key), count)
                if key in why.get(kind, ()):
                    release.earlier((kind, key), None)
        for total, parts in sums:
            release.adds_up((kind, total), [(kind, p) for p in parts])
    for key in cells:
        release.part_of((name, key), ("people", key))


def known(people: Mapping, having: Mapping[str, Mapping], why: Mapping, sums: Sequence) -> Problem:
    """All that is known of everybody and of all metrics together, as published."""
    release = Release()
    for name, cells in having.items():
        state(release, people, cells, why, name, sums)
    return release.stated()[2]


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("list")
    ask.add_argument("--metrics", nargs="+", default=list(METRICS))
    ask.add_argument("--practices", type=int, default=None, help="only so many practices")
    ask.add_argument("--sample", type=int, default=100, help="withheld counts bounded exactly")
    ask.add_argument("--write", metavar="NAME", help="put the result into docs/disclosure.md under this name")
    given = ask.parse_args()
    need = ["practice_code", "pcn_code", "neighbourhood", "place", "sex", "date_of_birth", "imd_decile", *given.metrics]
    table = pq.read_table(given.list, columns=need)
    rows = len(table)
    counts, sums = counted(table, given.metrics, given.practices)
    del table
    people = counts.pop("people")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    why, seconds, used = protected(people, counts, sums)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    problem = known(people, counts, why, sums)
    guarded = np.flatnonzero(problem.guarded)
    chosen = np.random.default_rng(0).choice(guarded, min(given.sample, len(guarded)), replace=False)
    found = widths(problem, chosen).values()
    least, short = min(found, default=np.inf), sum(w < WIDTH - 1e-6 for w in found)
    over, lost = defaultdict(int), defaultdict(int)
    for name, cells in {"people": people, **counts}.items():
        for key in cells:
            if why[name].get(key) not in ("small", "rest"):
                over[key[0], key[2]] += 1
                lost[key[0], key[2]] += key in why[name]
    said = (
        f"{rows:,} people, everybody and {len(counts)} metrics, {len(people):,} counts each; "
        f"{seconds:.0f} s by the clock, {used:.0f} s of a processor, peak memory {memory / 1e6:.1f} GB "
        f"({before / 1e6:.1f} GB before). {len(guarded):,} counts and small rests are withheld; {len(found):,} of "
        f"them bounded by linear programming over all tables together: {short} under "
        f"{WIDTH}, least {least:.2f}."
    )
    lines = [
        said,
        "", "| level | group | over 7 | withheld to protect others | share |", "|---|---|---:|---:|---:|",
        *(f"| {level} | {kind} | {n:,} | {lost[level, kind]:,} | {100 * lost[level, kind] / n:.1f}% |"
          for (level, kind), n in over.items()),
    ]  # fmt: skip
    print("\n".join(lines))
    if given.write:
        page = Path(__file__).parents[1] / "docs" / "disclosure.md"
        start, end = f"<!-- {given.write} -->\n", f"<!-- end of {given.write} -->"
        head, rest = page.read_text("utf-8").split(start)
        page.write_text(head + start + "\n".join(lines) + "\n" + end + rest.split(end)[1], "utf-8")


if __name__ == "__main__":
    main()
