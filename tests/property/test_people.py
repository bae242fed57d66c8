"""Who is registered, of generated patients and registrations, against a plain account of the same rules."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popstrat.deriving.people import People, read_people

AS_OF = dt.date(2026, 6, 30)
Row = dict[str, Any]

days = st.one_of(
    st.sampled_from([AS_OF + dt.timedelta(d) for d in (-1, 0, 1)]),
    st.dates(dt.date(2020, 1, 1), dt.date(2028, 1, 1)),
    st.sampled_from([dt.date(2025, 1, 1), dt.date(2026, 1, 1)]),  # so that starts and ends are equal now and then
)
patients = st.fixed_dictionaries(
    {
        "date_of_birth": st.one_of(st.none(), st.dates(dt.date(1900, 1, 1), dt.date(2026, 1, 1))),
        "sex": st.sampled_from(["female", "male", "odd", None]),
        "date_of_death": st.one_of(st.none(), st.none(), days),
    }
)
registrations = st.fixed_dictionaries(
    {
        "patient_id": st.one_of(st.none(), st.integers(0, 7), st.integers(0, 7), st.integers(0, 7)),
        "practice_code": st.sampled_from(["Y90001", "Y90002", "Y90003", None]),
        "start_date": st.one_of(days, days, days, st.none()),
        "end_date": st.one_of(st.none(), days),
        "place": st.sampled_from(["Norwood", "Southwark", None]),
    }
)


def never(day: dt.date | None) -> dt.date:
    return day or dt.date.max


def plainly(people: list[Row], spells: list[Row]) -> tuple[list[Row], dict[str, dict[str, int]]]:
    """The rules, one patient after another."""
    found, counts = [], {"registrations": dict.fromkeys(REASONS, 0), "people": dict.fromkeys(LEFT_OUT, 0)}
    own, out = counts["registrations"], counts["people"]
    known = {p["patient_id"] for p in people}
    own["no_patient_id"] = sum(s["patient_id"] is None for s in spells)
    own["unknown_patient"] = sum(s["patient_id"] is not None and s["patient_id"] not in known for s in spells)
    for person in sorted(people, key=lambda p: p["patient_id"]):
        mine: list[Row] = []
        for spell in (s for s in spells if s["patient_id"] == person["patient_id"]):
            if spell["start_date"] is None:
                own["without_start"] += 1
            elif spell["practice_code"] is None:
                own["without_practice"] += 1
            elif never(spell["end_date"]) < spell["start_date"]:
                own["ends_before_start"] += 1
            elif spell in mine:
                own["repeated"] += 1
            else:
                mine.append(spell)
        death = never(person["date_of_death"])
        own["death_before_registration"] += sum(death < s["start_date"] for s in mine)
        for i, spell in enumerate(ordered := sorted(mine, key=lambda s: (s["start_date"], never(s["end_date"])))):
            own["overlapping"] += any(spell["start_date"] < never(other["end_date"]) for other in ordered[:i])
        now = [s for s in mine if s["start_date"] <= AS_OF < never(s["end_date"])]
        own["several_at_as_of"] += len(now) > 1
        if death <= AS_OF:
            out["dead"] += 1
        elif not now:
            out["not_registered"] += 1
        else:
            now.sort(key=lambda s: (s["practice_code"], s["place"] or ""))
            best = max((s["start_date"], never(s["end_date"])) for s in now)
            won = next(s for s in now if (s["start_date"], never(s["end_date"])) == best)
            found.append({**person, **won})
    out["without_birth_date"] = sum(p["date_of_birth"] is None for p in found)
    return found, counts


REASONS = (
    "no_patient_id", "unknown_patient", "without_start", "without_practice", "ends_before_start", "repeated",
    "overlapping", "death_before_registration", "several_at_as_of",
)  # fmt: skip
LEFT_OUT = ("not_registered", "dead", "without_birth_date")


def written(folder: Path, name: str, rows: list[Row], columns: list[str], form: str, ids: str) -> Path:
    """A table in one of the formats, its ids as numbers or as text."""
    shown = [{**r, "patient_id": as_id(r["patient_id"], ids)} for r in rows]
    if form == "csv":
        path = folder / f"{name}.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(shown)
        return path
    types = {c: pa.date32() if "date" in c else pa.string() for c in columns}
    types["patient_id"] = pa.int64() if ids == "number" else pa.string()
    table = pa.table({c: pa.array([r[c] for r in shown], types[c]) for c in columns})
    path = folder / f"{name}.parquet"
    pq.write_table(table, path)
    return path


def as_id(number: int | None, ids: str) -> int | str | None:
    return number if number is None or ids == "number" else f"P{number}"


@given(
    who=st.dictionaries(st.integers(0, 5), patients, max_size=6),
    again=st.booleans(),
    spells=st.lists(registrations, max_size=14),
    order=st.randoms(use_true_random=False),
    form=st.sampled_from(["csv", "parquet"]),
    ids=st.sampled_from(["number", "text"]),
)
def test_as_the_rules_say(
    tmp_path_factory: pytest.TempPathFactory, who: dict[int, Row], again: bool, spells: list[Row], order: Any,
    form: str, ids: str,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("people")
    people = [{"patient_id": i, **p} for i, p in who.items()]
    given = [*people, *people[:2]] if again else people
    order.shuffle(given)
    found = read_people(
        [written(folder, "patients", given, ["patient_id", "date_of_birth", "sex", "date_of_death"], form, ids)],
        [written(folder, "registrations", spells, list(_COLUMNS), form, ids)],
        as_of=AS_OF,
    )
    expected, counts = plainly(people, spells)
    if form == "csv" or ids == "text":
        expected = [{**r, "patient_id": str(as_id(r["patient_id"], ids))} for r in expected]
    assert rows_of(found, list(expected[0]) if expected else []) == expected
    for table, reasons in counts.items():
        for reason, many in reasons.items():
            assert found.counts[table].get(reason, 0) == many, (table, reason)
    assert found.counts["patients"].get("repeated", 0) == len(given) - len(people)
    keys = found.keys.to_pylist()
    assert keys == sorted(keys)


_COLUMNS = ("patient_id", "practice_code", "start_date", "end_date", "place")


def rows_of(people: People, columns: list[str]) -> list[Row]:
    return [{c: r[c] for c in columns} if columns else r for r in people.table.to_pylist()]
