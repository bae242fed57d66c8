"""The folds of `derive_events` once more, as somebody who knows Polars, DuckDB or numba well would write them.

They share no code with the package, nor with each other. What they give is compared with what `fold_chunks` gives
before anything is timed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import derive_events as d
import numpy as np
import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    import duckdb

YEAR = d.AS_OF - 365
TWO_YEARS = d.AS_OF - 730
LAST = {f"last{i}": i for i in range(18, 46)} | {f"resolved{i}": i + 24 for i in range(18, 32)}
FIRST = {f"first{i}": i for i in range(46, 52)}
IN_YEAR = {f"year{i}": i for i in range(48, 56)}
DISTINCT = {
    "rows": ((50, 51), YEAR),
    "days": ((53, 54), YEAR),
    "codes": ((53, 54, 55), YEAR),
    "more days": ((46, 47), None),
    "more codes": ((48,), None),
}


def listed(record: d.Record) -> pa.Table:
    """Each code with the number of its list: a code is in one only."""
    names = sorted(record.lists, key=lambda n: int(n[1:]))
    codes = [record.lists[n] for n in names]
    numbers = np.repeat(np.arange(len(codes), dtype=np.uint8), [len(c) for c in codes])
    return pa.table({"code": np.concatenate(codes), "list": numbers})


# ---- Polars ----------------------------------------------------------------------------------------------------------


class Polars:
    """One lazy query: join, one group by patient and list, and its rows laid side by side."""

    def __init__(self, record: d.Record) -> None:
        self.events = pl.from_arrow(record.events).with_columns(pl.col("unit").cast(pl.Categorical))
        self.codes = pl.from_arrow(listed(record))
        births = np.where(record.births == d.NO_DAY, -(10**6), record.births).astype(np.int32)
        self.people = pl.DataFrame({"patient_id": record.keys.to_numpy(), "birth": births})

    def __call__(self) -> pl.DataFrame:
        day, v, n = pl.col("day"), pl.col("v"), pl.col("list")
        people = self.people.lazy()
        hits = (
            self.events.lazy()
            .join(self.codes.lazy(), on="code")
            .with_columns(day=pl.col("date").to_physical())
            .filter(day <= d.AS_OF)
            .join(people, on="patient_id")
            .filter(day >= pl.col("birth"))
        )
        keys = ["patient_id", "list"]
        days = hits.filter(n >= 18).group_by(keys).agg(
            last=day.max(), first=day.min(), year=day.filter(day >= YEAR).max()
        )
        wide = days.group_by("patient_id").agg(
            *(pl.col("last").filter(n == i).first().alias(name) for name, i in LAST.items()),
            *(pl.col("first").filter(n == i).first().alias(name) for name, i in FIRST.items()),
            *(pl.col("year").filter(n == i).first().alias(name) for name, i in IN_YEAR.items()),
        )
        percent = (pl.col("value") * 10.929 + -23.5).round(0, mode="half_to_even")
        valued = (
            hits.filter((n < 14) & pl.col("value").is_not_null())
            .with_columns(v=pl.when(pl.col("unit") == "%").then(percent).otherwise(pl.col("value")))
            .filter(v.is_between(5.0, 200.0))
            .select("patient_id", "list", "day", "v")
        )
        of_day = valued.group_by([*keys, "day"]).agg(high=v.max(), low=v.min())
        latest = of_day.filter(n < 12).with_columns(
            best=pl.when(n.is_in([0, 3, 6, 9])).then(pl.col("low")).otherwise(pl.col("high"))
        )
        recent = day >= TWO_YEARS
        values = latest.group_by(keys).agg(
            day=day.max(),
            value=pl.col("best").filter(day == day.max()).first(),
            earlier_day=day.filter(day <= day.max() - 90).max(),
            earlier=pl.col("best").filter(day == day.filter(day <= day.max() - 90).max()).first(),
            high=pl.col("high").filter(recent).max(),
            high_day=day.filter(recent & (pl.col("high") == pl.col("high").filter(recent).max())).max(),
            low=pl.col("low").filter(recent).min(),
            low_day=day.filter(recent & (pl.col("low") == pl.col("low").filter(recent).min())).max(),
        )
        columns = []
        for i in range(12):
            for cell in ("value", "day", *(("earlier", "earlier_day") if i < 4 else ())):
                columns.append(pl.col(cell).filter(n == i).first().alias(f"value{i}.{cell}"))
        for i in range(4):
            for cell, of in (("value", ("high", "low")[i % 2]), ("day", ("high_day", "low_day")[i % 2])):
                columns.append(pl.col(of).filter(n == i).first().alias(f"extreme{i}.{cell}"))
        values_wide = values.group_by("patient_id").agg(columns)
        parts = of_day.filter(n >= 12)
        pair = (
            parts.filter(n == 12)
            .join(parts.filter(n == 13), on=["patient_id", "day"])
            .group_by("patient_id")
            .agg(pl.col("day", "low", "low_right").sort_by("day").last())
            .rename({"day": "pair.day", "low": "pair.value", "low_right": "pair.second"})
        )
        label = (
            hits.filter(n.is_in([14, 15, 16, 17]))
            .group_by("patient_id")
            .agg((day.cast(pl.Int64) * 8 + n - 14).max().alias("label"))
            .select("patient_id", (pl.col("label") // 8).alias("label.day"), (pl.col("label") % 8).alias("label.label"))
        )
        counted = hits.filter(n >= 46)
        seen = [["day", "code", "value", "unit"], ["day"], ["code"], ["day"], ["code"]]
        counts = [
            counted.filter(n.is_in(lists), True if since is None else day >= since)
            .unique(["patient_id", *what])
            .group_by("patient_id")
            .agg(pl.len().alias(name))
            for (name, (lists, since)), what in zip(DISTINCT.items(), seen, strict=True)
        ]
        counts.append(counted.filter(n == 52, day >= YEAR).group_by("patient_id").agg(pl.len().alias("all rows")))
        found = people.select("patient_id")
        for part in (wide, values_wide, pair, label, *counts):
            found = found.join(part, on="patient_id", how="left", maintain_order="left")
        return found.with_columns(pl.col(*DISTINCT, "all rows").fill_null(0)).collect()


# ---- DuckDB ----------------------------------------------------------------------------------------------------------


def duckdb_statement() -> str:
    """One statement. Latest values are found by one number that orders by day and then by value."""
    last = [f'max(day) FILTER (list = {i}) AS "{name}"' for name, i in LAST.items()]
    last += [f'min(day) FILTER (list = {i}) AS "{name}"' for name, i in FIRST.items()]
    last += [f'max(day) FILTER (list = {i} AND day >= {YEAR}) AS "{name}"' for name, i in IN_YEAR.items()]
    for i in range(12):
        sign = "-" if i % 3 == 0 else "+"
        last.append(f'arg_max(v, day * 1e4 {sign} v) FILTER (list = {i} AND v IS NOT NULL) AS "value{i}.value"')
        last.append(f'max(day) FILTER (list = {i} AND v IS NOT NULL) AS "value{i}.day"')
    for i in range(4):
        where = f"FILTER (list = {i} AND v IS NOT NULL AND day >= {TWO_YEARS})"
        sign, of = ("-", "min") if i % 2 else ("+", "max")
        last.append(f'{of}(v) {where} AS "extreme{i}.value"')
        last.append(f'arg_max(day, {sign}v * 1e5 + day) {where} AS "extreme{i}.day"')
    last.append('max(day * 8 + list - 14) FILTER (list BETWEEN 14 AND 17) AS "label"')
    what = {"rows": "(day, code, value, unit)", "days": "day", "codes": "code", "more days": "day", "more codes": "code"}
    for name, (lists, since) in DISTINCT.items():
        within = f"list IN ({', '.join(map(str, lists))})" + (f" AND day >= {since}" if since else "")
        last.append(f'count(DISTINCT {what[name]}) FILTER ({within}) AS "{name}"')
    last.append(f'count(*) FILTER (list = 52 AND day >= {YEAR}) AS "all rows"')
    earlier = []
    for i in range(4):
        sign = "-" if i % 3 == 0 else "+"
        where = f"FILTER (list = {i} AND day <= latest - 90)"
        earlier.append(f'arg_max(v, day * 1e4 {sign} v) {where} AS "value{i}.earlier"')
        earlier.append(f'max(day) {where} AS "value{i}.earlier_day"')
    nothing = ", ".join(f'coalesce("{name}", 0) AS "{name}"' for name in (*DISTINCT, "all rows"))
    return f"""
        WITH hits AS (
            SELECT e.patient_id, l.list::INTEGER AS list, e.code, e.value, e.unit,
                   date_diff('day', DATE '1970-01-01', e.date)::INTEGER AS day,
                   CASE WHEN e.unit = '%' THEN round_even(e.value * 10.929::DOUBLE + -23.5::DOUBLE, 0) ELSE e.value END
                       AS given,
                   CASE WHEN given BETWEEN 5 AND 200 THEN given END AS v
            FROM events e JOIN codes l USING (code) JOIN people p USING (patient_id)
            WHERE e.date <= DATE '1970-01-01' + {d.AS_OF} AND date_diff('day', DATE '1970-01-01', e.date) >= p.birth
        ),
        main AS (SELECT patient_id, {", ".join(last)} FROM hits GROUP BY patient_id),
        before AS (
            SELECT patient_id, {", ".join(earlier)}
            FROM (SELECT patient_id, list, day, v, max(day) OVER (PARTITION BY patient_id, list) AS latest
                  FROM hits WHERE list < 4 AND v IS NOT NULL)
            GROUP BY patient_id
        ),
        pair AS (
            SELECT patient_id, max(day) AS "pair.day", arg_max(a, day) AS "pair.value", arg_max(b, day) AS "pair.second"
            FROM (SELECT patient_id, day, min(v) FILTER (list = 12) AS a, min(v) FILTER (list = 13) AS b
                  FROM hits WHERE list IN (12, 13) AND v IS NOT NULL GROUP BY patient_id, day)
            WHERE a IS NOT NULL AND b IS NOT NULL GROUP BY patient_id
        )
        SELECT * REPLACE ({nothing}), label // 8 AS "label.day", label % 8 AS "label.label"
        FROM (SELECT patient_id FROM people) LEFT JOIN main USING (patient_id) LEFT JOIN before USING (patient_id)
             LEFT JOIN pair USING (patient_id)
    """


class DuckDB:
    """One statement over Arrow tables; the result as an Arrow table, in any order."""

    def __init__(self, record: d.Record, connection: duckdb.DuckDBPyConnection) -> None:
        births = np.where(record.births == d.NO_DAY, -(10**6), record.births).astype(np.int32)
        self.connection = connection
        connection.register("given", record.events.set_column(4, "unit", record.events["unit"].cast(pa.string())))
        connection.execute("CREATE OR REPLACE TABLE events AS SELECT * FROM given")
        connection.unregister("given")
        connection.register("codes", listed(record))
        connection.register("people", pa.table({"patient_id": record.keys, "birth": births}))
        self._statement = duckdb_statement()

    def __call__(self) -> pa.Table:
        return self.connection.sql(self._statement).to_arrow_table()


# ---- numba -----------------------------------------------------------------------------------------------------------

PLAIN = ("LastDay", "FirstDay", "LastValue", "Extreme", "LastLabel")


class Numba:
    """A plain loop over events on one thread, or over ranges of patients on several: a hash of codes, and for each fold of
    the list what is to be done. Of the folds without a memory only (68 of 80)."""

    def __init__(self, record: d.Record, threads: int) -> None:
        import numba

        self._threads = threads
        numba.set_num_threads(threads)
        self._loop = _numba_loop(threads > 1)
        table = listed(record)
        self._codes, self._slots, self._bits = _hash(table["code"].to_numpy(), table["list"].to_numpy())
        events = record.events.combine_chunks()
        unit = events["unit"].combine_chunks()
        self._columns = (
            events["patient_id"].to_numpy(),
            events["date"].combine_chunks().view(pa.int32()).to_numpy(),
            events["code"].to_numpy(),
            events["value"].to_numpy(zero_copy_only=False),
            unit.indices.fill_null(-1).to_numpy(),
        )
        births = record.births
        self._people = record.keys.to_numpy(), births
        folds = [f for f in d.folds() if type(f).__name__ in PLAIN and getattr(f, "gap", None) is None]
        self.names = [f.name for f in folds]
        kind = {n: i for i, n in enumerate(PLAIN)}
        rows = []
        for number, fold in enumerate(folds):
            lowest = getattr(fold, "tie", getattr(fold, "which", "")) == "lowest"
            for place, name in enumerate(fold.codes):
                rows.append((int(name[1:]), kind[type(fold).__name__], number, fold.since or -(10**6), lowest, place))
        rows.sort()
        self._entries = np.array(rows, np.int64)
        self._starts = np.searchsorted(self._entries[:, 0], np.arange(len(record.lists) + 1))

    def __call__(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        keys, births = self._people
        days = np.full((len(self.names), len(keys)), d.NO_DAY, np.int32)
        values = np.full((len(self.names), len(keys)), np.nan)
        cuts = np.searchsorted(self._columns[0], keys[:: max(1, len(keys) // (8 * self._threads))])
        cuts = np.append(cuts, len(self._columns[0]))
        self._loop(
            cuts, *self._columns, keys, births, self._codes, self._slots, self._bits, self._starts, self._entries,
            d.AS_OF, days, values,
        )  # fmt: skip
        return days, values


def _hash(codes: np.ndarray[Any, Any], lists: np.ndarray[Any, Any]) -> tuple[Any, Any, int]:
    bits = int(np.ceil(np.log2(4 * len(codes))))
    keys, slots = np.zeros(1 << bits, np.int64), np.full(1 << bits, -1, np.int32)
    hashes = (codes.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - bits)
    for code, number, at in zip(codes.tolist(), lists.tolist(), hashes.tolist(), strict=True):
        place = at
        while slots[place] >= 0:
            place = (place + 1) % (1 << bits)
        keys[place], slots[place] = code, number
    return keys, slots, bits


def _numba_loop(parallel: bool) -> Any:
    import numba

    @numba.njit(nogil=True, parallel=parallel)
    def loop(cuts, patient, day, code, value, unit, keys, births, table, slots, bits, starts, entries, as_of, days, values):  # type: ignore[no-untyped-def]  # noqa: E501, PLR0913
        mask = (1 << bits) - 1
        shift = np.uint64(64 - bits)
        for part in numba.prange(len(cuts) - 1):
            row = np.searchsorted(keys, patient[cuts[part]]) if cuts[part] < len(patient) else 0
            for i in range(cuts[part], cuts[part + 1]):
                while keys[row] != patient[i]:
                    row += 1
                x = code[i]
                at = np.int64((np.uint64(x) * np.uint64(0x9E3779B97F4A7C15)) >> shift)
                while slots[at] >= 0 and table[at] != x:
                    at = (at + 1) & mask
                if slots[at] < 0:
                    continue
                when = day[i]
                if when > as_of or when < births[row]:
                    continue
                which = slots[at]
                for e in range(starts[which], starts[which + 1]):
                    kind, fold, since, lowest = entries[e, 1], entries[e, 2], entries[e, 3], entries[e, 4]
                    if when < since:
                        continue
                    has = days[fold, row]
                    if kind == 0:
                        if when > has:
                            days[fold, row] = when
                    elif kind == 1:
                        if has == -(2**31) or when < has:
                            days[fold, row] = when
                    elif kind == 4:
                        place = entries[e, 5]
                        if when > has or (when == has and place > values[fold, row]):
                            days[fold, row] = when
                            values[fold, row] = place
                    else:
                        v = value[i]
                        if unit[i] == 1:
                            v = np.rint(v * 10.929 + -23.5)
                        if not (v >= 5.0 and v <= 200.0):
                            continue
                        kept = values[fold, row]
                        better = v < kept if lowest == 1 else v > kept
                        if kind == 2:
                            if when > has or (when == has and better):
                                days[fold, row] = when
                                values[fold, row] = v
                        elif has == -(2**31) or better or (v == kept and when > has):
                            days[fold, row] = when
                            values[fold, row] = v

    return loop


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, int]:
    """How many cells of each column differ, of those that do: days as numbers, NaN and null alike."""
    found = {}
    for name, cells in ours.items():
        mine, other = np.asarray(cells, np.float64), np.asarray(theirs[name], np.float64)
        many = int((~((mine == other) | (np.isnan(mine) & np.isnan(other)))).sum())
        if many:
            found[name] = many
    return found
