"""`popstrat worklist`: who is on a list, in which order, what is in the files; against Polars on generated lists."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import math
import random
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat import synthetic
from popstrat.cli import run
from popstrat.core.dates import days
from popstrat.reasons.sentences import COLUMNS
from popstrat.worklists.best import ties
from popstrat.worklists.layout import layout
from popstrat.worklists.read_ids import read_ids

DAY = dt.date(2026, 6, 30)
AS_OF = ["--as-of", str(DAY)]
PEOPLE = 3_000
PLACES = {"Ash": ["Ash East", "Ash West"], "St John's & Wood/Heath": ["=cmd|' /C calc'!A0", "Übersee <b>"]}
PRACTICES = [f"Y9{i:04}" for i in range(9)]
"""Each in one neighbourhood, the last two in none."""


def area_of(practice: str) -> tuple[str | None, str | None]:
    """The place and neighbourhood of a practice."""
    both = [(place, name) for place, names in PLACES.items() for name in names]
    return both[PRACTICES.index(practice) % 4] if practice not in PRACTICES[-2:] else (None, None)


@cache
def table() -> pa.Table:
    """A list in several areas, one with a hostile name; scores of the GP system tie, and some are lacking or absurd."""
    made = synthetic.table(PEOPLE, seed=5, as_of=DAY)
    draw = random.Random(3)
    practice = [draw.choice(PRACTICES) for _ in range(PEOPLE)]
    score = [draw.choice([None, 10.0, 20.0, 20.0, 30.0, 140.0]) for _ in range(PEOPLE)]
    changed = {
        "practice_code": pa.array(practice),
        "place": pa.array([area_of(p)[0] for p in practice]),
        "neighbourhood": pa.array([area_of(p)[1] for p in practice]),
        "sq_score": pa.array(score, pa.float32()),
    }
    for name, column in changed.items():
        made = made.set_column(made.schema.get_field_index(name), name, column)
    return made


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The list, and a lookup of it."""
    folder = tmp_path_factory.mktemp("given")
    pq.write_table(table(), folder / "list.parquet")
    ids = pa.Table.from_batches(list(synthetic.lookup(PEOPLE, seed=5, as_of=DAY)), synthetic.lookup_schema())
    at = ids.schema.get_field_index("practice_code")
    order = pa.array([table()["patient_id"].to_pylist().index(k) for k in ids["patient_id"].to_pylist()])
    ids = ids.set_column(at, "practice_code", table()["practice_code"].take(order))
    pq.write_table(ids, folder / "lookup.parquet")
    return folder


@cache
def scored() -> pl.DataFrame:
    """The list and its scores, a row each, with the number that decides between equals."""
    made = pl.DataFrame(popstrat.score(table(), as_of=DAY))
    given = pl.DataFrame(table().select(["patient_id", "sq_score"]))
    tie = ties(table()["patient_id"].combine_chunks(), days(DAY))
    usable = pl.when(pl.col("sq_score") <= 100).then(pl.col("sq_score"))
    return made.join(given, on="patient_id").with_columns(usable, tie=pl.Series(tie))


def expected(who: pl.Expr, rank: str, measure: str, capacity: int | None, among: pl.Expr | None = None) -> list[int]:
    """The list by Polars: colour, then measure, then the hash."""
    frame = scored().filter(who if among is None else who & among)
    colours = {"red": 0, "amber": 1, "green": 2}
    order = pl.col(rank).cast(pl.String).replace_strict(colours, default=3)
    frame = frame.sort(order, -pl.col(measure).cast(pl.Float64), pl.col("tie"), nulls_last=True)
    return frame["patient_id"].to_list()[:capacity]


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))


def ids(path: Path) -> list[int]:
    return [int(row["patient_id"]) for row in rows(path)]


def worklist(given: Path, to: Path, *more: str | Path, status: int = 0) -> None:
    assert run(["worklist", str(given / "list.parquet"), *AS_OF, "-o", str(to), "-q", *map(str, more)]) == status


