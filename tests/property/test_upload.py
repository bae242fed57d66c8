"""Random months, lookups and last months: every file is what the plain-Python reference says, and the counts add up."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import upload_reference as ref
from hypothesis import given, settings
from hypothesis import strategies as st

from popstrat.upload import left_out
from popstrat.upload.run import run_upload
from popstrat.upload.verify import verify

PRACTICES = st.sampled_from(["E85001", "E85002", "F84003"])
KEYS = st.integers(1, 40)
PLACES = st.one_of(st.none(), st.sampled_from(["Ashmarsh", "St Mary's, East", 'The "Hill"', "=1+1", "-x", "Ynys Môn"]))
AGES = st.one_of(st.none(), st.sampled_from([0, 17, 40, 41, 90]))


@st.composite
def months(draw: st.DrawFn, least: int = 0) -> list[ref.Row]:
    keys = draw(st.lists(KEYS, min_size=least, max_size=25, unique=True))
    return [
        ref.patient(
            key,
            draw(PRACTICES),
            neighbourhood=draw(PLACES),
            age=draw(AGES),
            risk_group=draw(st.sampled_from([*ref.GROUPS, None])),
            band=draw(st.sampled_from([*ref.BANDS, None])),
            priority=draw(st.sampled_from([True, False, None])),
            risk=draw(st.one_of(st.none(), st.integers(0, 100).map(lambda i: i / 100))),
        )
        for key in keys
    ]


@st.composite
def lookups(draw: st.DrawFn, rows: list[ref.Row]) -> list[ref.Row]:
    """Most people as they are, with every fault now and then, and people who were not scored."""
    found = []
    for row in [*rows, *draw(months())]:
        key = row["patient_id"]
        number: str | None = ref.number_of(key)
        more: dict[str, Any] = {}
        if row["age"] is not None:
            more["date_of_birth"] = ref.AS_OF.replace(year=ref.AS_OF.year - row["age"])
        practice = row["practice_code"]
        fault = draw(st.integers(0, 19))
        if fault == 0:
            continue
        if fault == 1:
            found.append(ref.identity(key, number, practice, **more))
        elif fault == 2:
            number = None
        elif fault == 3:
            assert number is not None
            number = number[:-1] + str((int(number[-1]) + 1) % 10)
        elif fault == 4:
            number = ref.number_of(draw(KEYS))
        elif fault == 5:
            more["registration_status"] = draw(st.sampled_from(["deceased", "deducted", None]))
        elif fault == 6:
            practice = draw(PRACTICES)
        elif fault == 7:
            more["date_of_birth"] = draw(st.sampled_from([None, dt.date(1950, 2, 28), dt.date(2026, 6, 30)]))
        elif fault == 8:
            assert number is not None
            number = f"{number[:3]} {number[3:6]} {number[6:]}"
        found.append(ref.identity(key, number, practice, **more))
    return draw(st.permutations(found))


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[ref.Row], list[ref.Row], list[ref.Row] | None]:
    rows = draw(months())
    before = draw(st.one_of(st.none(), months()))
    if before is not None:  # mostly the same people
        keep = {r["patient_id"] for r in before}
        before += [dict(r, risk_group=draw(st.sampled_from(ref.GROUPS))) for r in rows if r["patient_id"] not in keep]
    return rows, draw(lookups(rows)), before


@given(cases(), st.sampled_from([2, 7, 1 << 20]))
@settings(max_examples=3 * settings.default.max_examples // 5)
def test_every_file_is_what_the_reference_says(case: Any, partition_rows: int) -> None:
    rows, lookup, before = case
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        template, limits = work / "mini.toml", work / "settings.toml"
        template.write_text(ref.TEMPLATE)
        limits.write_text("[limits]\nexcluded = 1.0\noverlap = 0.0\n")
        scored = ref.write_scored(work / "june.parquet", rows)
        previous = None if before is None else ref.write_scored(work / "may.parquet", before, as_of=ref.BEFORE)
        given: dict[str, Any] = {
            "template": template,
            "previous": previous,
            "lookup": ref.write_lookup(work / "lookup.parquet", lookup),
            "settings": limits,
            "audit": work / "audit.log",
        }
        out = work / "out"
        result = run_upload(scored, out, **given, partition_rows=partition_rows)
        wanted = ref.expected(rows, lookup, before)
        month = "2026-06-30"
        found = {path.name for path in out.iterdir()} - {"manifest.json"}
        names = {f"{p}_{month}.csv" for p in wanted.patients} | {
            f"{p}_{month}_exceptions{end}" for p in wanted.exceptions for end in (".csv", "_read_me.txt")
        }
        assert found == names | {f"{p}_{month}_ended.csv" for p in wanted.ended}
        for practice, cells in wanted.patients.items():
            assert ref.read_csv(out / f"{practice}_{month}.csv")[1] == cells
        for practice, cells in wanted.ended.items():
            assert ref.read_csv(out / f"{practice}_{month}_ended.csv")[1] == cells
        for practice, cells in wanted.exceptions.items():
            told = [[*row, left_out.REMEDIES[row[1]]] for row in cells]
            assert ref.read_csv(out / f"{practice}_{month}_exceptions.csv")[1] == told
            read_me = (out / f"{practice}_{month}_exceptions_read_me.txt").read_text(encoding="utf-8")
            for why, count in Counter(row[1] for row in cells).items():
                assert f"\n{why}: {count}\n  {left_out.REMEDIES[why]}\n" in read_me

        totals = result.manifest["totals"]
        assert totals["scored"] == len(rows)
        assert totals["written"] == sum(map(len, wanted.patients.values()))
        assert totals["excluded"] == dict(wanted.excluded)
        assert totals["scored"] == totals["written"] + sum(totals["excluded"].values())
        if before is not None:
            movers = totals["movers"]
            assert {k: movers[k] for k in ("new", "up", "down", "unchanged", "left")} == {
                k: wanted.moved[k] for k in ("new", "up", "down", "unchanged", "left")
            }
            cells_ = [n for targets in movers["from_to"].values() for n in targets.values()]
            assert sum(cells_) == len(rows) + wanted.moved["left"]
        assert json.loads((out / "manifest.json").read_text()) == json.loads(json.dumps(result.manifest))

        assert verify(out).sha256 == result.sha256
        again = run_upload(scored, out, **given)  # the same, whatever is held at a time
        assert again.repeated
        other = run_upload(scored, work / "other", **given, partition_rows=3)
        assert other.sha256 == result.sha256
        for path in out.iterdir():
            assert (work / "other" / path.name).read_bytes() == path.read_bytes()


@given(months(least=1), st.sampled_from([1, 3, 1 << 20]))
@settings(max_examples=2 * settings.default.max_examples // 5)
def test_without_a_lookup_everybody_is_written_once(rows: list[ref.Row], partition_rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        template = work / "keys.toml"
        template.write_text(
            '[template]\nid = "keys"\nversion = "1"\ntitle = "t"\n'
            '[file]\nname = "{practice}-{part}.csv"\nmax_rows = 4\n'
            '[[column]]\nname = "key"\nfrom = "patient_id"\n[[column]]\nname = "group"\nfrom = "risk_group"\n'
        )
        out = work / "out"
        run_upload(ref.write_scored(work / "june.parquet", rows), out, template=template, partition_rows=partition_rows)
        seen = []
        for path in sorted(out.glob("*.csv")):
            _, cells = ref.read_csv(path)
            assert 0 < len(cells) <= 4
            seen += [(int(key), path.name.split("-")[0], group) for key, group in cells]
        assert sorted(seen) == sorted((r["patient_id"], r["practice_code"], r["risk_group"] or "") for r in rows)
