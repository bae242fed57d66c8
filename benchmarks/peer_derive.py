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
DAYS = 1 << 17  # more than there are, to put a day and something else into one number
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
    """Join, one group by patient and list (as one number, which is twice as fast as two), and its rows laid side by
    side; what is used several times is collected, which is faster here than one lazy query."""

    def __init__(self, record: d.Record) -> None:
        self.events = pl.from_arrow(record.events).with_columns(pl.col("unit").cast(pl.Categorical))
        self.codes = pl.from_arrow(listed(record))
        births = np.where(record.births == d.NO_DAY, -(10**6), record.births).astype(np.int32)
        self.people = pl.DataFrame({"patient_id": record.keys.to_numpy(), "birth": births}).with_row_index("row")

    def __call__(self) -> pl.DataFrame:
        day, v, n, key = pl.col("day"), pl.col("v"), pl.col("list"), pl.col("key")
        row, number = key // 64, (key % 64).cast(pl.UInt8)
        people = self.people.lazy()
        hits = (
            (
                self.events.lazy()
                .join(self.codes.lazy(), on="code")
                .with_columns(day=pl.col("date").to_physical())
                .filter(day <= d.AS_OF)
                .join(people, on="patient_id")
                .filter(day >= pl.col("birth"))
                .with_columns(key=pl.col("row") * 64 + n)
            )
            .collect()
            .lazy()
        )
        days = hits.filter(n >= 18).group_by("key").agg(last=day.max(), first=day.min())
        days = days.with_columns(row=row, list=number).collect().lazy()
        wide = days.group_by("row").agg(
            *(pl.col("last").filter(n == i).first().alias(name) for name, i in LAST.items()),
            *(pl.col("first").filter(n == i).first().alias(name) for name, i in FIRST.items()),
            # the latest day of the year is the latest of all, if that is in it
            *(pl.col("last").filter(n == i, pl.col("last") >= YEAR).first().alias(name) for name, i in IN_YEAR.items()),
        )
        percent = (pl.col("value") * 10.929 + -23.5).round(0, mode="half_to_even")
        valued = (
            hits.filter((n < 14) & pl.col("value").is_not_null())
            .with_columns(v=pl.when(pl.col("unit") == "%").then(percent).otherwise(pl.col("value")))
            .filter(v.is_between(5.0, 200.0))
        )
        of_day = (
            (
                valued.select((key.cast(pl.Int64) * DAYS + day + DAYS // 2).alias("key_day"), "v")
                .group_by("key_day")
                .agg(high=v.max(), low=v.min())
                .with_columns(key=pl.col("key_day") // DAYS, day=(pl.col("key_day") % DAYS).cast(pl.Int32) - DAYS // 2)
                .with_columns(list=number, row=row)
            )
            .collect()
            .lazy()
        )
        latest = of_day.filter(n < 12).with_columns(
            best=pl.when(n.is_in([0, 3, 6, 9])).then(pl.col("low")).otherwise(pl.col("high"))
        )
        values = latest.group_by("key").agg(latest=day.max(), value=pl.col("best").sort_by("day").last())
        before = (
            latest.filter(n < 4)
            .join(values, on="key")
            .filter(day <= pl.col("latest") - 90)
            .group_by("key")
            .agg(earlier_day=day.max(), earlier=pl.col("best").sort_by("day").last())
        )
        extremes = (
            of_day.filter(n < 4, day >= TWO_YEARS)
            .with_columns(of=pl.when(n % 2 == 1).then(-pl.col("low")).otherwise(pl.col("high")))
            .group_by("key")
            .agg(pl.col("of", "day").sort_by("of", "day").last())
            .select("key", pl.col("of").abs(), pl.col("day").alias("of_day"))
        )
        values = values.join(before, on="key", how="left").join(extremes, on="key", how="left")
        columns = []
        for i in range(12):
            for cell, of in (
                ("value", "value"),
                ("day", "latest"),
                ("earlier", "earlier"),
                ("earlier_day", "earlier_day"),
            ):
                if i < 4 or not cell.startswith("earlier"):
                    columns.append(pl.col(of).filter(n == i).first().alias(f"value{i}.{cell}"))
        for i in range(4):
            columns += [pl.col("of").filter(n == i).first().alias(f"extreme{i}.value")]
            columns += [pl.col("of_day").filter(n == i).first().alias(f"extreme{i}.day")]
        values_wide = values.with_columns(row=row.cast(pl.UInt32), list=number).group_by("row").agg(columns)
        pair = (
            of_day.filter(n == 12)
            .join(of_day.filter(n == 13), on=["row", "day"])
            .group_by(pl.col("row").cast(pl.UInt32))
            .agg(pl.col("day", "low", "low_right").sort_by("day").last())
            .rename({"day": "pair.day", "low": "pair.value", "low_right": "pair.second"})
        )
        label = (
            hits.filter(n.is_in([14, 15, 16, 17]))
            .group_by("row")
            .agg((day * 8 + n - 14).max().alias("label"))
            .select("row", (pl.col("label") // 8).alias("label.day"), (pl.col("label") % 8).alias("label.label"))
        )
        seen = [["day", "code", "value", "unit"], ["day"], ["code"], ["day"], ["code"]]
        counts = [
            hits.filter(n.is_in(lists), True if since is None else day >= since)
            .unique(["row", *what])
            .group_by("row")
            .agg(pl.len().alias(name))
            for (name, (lists, since)), what in zip(DISTINCT.items(), seen, strict=True)
        ]
        counts.append(hits.filter(n == 52, day >= YEAR).group_by("row").agg(pl.len().alias("all rows")))
        found = people.select("row", "patient_id")
        for part in (wide, values_wide, pair, label, *counts):
            found = found.join(part, on="row", how="left", maintain_order="left")
        return found.with_columns(pl.col(*DISTINCT, "all rows").fill_null(0)).collect()


# ---- DuckDB ----------------------------------------------------------------------------------------------------------


def duckdb_statement() -> str:
    """One statement: grouped by patient and list, and then by patient. Of values that which orders last is found by one
    number, of day and value."""
    columns = [f'max(last) FILTER (list = {i}) AS "{name}"' for name, i in LAST.items()]
    columns += [f'min(first) FILTER (list = {i}) AS "{name}"' for name, i in FIRST.items()]
    columns += [f'max(last) FILTER (list = {i} AND last >= {YEAR}) AS "{name}"' for name, i in IN_YEAR.items()]
    for i in range(12):
        columns.append(f'any_value(value) FILTER (list = {i}) AS "value{i}.value"')
        columns.append(f'max(value_day) FILTER (list = {i}) AS "value{i}.day"')
    for i in range(4):
        columns.append(f'any_value(earlier) FILTER (list = {i}) AS "value{i}.earlier"')
        columns.append(f'any_value(earlier_day) FILTER (list = {i}) AS "value{i}.earlier_day"')
        columns.append(f'any_value(extreme) FILTER (list = {i}) AS "extreme{i}.value"')
        columns.append(f'any_value(extreme_day) FILTER (list = {i}) AS "extreme{i}.day"')
    columns.append('max(last * 8 + list - 14) FILTER (list BETWEEN 14 AND 17) AS "label"')
    columns.append('coalesce(max(year_rows) FILTER (list = 52), 0) AS "all rows"')
    what = {"rows": "day, code, value, unit", "days": "day", "codes": "code", "more days": "day", "more codes": "code"}
    counts, joins = [], []
    for name, (lists, since) in DISTINCT.items():
        within = f"list IN ({', '.join(map(str, lists))})" + (f" AND day >= {since}" if since else "")
        counts.append(f"""
            "of {name}" AS (SELECT patient_id, count(*) AS n
            FROM (SELECT DISTINCT patient_id, {what[name]} FROM hits WHERE {within}) GROUP BY patient_id)""")
        joins.append(f'LEFT JOIN "of {name}" USING (patient_id)')
    counted = ", ".join(f'coalesce("of {name}".n, 0) AS "{name}"' for name in DISTINCT)
    return f"""
        WITH hits AS MATERIALIZED (
            SELECT e.patient_id, l.list::INTEGER AS list, e.code, e.value, e.unit,
                   date_diff('day', DATE '1970-01-01', e.date)::INTEGER AS day,
                   CASE WHEN e.unit = '%' THEN round_even(e.value * 10.929::DOUBLE + -23.5::DOUBLE, 0) ELSE e.value END
                       AS given,
                   CASE WHEN given BETWEEN 5 AND 200 THEN given END AS v,
                   CASE WHEN list IN (0, 3, 6, 9) THEN -v ELSE v END AS signed
            FROM events e JOIN codes l USING (code) JOIN people p USING (patient_id)
            WHERE e.date <= DATE '1970-01-01' + {d.AS_OF} AND date_diff('day', DATE '1970-01-01', e.date) >= p.birth
        ),
        each AS (
            SELECT patient_id, list, max(day) AS last, min(day) AS first, count(*) FILTER (day >= {YEAR}) AS year_rows
            FROM hits WHERE list >= 14 GROUP BY ALL
        ),
        valued AS (
            SELECT patient_id, list, max(day) AS value_day, arg_max(v, day * 1e4 + signed) AS value,
                   CASE WHEN list % 2 = 0 THEN max(v) FILTER (recent) ELSE min(v) FILTER (recent) END AS extreme,
                   arg_max(day, CASE WHEN list % 2 = 0 THEN v ELSE -v END * 1e5 + day) FILTER (recent) AS extreme_day
            FROM (SELECT *, list < 4 AND day >= {TWO_YEARS} AS recent FROM hits WHERE list < 12 AND v IS NOT NULL)
            GROUP BY patient_id, list
        ),
        before AS (
            SELECT patient_id, list, max(day) AS earlier_day, arg_max(v, day * 1e4 + signed) AS earlier
            FROM hits JOIN valued USING (patient_id, list)
            WHERE list < 4 AND v IS NOT NULL AND day <= value_day - 90 GROUP BY ALL
        ),
        main AS (
            SELECT patient_id, {", ".join(columns)}
            FROM (SELECT * FROM each UNION ALL BY NAME
                  SELECT * FROM valued LEFT JOIN before USING (patient_id, list))
            GROUP BY patient_id
        ),
        pair AS (
            SELECT patient_id, max(day) AS "pair.day", arg_max(a, day) AS "pair.value", arg_max(b, day) AS "pair.second"
            FROM (SELECT patient_id, day, min(v) FILTER (list = 12) AS a, min(v) FILTER (list = 13) AS b
                  FROM hits WHERE list IN (12, 13) AND v IS NOT NULL GROUP BY patient_id, day)
            WHERE a IS NOT NULL AND b IS NOT NULL GROUP BY patient_id
        ), {", ".join(counts)}
        SELECT people.patient_id, main.* EXCLUDE (patient_id) REPLACE (coalesce("all rows", 0) AS "all rows"),
               floor(label / 8)::INTEGER AS "label.day", ((label % 8) + 8) % 8 AS "label.label",
               pair.* EXCLUDE (patient_id), {counted}
        FROM people LEFT JOIN main USING (patient_id) LEFT JOIN pair USING (patient_id) {" ".join(joins)}
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
    """A plain loop over events on one thread, or over ranges of patients on several: a hash of codes, and for each fold
    the list what is to be done. Of the folds without a memory only (69 of 80)."""

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
    def loop(
        cuts, patient, day, code, value, unit, keys, births, table, slots, bits, starts, entries, as_of, days, values
    ):  # type: ignore[no-untyped-def]
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