def lists(record: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(record.read_text())["worklist"]["lists"]
    return found


COHORTS = [
    ("frailty_int_segment", pl.col("frailty_int_segment"), "need_rag"),
    ("mltc_int_segment", pl.col("mltc_int_segment"), "cvrm_rag"),
    ("cyp_int_segment", pl.col("cyp_int_segment"), "need_rag"),
    ("hypertension_status=undiagnosed", pl.col("hypertension_status") == "undiagnosed", "need_rag"),
    ("nwl_risk_group=stable", pl.col("nwl_risk_group") == "stable", "need_rag"),
    ("core20=false", ~pl.col("core20"), "need_rag"),
]


@pytest.mark.parametrize(("cohort", "who", "rank"), COHORTS, ids=[c[0] for c in COHORTS])
@pytest.mark.parametrize(
    ("capacity", "measure"), [(37, "admission_risk"), (1, "sq_score"), (37, "sq_score"), (None, "ltc_count")]
)
def test_who_is_on_the_list_and_in_which_order(
    cohort: str, who: pl.Expr, rank: str, capacity: int | None, measure: str, given: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("POPSTRAT_BATCH_ROWS", "700")
    options = [] if measure == "admission_risk" else ["--rank-by", measure]
    options += [] if capacity is None else ["--capacity", str(capacity)]
    worklist(given, tmp_path / "list.csv", "--cohort", cohort, *options)
    found = rows(tmp_path / "list.csv")
    right = expected(who, rank, measure, capacity)
    assert [int(row["patient_id"]) for row in found] == right
    assert [int(row["position"]) for row in found] == list(range(1, len(right) + 1))
    assert measure in found[0]
    _ties_are_told(tmp_path / "list.csv", who, rank, measure)


def _ties_are_told(path: Path, who: pl.Expr, rank: str, measure: str) -> None:
    """The record and the rows say how many of how many who are as high as the last are on the list."""
    (told,) = lists(path.with_name(f"{path.name}.run.json"))
    members = scored().filter(who)
    on = members.filter(pl.col("patient_id").is_in(ids(path)))
    last = members.filter(pl.col("patient_id") == ids(path)[-1])
    alike = members.filter(
        pl.col(rank).cast(pl.String).eq_missing(last[rank].cast(pl.String)[0])
        & pl.col(measure).eq_missing(last[measure][0])
    )["patient_id"]
    on_list = sorted(set(alike) & set(on["patient_id"]))
    tied = len(on_list) < len(alike)
    assert told["cohort"] == len(members)
    assert told["rows"] == len(on)
    assert told["tied_at_cut"] == {"people": len(alike) * tied, "on_list": len(on_list) * tied}
    marked = [int(row["patient_id"]) for row in rows(path) if row["tied_at_cut"] == "yes"]
    assert sorted(marked) == (on_list if tied else [])


@pytest.mark.parametrize("share", ["1%", "1.5%", "0.01%", "100%"])
def test_a_share_is_of_each_places_registered_people_rounded_up(share: str, given: Path, tmp_path: Path) -> None:
    worklist(given, tmp_path / "all.csv", "--cohort", "frailty_int_segment", "--capacity", share)
    worklist(given, tmp_path / "each", "--cohort", "frailty_int_segment", "--capacity", share, "--split", "place")
    right: list[int] = []
    for place in sorted(PLACES):
        registered = sum(p == place for p in table()["place"].to_pylist())
        capacity = math.ceil(registered * float(share[:-1]) / 100 - 1e-9)
        here = expected(pl.col("frailty_int_segment"), "need_rag", "admission_risk", capacity, pl.col("place") == place)
        right += here
        told = next(one for one in lists(tmp_path / "all.csv.run.json") if one["name"] == place)
        assert (told["registered"], told["capacity"], told["rows"]) == (registered, capacity, len(here))
        (file,) = [f for f in (tmp_path / "each").glob("*.csv") if rows(f)[0]["place"] == place]
        assert ids(file) == here
    assert ids(tmp_path / "all.csv") == right


@pytest.mark.parametrize("level", ["practice", "neighbourhood", "place"])
def test_every_area_has_its_own_list(level: str, given: Path, tmp_path: Path) -> None:
    worklist(given, tmp_path / "lists", "--cohort", "frailty_int_segment", "--capacity", "9", "--split", level)
    column = {"practice": "practice_code"}.get(level, level)
    names = sorted({name for name in table()[column].to_pylist() if name is not None})
    manifest = json.loads((tmp_path / "lists" / "manifest.json").read_text())
    files = {file["area"]: file["name"] for file in manifest["outputs"] if file["kind"] == "list"}
    assert sorted(files) == names
    for name in names:
        found = ids(tmp_path / "lists" / files[name])
        assert found == expected(pl.col("frailty_int_segment"), "need_rag", "admission_risk", 9, pl.col(column) == name)
    without = sum(name is None for name in table()[column].to_pylist())
    assert manifest["worklist"]["without_area"] == without
    assert any(f"{without:,} people have no {level}" in w for w in manifest["warnings"]) == (without > 0)
    for path in (tmp_path / "lists").iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert path.name.isascii()
        assert set(path.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@pytest.mark.parametrize("level", ["practice", "neighbourhood", "place"])
def test_only_some_areas(level: str, given: Path, tmp_path: Path) -> None:
    column = {"practice": "practice_code"}.get(level, level)
    some = sorted({name for name in table()[column].to_pylist() if name is not None})[:2]
    named = [word for name in some for word in (f"--{level}", name)]
    worklist(given, tmp_path / "l.csv", "--cohort", "frailty_int_segment", "--capacity", "25", *named)
    among = pl.col(column).cast(pl.String).is_in(some)
    assert ids(tmp_path / "l.csv") == expected(pl.col("frailty_int_segment"), "need_rag", "admission_risk", 25, among)


def test_the_order_is_the_same_however_the_list_is_read(given: Path, tmp_path: Path) -> None:
    """Another format, text keys, another order of rows, several files: the same people in the same order."""
    draw = np.random.default_rng(1).permutation(PEOPLE)
    shuffled = table().take(pa.array(draw))
    at = shuffled.schema.get_field_index("patient_id")
    text = shuffled.set_column(at, "patient_id", shuffled["patient_id"].cast(pa.string()))
    for i, part in enumerate((text.slice(0, 1234), text.slice(1234))):
        pq.write_table(part, tmp_path / f"part{i}.parquet")
    pl.DataFrame(table()).write_csv(tmp_path / "list.csv")
    asked = ["--cohort", "frailty_int_segment", "--rank-by", "sq_score", "--capacity", "50", *AS_OF, "-q"]
    right = expected(pl.col("frailty_int_segment"), "need_rag", "sq_score", 50)
    parts = [str(tmp_path / f"part{i}.parquet") for i in (0, 1)]
    for name, sources in (("a", parts), ("b", [str(tmp_path / "list.csv")])):
        assert run(["worklist", *sources, *asked, "-o", str(tmp_path / f"{name}.csv")]) == 0
        assert ids(tmp_path / f"{name}.csv") == right


def test_a_column_that_one_file_lacks_is_no_finding_there(tmp_path: Path) -> None:
    """Of a file without the dates of smoking nobody is told that smoking was never asked."""
    whole, less = table().slice(0, 1500), table().slice(1500).drop_columns(["smoking", "smoking_date"])
    pq.write_table(whole, tmp_path / "a.parquet")
    pq.write_table(less, tmp_path / "b.parquet")
    sources = [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]
    asked = ["--cohort", "frailty_int_segment", *AS_OF, "-q", "-o", str(tmp_path / "l.csv")]
    assert run(["worklist", *sources, *asked]) == 0
    second = set(less["patient_id"].to_pylist())
    told = {int(row["patient_id"]): row["due"] for row in rows(tmp_path / "l.csv")}
    assert any("Smoking" in text for who, text in told.items() if who not in second)
    assert not any("Smoking" in text for who, text in told.items() if who in second)


@pytest.mark.parametrize("form", ["csv", "xlsx", "html"])
def test_a_list_of_nobody(form: str, given: Path, tmp_path: Path) -> None:
    """Children's cohort of a list without children, alone, split, with NHS numbers and beside a last list."""
    pq.write_table(table().filter(pl.Series(scored()["age"] >= 18).to_arrow()), tmp_path / "list.parquet")
    (tmp_path / "keys.csv").write_text("patient_id\n7\n")
    asked = ["worklist", str(tmp_path / "list.parquet"), *AS_OF, "-q", "--cohort", "cyp_int_segment", "--previous",
             str(tmp_path / "keys.csv")]  # fmt: skip
    lookup = ["--lookup", str(given / "lookup.parquet"), "--audit", str(tmp_path / "audit.jsonl")]
    assert run([*asked, "-o", str(tmp_path / f"l.{form}")]) == 0
    assert run([*asked, *lookup, "-o", str(tmp_path / "all"), "--split", "practice", "--format", form]) == 0
    assert run(["verify", str(tmp_path / "all"), "-q"]) == 0
    assert run(["verify", str(tmp_path / f"l.{form}"), "-q"]) == 0
    assert any(
        "nobody is in the cohort" in w for w in json.loads((tmp_path / f"l.{form}.run.json").read_text())["warnings"]
    )


def test_a_list_without_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(table().slice(0, 0), tmp_path / "list.parquet")
    asked = ["worklist", str(tmp_path / "list.parquet"), *AS_OF, "-q", "--cohort", "cyp_int_segment"]
    assert run([*asked, "-o", str(tmp_path / "l.csv")]) == 2
    assert "holds nobody" in capsys.readouterr().err


# -- other files ---------------------------------------------------------------------------------------------------


def test_whoever_a_file_excludes_is_not_on_the_list(given: Path, tmp_path: Path) -> None:
    everybody = expected(pl.col("frailty_int_segment"), "need_rag", "admission_risk", None)
    draw = random.Random(2)
    dates = ["", "2026-06-30", "2026-07-01"]
    spells = [(draw.choice(everybody[:80]), draw.choice(dates), draw.choice(dates)) for _ in range(60)]
    lines = ["patient_id,start,end", *(",".join(map(str, spell)) for spell in spells)]
    (tmp_path / "spells.csv").write_text("\n".join(lines) + "\n")
    out = {who for who, start, end in spells if start in ("", "2026-06-30") and end in ("", "2026-07-01")}
    assert 0 < len(out) < len({who for who, *_ in spells})
    worklist(
        given, tmp_path / "l.csv", "--cohort", "frailty_int_segment", "--capacity", "40", "--exclude",
        tmp_path / "spells.csv",
    )  # fmt: skip
    assert ids(tmp_path / "l.csv") == [who for who in everybody if who not in out][:40]
    (told,) = lists(tmp_path / "l.csv.run.json")
    assert told["excluded"] == len(out)
    (tmp_path / "keys.csv").write_text("patient_id\n" + "".join(f"{who}\n" for who in everybody[:5]))
    worklist(
        given, tmp_path / "m.csv", "--cohort", "frailty_int_segment", "--capacity", "40", "--exclude",
        tmp_path / "keys.csv",
    )  # fmt: skip
    assert ids(tmp_path / "m.csv") == everybody[5:45]


def test_whose_caseload_somebody_is_on(given: Path, tmp_path: Path) -> None:
    first = expected(pl.col("frailty_int_segment"), "need_rag", "admission_risk", 4)
    (tmp_path / "case.csv").write_text(
        "patient_id,cohort,start,end,coordinator\n"
        f"{first[0]},frailty,2026-01-01,,Nurse One\n{first[0]},mltc,2026-02-01,,Nurse Two\n"
        f"{first[1]},frailty,2026-01-01,2026-02-01,Nurse One\n{first[2]},frailty,2026-01-01,,\n"
    )
    asked = ["--cohort", "frailty_int_segment", "--capacity", "4", "--caseload", str(tmp_path / "case.csv")]
    worklist(given, tmp_path / "l.csv", *asked)
    assert [row["caseload"] for row in rows(tmp_path / "l.csv")] == ["Nurse One, Nurse Two", "", "frailty", ""]


@pytest.mark.parametrize("form", ["csv", "xlsx", "html", "keys.csv"])
def test_who_is_new_still_on_it_and_gone(form: str, given: Path, tmp_path: Path) -> None:
    asked = ["--cohort", "frailty_int_segment", "--capacity", "20"]
    worklist(given, tmp_path / "csv.csv", *asked)
    was = ids(tmp_path / "csv.csv")
    before = tmp_path / f"before.{form}"
    if form == "keys.csv":
        before.write_text("patient_id\n" + "".join(f"{who}\n" for who in [*was, 77]))
    else:
        worklist(given, before, *asked)
    (tmp_path / "out.csv").write_text("patient_id\n" + "".join(f"{who}\n" for who in was[:3]))
    worklist(
        given, tmp_path / "now.csv", "--cohort", "frailty_int_segment", "--capacity", "10", "--exclude",
        tmp_path / "out.csv", "--previous", before,
    )  # fmt: skip
    found = rows(tmp_path / "now.csv")
    assert [row["change"] for row in found] == ["still"] * 10
    assert [int(row["patient_id"]) for row in found] == was[3:13]
    gone = {int(row["patient_id"]): row["why_gone"] for row in rows(tmp_path / "now_gone.csv")}
    unknown = {77: "no longer in the list of patients"} if form == "keys.csv" else {}
    assert gone == dict.fromkeys(was[:3], "excluded") | dict.fromkeys(was[13:], "below the cut") | unknown
    worklist(given, tmp_path / "other.xlsx", "--cohort", "core20", "--capacity", "30", "--previous", before)
    told = read_ids((tmp_path / "other.xlsx").read_bytes(), "xlsx", "other")
    now = set(map(int, told.ids.to_pylist()))
    (counted,) = lists(tmp_path / "other.xlsx.run.json")
    assert counted["new"] == len(now - set(was))
    assert counted["gone"] == len({*was, *unknown} - now)


def test_in_a_folder_each_area_is_compared_with_its_own(given: Path, tmp_path: Path) -> None:
    asked = ["--cohort", "frailty_int_segment", "--split", "practice", "--format", "csv", "--format", "xlsx"]
    worklist(given, tmp_path / "before", *asked, "--capacity", "8")
    moved = table().to_pydict()
    was = ids(tmp_path / "before" / f"Y90000_{DAY}.csv")
    at = moved["patient_id"].index(was[0])
    moved["practice_code"][at] = "Y90001"
    pq.write_table(pa.Table.from_pydict(moved, table().schema), tmp_path / "list.parquet")
    to = tmp_path / "now"
    assert run([
        "worklist", str(tmp_path / "list.parquet"), *AS_OF, *asked, "--capacity", "9", "-o", str(to), "-q",
        "--previous", str(tmp_path / "before"),
    ]) == 0  # fmt: skip
    gone = rows(to / f"Y90000_{DAY}_gone.csv")
    assert [(int(row["patient_id"]), row["why_gone"]) for row in gone] == [(was[0], "registered elsewhere now")]
    here = {int(row["patient_id"]): row["change"] for row in rows(to / f"Y90001_{DAY}.csv")}
    assert here.get(was[0], "new") == "new"
    assert run(["verify", str(to), "-q"]) == 0


# -- who may see what ----------------------------------------------------------------------------------------------


def nhs_numbers(given: Path) -> dict[int, str]:
    ids = pq.read_table(given / "lookup.parquet").to_pydict()
    return {k: str(n) for k, n in zip(ids["patient_id"], ids["nhs_number"], strict=True)}


def test_nhs_numbers_for_one_practice_under_audit(given: Path, tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    asked = [
        "--cohort",
        "frailty_int_segment",
        "--capacity",
        "9",
        "--lookup",
        given / "lookup.parquet",
        "--audit",
        audit,
    ]
    worklist(given, tmp_path / "lists", *asked, "--split", "practice", "--format", "csv", "--format", "xlsx",
             "--format", "html")  # fmt: skip
    known = nhs_numbers(given)
    for practice in PRACTICES:
        right = expected(
            pl.col("frailty_int_segment"), "need_rag", "admission_risk", 9, pl.col("practice_code") == practice
        )
        for form in ("csv", "xlsx", "html"):
            raw = (tmp_path / "lists" / f"{practice}_{DAY}.{form}").read_bytes()
            found = read_ids(raw, form, practice)
            assert found.kind == "nhs_number"
            assert found.ids.to_pylist() == [known[who] for who in right]
            assert not any(str(who).encode() in raw for who in right)  # a key beside a number gives the lookup away
    assert run(["verify", str(tmp_path / "lists"), "--audit", str(audit), "-q"]) == 0
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["worklist-started", "worklist-made", "worklist-released"]
    assert lines[0]["re_identified"]
    text = audit.read_text() + (tmp_path / "lists" / "manifest.json").read_text()
    text += (tmp_path / "lists" / "read-me.txt").read_text()
    assert not any(number in text for number in known.values())
    worklist(given, tmp_path / "one.html", *asked, "--practice", PRACTICES[0])
    assert run(["verify", str(tmp_path / "one.html"), "--audit", str(audit), "-q"]) == 0


@pytest.mark.parametrize("options", [[], ["--split", "neighbourhood"], ["--split", "place"], ["--place", "Ash"]])
def test_nhs_numbers_of_several_practices_need_a_basis(
    options: Sequence[str], given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit, to = tmp_path / "audit.jsonl", tmp_path / ("to" if "--split" in options else "to.csv")
    asked = [
        "--cohort",
        "frailty_int_segment",
        "--capacity",
        "9",
        "--lookup",
        given / "lookup.parquet",
        "--audit",
        audit,
    ]
    worklist(given, to, *asked, *options, status=2)
    assert "it carries keys only" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("audit")) == []
    basis = "Ash neighbourhood agreement of 1 May 2026"
    worklist(given, to, *asked, *options, "--shared-care-basis", basis)
    record = to / "manifest.json" if to.is_dir() else to.with_name(f"{to.name}.run.json")
    assert json.loads(record.read_text())["worklist"]["shared_care_basis"] == basis
    assert basis in json.dumps(json.loads(record.read_text())["read_me"])
    assert basis in audit.read_text()
    assert run(["verify", str(to), "--audit", str(audit), "-q"]) == 0


def test_whoever_the_lookup_leaves_out_makes_room_for_the_next(given: Path, tmp_path: Path) -> None:
    practice = PRACTICES[1]
    right = expected(
        pl.col("frailty_int_segment"), "need_rag", "admission_risk", None, pl.col("practice_code") == practice
    )
    ids = pq.read_table(given / "lookup.parquet").to_pydict()
    place = {who: i for i, who in enumerate(ids["patient_id"])}
    ids["registration_status"][place[right[0]]] = "deceased"
    ids["practice_code"][place[right[2]]] = PRACTICES[2]
    pq.write_table(pa.table(ids), tmp_path / "lookup.parquet")
    worklist(
        given, tmp_path / "l.csv", "--cohort", "frailty_int_segment", "--capacity", "5", "--practice", practice,
        "--lookup", tmp_path / "lookup.parquet", "--audit", tmp_path / "audit.jsonl",
    )  # fmt: skip
    known = nhs_numbers(given)
    assert [row["nhs_number"] for row in rows(tmp_path / "l.csv")] == [known[who] for who in [right[1], *right[3:7]]]
    (told,) = lists(tmp_path / "l.csv.run.json")
    assert told["left_out"] == {"deceased": 1, "registered at another practice": 1}


def test_opt_outs_do_not_apply_to_direct_care(given: Path, tmp_path: Path) -> None:
    out = table().to_pydict()
    right = expected(pl.col("frailty_int_segment"), "need_rag", "admission_risk", 5)
    for who in right:
        out["type1_opt_out"][out["patient_id"].index(who)] = True
    pq.write_table(pa.Table.from_pydict(out, table().schema), tmp_path / "list.parquet")
    to = str(tmp_path / "l.csv")
    asked = ["--cohort", "frailty_int_segment", "--capacity", "5", *AS_OF, "-q", "-o", to]
    assert run(["worklist", str(tmp_path / "list.parquet"), *asked]) == 0
    assert ids(tmp_path / "l.csv") == right


# -- all or nothing ------------------------------------------------------------------------------------------------

KEYS = "patient_id\n1\n2\n"
BAD = {
    "no such cohort": (["--cohort", "frailty_int_sgment"], "did you mean 'frailty_int_segment'"),
    "a number as cohort": (["--cohort", "admission_risk"], "is no group that the pack writes"),
    "no label": (["--cohort", "nwl_risk_group"], "say nwl_risk_group=LABEL, one of"),
    "no such label": (["--cohort", "nwl_risk_group=hihg"], "did you mean 'high'"),
    "a flag that is neither": (["--cohort", "core20=maybe"], "is true or false"),
    "capacity of none": (["--capacity", "0"], "--capacity needs a number of people"),
    "capacity below none": (["--capacity", "-5"], "--capacity needs a number of people"),
    "capacity in words": (["--capacity", "many"], "--capacity needs a number of people"),
    "too large a share": (["--capacity", "101%"], "--capacity needs a number of people"),
    "no share": (["--capacity", "0%"], "--capacity needs a number of people"),
    "a share of a practice": (["--capacity", "2%", "--practice", "Y90000"], "with --practice give a number"),
    "a share of practices": (["--capacity", "2%", "--split", "practice", "-o", "{to}/d"], "with --split practice give"),
    "two kinds of area": (["--practice", "Y90000", "--place", "Ash"], "give areas of one kind"),
    "no such practice": (["--practice", "Y9000"], "nobody is registered in 'Y9000' (did you mean 'Y9000"),
    "no such place": (["--place", "Asch"], "nobody is registered in 'Asch' (did you mean 'Ash'?)"),
    "no such level": (["--split", "practise", "-o", "{to}/d"], "did you mean 'practice'"),
    "no such format": (["--split", "practice", "--format", "xls", "-o", "{to}/d"], "did you mean 'xlsx'"),
    "a format of one file": (["--format", "html"], "--format is for --split"),
    "a file for a folder": (["--split", "practice"], "a folder is written, not a file"),
    "an odd ending": (["-o", "{to}/l.pdf"], "ends in .csv, .xlsx or .html"),
    "no such order": (["--rank-by", "sq_scor"], "did you mean 'sq_score'"),
    "an order of labels": (["--rank-by", "nwl_risk_group"], "is no column of numbers"),
    "a lookup without a log": (["--lookup", "{given}/lookup.parquet"], "has to be logged"),
    "a basis for nothing": (["--shared-care-basis", "because"], "is for lists with NHS numbers"),
    "a file that is not there": (["--exclude", "{to}/none.csv"], "none.csv"),
    "a file without keys": (["--exclude", "{to}/odd.csv"], "is missing from the file of --exclude"),
    "a last list that is none": (["--previous", "{to}/odd.xlsx"], "holds no work list, or is damaged"),
    "a last list that is not there": (["--previous", "{to}/none.xlsx"], "there is no such file"),
    "a list as its own last": (["--previous", "{to}/keys.csv", "-o", "{to}/keys.csv"], "is an input"),
    "a date that is none": (["--as-of", "30/06/2026"], "--as-of needs a date"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_bad_input_is_one_clear_message_and_nothing_is_written(
    fault: str, given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys.csv").write_text(KEYS)
    (tmp_path / "odd.csv").write_text("patient\n1\n")
    (tmp_path / "odd.xlsx").write_bytes(b"PK\x03\x04 nothing")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    options, told = BAD[fault]
    options = [option.format(to=tmp_path, given=given) for option in options]
    if "--cohort" not in options:
        options += ["--cohort", "frailty_int_segment"]
    if "-o" not in options:
        options += ["-o", str(tmp_path / "l.csv")]
    as_of = [] if "--as-of" in options else AS_OF
    assert run(["worklist", str(given / "list.parquet"), *as_of, "-q", *options]) == 2
    message = capsys.readouterr().err
    assert told in message
    assert message.startswith("error: ")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_columns_that_list_lacks(given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(table().drop_columns(["place", "sq_score", "housebound"]), tmp_path / "list.parquet")
    asked = ["worklist", str(tmp_path / "list.parquet"), *AS_OF, "-q", "--cohort", "frailty_int_segment"]
    for options, told in (
        (["--capacity", "2%"], "'place': is needed for --capacity in %"),
        (["--place", "Ash"], "'place': is needed for the areas asked for"),
        (["--rank-by", "sq_score"], "'sq_score': is the column of --rank-by"),
    ):
        assert run([*asked, *options, "-o", str(tmp_path / "l.csv")]) == 2
        assert told in capsys.readouterr().err
    assert run([*asked, "-o", str(tmp_path / "l.csv")]) == 0
    record = json.loads((tmp_path / "l.csv.run.json").read_text())
    assert any("housebound" in line for part in record["read_me"] for line in part["lines"])


def test_a_folder_is_whole_or_not_there(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from popstrat.worklists import run as runs

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    asked = ["--cohort", "frailty_int_segment", "--split", "practice", "--capacity", "3"]
    with monkeypatch.context() as patch:
        patch.setattr(runs, "_read_back", broken)
        worklist(given, tmp_path / "lists", *asked, status=1)
    assert list(tmp_path.iterdir()) == []
    worklist(given, tmp_path / "lists", *asked)
    first = {path.name: path.read_bytes() for path in (tmp_path / "lists").iterdir()}
    worklist(given, tmp_path / "lists", *asked)
    assert {path.name: path.read_bytes() for path in (tmp_path / "lists").iterdir()} == first


def test_a_folder_that_holds_something_else_is_left_alone(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--cohort", "frailty_int_segment", "--split", "practice", "--capacity", "3"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious").write_text("precious")
    worklist(given, tmp_path / "other", *asked, "--force", status=2)
    assert "has no work lists" in capsys.readouterr().err
    worklist(given, tmp_path / "lists", *asked)
    file = next((tmp_path / "lists").glob("*.csv"))
    file.write_bytes(file.read_bytes() + b" ")
    worklist(given, tmp_path / "lists", *asked, status=2)
    assert "give --force to replace it" in capsys.readouterr().err
    worklist(given, tmp_path / "lists", *asked, "--force")
    (tmp_path / "lists" / "mine.txt").write_text("precious")
    worklist(given, tmp_path / "lists", *asked, "--force", status=2)
    assert "has other files than its work lists" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["csv", "xlsx", "html"])
def test_a_wrong_person_does_not_get_through(
    form: str, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is in a file that should not be, or in another order, is found before the file has its name."""
    from popstrat.worklists.files import Writer

    real = Writer.content

    def swapped(self: Writer, part: Any, form: str, gone: Any) -> list[bytes]:
        raw = b"".join(bytes(piece) for piece in real(self, part, form, gone))
        found = read_ids(raw, form, "file").ids.to_pylist()
        if form == "xlsx":
            return [raw.replace(raw[-400:-380], bytes(20))]
        one, other = (f">{i}<" if form == "html" else f'"{i}"' for i in found[:2])
        return [raw.replace(one.encode(), b"@@").replace(other.encode(), one.encode()).replace(b"@@", other.encode())]

    monkeypatch.setattr(Writer, "content", swapped)
    worklist(given, tmp_path / f"l.{form}", "--cohort", "frailty_int_segment", "--capacity", "5", status=1)
    assert list(tmp_path.iterdir()) == []


CHANGES = {
    "a byte": lambda folder, file: file.write_bytes(file.read_bytes().replace(b"20", b"21", 1)),
    "a row less": lambda folder, file: file.write_bytes(b"\r\n".join(file.read_bytes().split(b"\r\n")[:-2]) + b"\r\n"),
    "a file less": lambda folder, file: file.unlink(),
    "a file more": lambda folder, file: (folder / "more.csv").write_text("x"),
    "the manifest": lambda folder, file: (folder / "manifest.json").write_bytes(
        (folder / "manifest.json").read_bytes().replace(b'"rows": 4', b'"rows": 5', 1)
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_verify_finds_what_was_changed(change: str, given: Path, tmp_path: Path) -> None:
    worklist(given, tmp_path / "lists", "--cohort", "frailty_int_segment", "--split", "practice", "--capacity", "4")
    assert run(["verify", str(tmp_path / "lists"), "-q"]) == 0
    CHANGES[change](tmp_path / "lists", next((tmp_path / "lists").glob("*.csv")))
    assert run(["verify", str(tmp_path / "lists"), "-q"]) == 2


def test_verify_holds_the_bytes_and_the_record_against_each_other(given: Path, tmp_path: Path) -> None:
    """Somebody on the lists of two areas, with every hash made right again, is still found."""
    worklist(given, tmp_path / "lists", "--cohort", "frailty_int_segment", "--split", "practice", "--capacity", "4")
    one, other = sorted((tmp_path / "lists").glob("*.csv"))[:2]
    person = ids(one)[0]
    raw = other.read_bytes().replace(str(ids(other)[0]).encode(), str(person).encode())
    manifest = json.loads((tmp_path / "lists" / "manifest.json").read_text())
    for file in manifest["outputs"]:
        if file["name"] == other.name:
            file["sha256"], file["bytes"] = hashlib.sha256(raw).hexdigest(), len(raw)
    other.write_bytes(raw)
    (tmp_path / "lists" / "manifest.json").write_text(json.dumps(manifest))
    assert run(["verify", str(tmp_path / "lists"), "-q"]) == 2


# -- hostile text --------------------------------------------------------------------------------------------------


def test_formulas_are_no_formulas_and_markup_is_no_markup(given: Path, tmp_path: Path) -> None:
    worklist(given, tmp_path / "l", "--cohort", "frailty_int_segment", "--split", "neighbourhood", "--capacity", "5",
             "--format", "csv", "--format", "html", "--format", "xlsx")  # fmt: skip
    manifest = json.loads((tmp_path / "l" / "manifest.json").read_text())
    hostile = "=cmd|' /C calc'!A0"
    for file in manifest["outputs"]:
        path = tmp_path / "l" / file["name"]
        if file["kind"] == "list" and file["format"] == "csv" and file["area"] == hostile:
            assert {row["neighbourhood"] for row in rows(path)} == {"'" + hostile}
        if file["format"] == "html":
            text = path.read_text(encoding="utf-8")
            assert "<b>" not in text
            assert "<script" not in text
            if file["area"] == "Übersee <b>":
                assert "Übersee &lt;b&gt;" in text


@pytest.mark.parametrize("code", ["../Y90", "Y 90", "=A1", "<b>", "y90000", "a\nb"])
def test_practice_codes_that_cannot_be_in_file_names(
    code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = table().to_pydict()
    made["practice_code"][0] = code
    if code == "y90000":  # two that differ in capitals only, and have not the form of an ODS code
        made["practice_code"] = ["abc" if i % 2 else "ABC" for i in range(PEOPLE)]
    pq.write_table(pa.Table.from_pydict(made, table().schema), tmp_path / "list.parquet")
    asked = ["--cohort", "frailty_int_segment", "--split", "practice", *AS_OF, "-q"]
    assert run(["worklist", str(tmp_path / "list.parquet"), *asked, "-o", str(tmp_path / "lists")]) == 2
    told = capsys.readouterr().err
    assert "cannot be part of a file name" in told or "differ in capitals only" in told
    assert [path.name for path in tmp_path.iterdir()] == ["list.parquet"]


# -- workbooks and pages -------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not there")
def test_a_workbook_opens_elsewhere_without_losing_a_digit(tmp_path: Path) -> None:
    """Keys of 19 digits, with leading zeros, and that look like numbers or dates, as LibreOffice has them."""
    made = table().slice(0, 400)
    keys = [
        f"{i:019}" if i % 3 else f"{i}EX{i % 7}" if i % 2 else f"0{i % 28 + 1}-02-{1900 + i}" for i in range(1, 401)
    ]
    at = made.schema.get_field_index("patient_id")
    pq.write_table(made.set_column(at, "patient_id", pa.array(keys)), tmp_path / "list.parquet")
    to = tmp_path / "l.xlsx"
    asked = ["--cohort", "frailty_int_segment", *AS_OF, "-q", "-o", str(to)]
    assert run(["worklist", str(tmp_path / "list.parquet"), *asked]) == 0
    wanted = read_ids(to.read_bytes(), "xlsx", "l.xlsx").ids.to_pylist()
    assert len(wanted) > 30
    assert set(wanted) <= set(keys)
    form = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,1"
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    command = ["soffice", profile, "--headless", "--convert-to", form, "--outdir", str(tmp_path), str(to)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    (opened,) = tmp_path.glob("l*.csv")
    assert [row["Patient"] for row in csv.DictReader(opened.read_text(encoding="utf-8").splitlines())] == wanted


def test_a_workbook_has_header_filters_and_a_read_me(given: Path, tmp_path: Path) -> None:
    worklist(given, tmp_path / "l.xlsx", "--cohort", "frailty_int_segment", "--capacity", "5")
    with zipfile.ZipFile(tmp_path / "l.xlsx") as book:
        names = book.read("xl/workbook.xml").decode()
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        texts = book.read("xl/sharedStrings.xml").decode()
    assert 'name="Work list"' in names
    assert 'name="Read me"' in names
    assert 'state="frozen"' in sheet
    assert '<autoFilter ref="A1:' in sheet
    assert 'orientation="landscape"' in sheet
    assert "CONFIDENTIAL" in sheet
    assert "<f>" not in sheet
    for said in ("it decides nothing", "Frailty cohort, version", "30 June 2026", "5 of the", "london-2026"):
        assert said in texts


def test_a_page_needs_nothing_else_and_repeats_its_header(given: Path, tmp_path: Path) -> None:
    worklist(given, tmp_path / "l.html", "--cohort", "frailty_int_segment", "--capacity", "5")
    text = (tmp_path / "l.html").read_text(encoding="utf-8")
    for what in ("http:", "https:", "<script", "<link", "url(", "@import", "$"):
        assert what not in text
    assert "size: A4 landscape" in text
    assert "display: table-header-group" in text
    head = text[text.index("<thead>") : text.index("</thead>")]
    assert "CONFIDENTIAL" in head
    shown = head.count('<th scope="col">')
    body = text[text.index("<tbody>") : text.index("</tbody>")]
    assert all(row.count("<td") == shown for row in body.split("</tr>")[:-1])
    assert body.count("<tr>") == 5


@pytest.mark.parametrize("form", ["xlsx", "html"])
def test_a_score_that_is_not_ours_is_named_as_such(form: str, given: Path, tmp_path: Path) -> None:
    worklist(
        given, tmp_path / f"l.{form}", "--cohort", "frailty_int_segment", "--capacity", "5", "--rank-by", "sq_score"
    )
    raw = (tmp_path / f"l.{form}").read_bytes()
    text = raw.decode() if form == "html" else zipfile.ZipFile(io.BytesIO(raw)).read("xl/sharedStrings.xml").decode()
    assert "A risk score that the GP system supplies (sq_score)" in text
    assert text.replace("&#x27;", "'").count("What drives popstrat's own risk most") > 0
    assert "Ask its supplier how good it is" in text


def test_no_identifier_is_told(given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit = tmp_path / "audit.jsonl"
    assert run([
        "worklist", str(given / "list.parquet"), *AS_OF, "--cohort", "frailty_int_segment", "--capacity", "5",
        "--practice", PRACTICES[0], "--lookup", str(given / "lookup.parquet"), "--audit", str(audit), "-o",
        str(tmp_path / "l.csv"),
    ]) == 0  # fmt: skip
    told = capsys.readouterr()
    text = told.out + told.err + audit.read_text() + (tmp_path / "l.csv.run.json").read_text()
    for who, number in nhs_numbers(given).items():
        assert number not in text
        assert str(who) not in text


def test_the_layout_asks_for_sentences_that_there_are() -> None:
    assert {c.source for c in layout() if c.role == "words"} <= set(COLUMNS)
