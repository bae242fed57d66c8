"""What secondary suppression costs, by level, and that no withheld count can be bounded closely.

    python benchmarks/disclosure.py LIST [--metrics NAME…] [--practices N] [--sample N]

LIST is a patient table (``popstrat synth``). For each flag of it, its people of a registered list are counted by area
(icb, place, neighbourhood, pcn, practice) and group (none, sex; age band and deprivation quintile from neighbourhood
upwards). Denominators are protected first, then each metric against them. Printed: counts withheld, the seconds it
took, the least width by linear programming for a sample of them, and by level and group the share
of counts over 7 (and not within 7 of their denominator) that are withheld to protect others.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from popstrat.privacy.disclosure import WIDTH, Release
from popstrat.privacy.disclosure.audit import widths
from popstrat.privacy.disclosure.protect import Problem

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


def protected(people: Mapping, having: Mapping[str, Mapping], sums: Sequence) -> tuple[dict, float]:
    """Why each count is withheld, and the seconds it took."""
    start = time.perf_counter()
    release = Release()
    for key, count in people.items():
        release.add(key, count)
    for total, parts in sums:
        release.adds_up(total, parts)
    why: dict = {"people": release.publish().why}
    for name, cells in having.items():
        release = Release()
        for key, count in cells.items():
            release.add_part(key, count, people[key], whole_shown=key not in why["people"])
        for total, parts in sums:
            release.adds_up(total, parts)
        done = release.publish()
        print(f"# {name}: {time.perf_counter() - start:.0f} s", flush=True)
        why[name] = {k: v for k, v in done.why.items() if k in cells}
    return why, time.perf_counter() - start


def known(people: Mapping, having: Mapping, why: Mapping, name: str, sums: Sequence) -> tuple[Problem, list]:
    """All that is known of the people and of one metric together, as published; and the names of its counts."""
    release = Release()
    for kind, cells in (("people", people), (name, having)):
        for key, count in cells.items():
            release.add((kind, key), count)
            if key in why[kind]:
                release.earlier((kind, key), None)
        for total, parts in sums:
            release.adds_up((kind, total), [(kind, p) for p in parts])
    for key in having:
        release.part_of((name, key), ("people", key))
    _, _, problem, names = release.stated()
    return problem, names


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("list")
    ask.add_argument("--metrics", nargs="+", default=list(METRICS))
    ask.add_argument("--practices", type=int, default=None, help="only so many practices")
    ask.add_argument("--sample", type=int, default=100, help="withheld counts bounded exactly, of each release")
    given = ask.parse_args()
    need = ["practice_code", "pcn_code", "neighbourhood", "place", "sex", "date_of_birth", "imd_decile", *given.metrics]
    counts, sums = counted(pq.read_table(given.list, columns=need), given.metrics, given.practices)
    people = counts.pop("people")
    why, seconds = protected(people, counts, sums)
    print(
        f"{sum(map(len, why.values())):,} counts withheld, {1 + len(counts)} tables of {len(people):,}: {seconds:.1f} s"
    )
    rng = np.random.default_rng(0)
    all_widths: list[float] = []
    for name, cells in counts.items():
        problem, _ = known(people, cells, why, name, sums)
        guarded = np.flatnonzero(problem.guarded)
        chosen = rng.choice(guarded, min(given.sample, len(guarded)), replace=False) if len(guarded) else []
        all_widths += widths(problem, chosen).values()
    least, short = min(all_widths, default=np.inf), sum(w < WIDTH - 1e-6 for w in all_widths)
    print(f"widths by linear programming: {len(all_widths):,} counts bounded, {short} under {WIDTH}, least {least:.2f}")
    over, lost = defaultdict(int), defaultdict(int)
    for name, cells in {"people": people, **counts}.items():
        for key in cells:
            if why[name].get(key) not in ("small", "rest"):
                over[key[0], key[2]] += 1
                lost[key[0], key[2]] += key in why[name]
    for (level, kind), n in over.items():
        print(f"{level:14} {kind:5} {lost[level, kind]:6,} of {n:7,}  {100 * lost[level, kind] / n:5.1f} %")


if __name__ == "__main__":
    main()
