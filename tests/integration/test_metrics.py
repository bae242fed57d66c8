"""``popstrat metrics`` from a list to a table: the same whatever the threads and batches, and what it refuses."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from popstrat import synthetic
from popstrat.cli.main import run
from popstrat.core.hashing import hash_file
from popstrat.errors import InputError
from popstrat.metrics import table as figures_of
from popstrat.metrics.request import Request, groupings_of, levels_of
from popstrat.metrics.rows import COLUMNS, SCHEMA
from popstrat.metrics.run import public, run_metrics

DAY = dt.date(2026, 6, 30)
AS_OF = DAY.isoformat()
EXACT = ("--no-disclosure-control", "--as-of", AS_OF, "-q")


@cache
def people() -> pa.Table:
    return synthetic.table(6_000, seed=5, as_of=DAY, practices=6)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    pq.write_table(people(), tmp_path / "list.parquet")
    return tmp_path / "list.parquet"


def rows(table: pa.Table, **keys: Any) -> list[dict[str, Any]]:
    for column, value in keys.items():
        table = table.filter(pc.is_null(table[column]) if value is None else pc.equal(table[column], value))
    return table.to_pylist()  # type: ignore[no-any-return]


def counted(table: pa.Table | None = None, **options: Any) -> pa.Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return figures_of(people() if table is None else table, AS_OF, disclosure_control=False, **options)


def told(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    """The message of a command that must be refused with status 2."""
    assert run([str(a) for a in arguments]) == 2
    return capsys.readouterr().err


def test_neither_threads_nor_batches_change_a_byte(listed: Path, tmp_path: Path) -> None:
    hashes = set()
    for number, (threads, batch) in enumerate([(1, 6_000), (2, 777), (3, 64)]):
        request = Request(controlled=False)
        out = tmp_path / f"{number}.parquet"
        record = run_metrics([listed], out, request.scorer("neighbourhood-2026", AS_OF, "direct-care"), request,
                             threads=threads, batch_rows=batch)  # fmt: skip
        hashes.add(hash_file(out))
        assert record["rows"] == {"in": 6_000, "out": 6_000, "excluded": 0, "excluded_by_reason": {}}
    assert len(hashes) == 1
    found = pq.read_table(tmp_path / "0.parquet")
    assert found.schema.names == list(COLUMNS)
    assert found.equals(counted().cast(found.schema))
    assert found.cast(SCHEMA).equals(counted())


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv"])
def test_the_table_and_its_record(ending: str, listed: Path, tmp_path: Path) -> None:
    out = tmp_path / f"metrics.{ending}"
    assert run(["metrics", str(listed), "-o", str(out), *EXACT]) == 0
    record = json.loads((tmp_path / f"metrics.{ending}.run.json").read_text(encoding="utf-8"))
    assert (record["command"], record["as_of"], record["pack"]["id"]) == ("metrics", AS_OF, "neighbourhood-2026")
    assert record["disclosure_control"] is False
    assert record["areas"]["practice"] == 6
    assert record["output"]["rows"] == record["figures"]["rows"]
    assert {m["id"]: m["title"] for m in record["metrics"]}["frailty_coded"] == "Frailty coded, 65 and over"
    assert run(["metrics", str(listed), "-o", str(out), *EXACT]) == 0  # a re-run
    assert run(["metrics", str(listed), "-o", str(out), *EXACT, "--pack", "london-2026"]) == 2


def test_usual_groups_by_level() -> None:
    found = counted()
    pairs = {(r["level"], r["group_by"]) for r in found.select(["level", "group_by"]).to_pylist()}
    every = {"none", "sex", "age_band", "ethnicity", "imd_quintile"}
    assert {level: {by for on, by in pairs if on == level} for level in ("practice", "pcn", "place")} == {
        "practice": {"none", "sex"}, "pcn": {"none", "sex", "age_band"}, "place": every,
    }  # fmt: skip
    for level in ("icb", "place", "neighbourhood", "pcn", "practice"):
        of_level = rows(found, metric="ltc_0", measure="proportion", level=level, group_by="none")
        assert sum(r["denominator"] for r in of_level) == 6_000


def test_levels_and_groups_on_request(listed: Path) -> None:
    found = counted(levels=["practice"], group_by=["sex+age_band", "core20"], metrics=["in_core20", "bmi_over_30"])
    assert set(found["level"].to_pylist()) == {"practice"}
    assert set(found["group_by"].to_pylist()) == {"none", "sex+age_band", "core20"}
    assert set(found["metric"].to_pylist()) == {"in_core20", "bmi_over_30"}
    some = rows(found, metric="in_core20", group_by="core20", group="yes", measure="proportion")
    assert all(r["numerator"] == r["denominator"] for r in some)
    both = rows(found, metric="bmi_over_30", group_by="sex+age_band", measure="proportion")
    assert {"female+40-64", "male+85+"} <= {r["group"] for r in both}


def test_every_figure_of_a_practice_and_a_place_by_hand() -> None:
    """One practice and one place, by filtering the list to its people first."""
    found = counted()
    list_of = people()
    for column, level in (("practice_code", "practice"), ("place", "place")):
        area = sorted(set(list_of[column].to_pylist()))[0]
        alone = counted(list_of.filter(pc.equal(list_of[column], area)))
        keys = ("metric", "measure", "cohort", "group_by", "group", "numerator", "denominator", "value", "low", "high")
        one = [
            tuple(r[k] for k in keys)
            for r in rows(found, level=level, area=area)
            if not r["measure"].startswith("prize")
        ]
        other = {r[:5]: r for r in (tuple(r[k] for k in keys) for r in rows(alone, level=level, area=area))}
        compared = [(r, other[r[:5]]) for r in one if r[:5] in other]
        assert len(compared) > 100
        assert all(a == b for a, b in compared if a[1] in ("proportion", "rate_per_1000"))


def test_no_place_columns_leaves_the_list_and_its_practices() -> None:
    found = counted(people().drop_columns(["pcn_code", "neighbourhood", "place"]))
    assert set(found["level"].to_pylist()) == {"icb", "practice"}
    with pytest.raises(InputError, match="there is no figure by pcn"):
        counted(people().drop_columns(["pcn_code"]), levels=["pcn"])


def test_a_practice_in_two_networks_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list_of = people()
    moved = list_of["pcn_code"].to_pylist()
    moved[-1] = "U99999"
    at = list_of.schema.names.index("pcn_code")
    pq.write_table(list_of.set_column(at, "pcn_code", pa.array(moved)), tmp_path / "list.parquet")
    message = told(capsys, "metrics", tmp_path / "list.parquet", "-o", tmp_path / "m.parquet", *EXACT)
    practice = list_of["practice_code"].to_pylist()[-1]
    assert f"list.parquet: column 'pcn_code': the practice '{practice}' is in" in message
    assert "'U99999'" in message
    assert f"(row {list_of.num_rows:,})" in message
    assert not (tmp_path / "m.parquet").exists()


def test_the_row_is_that_of_the_file_where_people_have_opted_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    list_of, half = people(), people().num_rows // 2
    moved, out = list_of["pcn_code"].to_pylist(), [i % 3 == 0 for i in range(list_of.num_rows)]
    said = next(i for i in range(half + 20, list_of.num_rows) if not out[i])
    moved[said] = "U99999"
    changed = list_of.set_column(list_of.schema.names.index("pcn_code"), "pcn_code", pa.array(moved))
    for name in ("national_data_opt_out", "type1_opt_out"):
        if name in changed.schema.names:
            changed = changed.drop_columns(name)
        changed = changed.append_column(name, pa.array(out))
    pq.write_table(changed.slice(0, half), tmp_path / "a.parquet")
    pq.write_table(changed.slice(half), tmp_path / "b.parquet")
    given = (tmp_path / "a.parquet", tmp_path / "b.parquet", "-o", tmp_path / "m.parquet")
    message = told(capsys, "metrics", *given, "--as-of", AS_OF, "--profile", "secondary-use")
    assert "b.parquet: column 'pcn_code': the practice" in message
    assert f"(row {said - half + 1})" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--level", "borough"], "--level is one of icb, place, neighbourhood, pcn, practice, not 'borough'"),
        (["--group-by", "sexes"], "there is no grouping, definition or column 'sexes' (did you mean 'sex'?)"),
        (["--group-by", "sex+sex"], "--group-by takes names joined by +, each once, not 'sex+sex'"),
        (["--group-by", "ltc_count"], "'ltc_count' is a number, and people are divided by labels or conditions"),
        (["--metric", "bmi_over_3"], "neighbourhood-2026 has no metric 'bmi_over_3' (did you mean 'bmi_over_30'"),
        (["--pack", "london-2026"], "the pack london-2026 has no metrics (definitions of the kind metric)"),
        (["--profile", "secondary-use"], "--no-disclosure-control is for the profile direct-care alone"),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly(
    arguments: Sequence[str], message: str, listed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in told(capsys, "metrics", listed, "-o", tmp_path / "m.parquet", *EXACT, *arguments)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["list.parquet"]


def test_the_same_names_from_text() -> None:
    assert levels_of([]) is groupings_of([]) is None
    assert groupings_of([" sex + age_band "]) == ("sex+age_band",)


def test_a_list_of_nobody_is_refused() -> None:
    with pytest.raises(InputError, match="there is nobody to count"):
        counted(people().slice(0, 0))


def test_what_cannot_be_computed_stands_once_with_its_reason() -> None:
    [row] = rows(counted(), metric="length_of_stay")
    assert (row["level"], row["area"], row["value"], row["suppressed"]) == ("icb", "all", None, False)
    assert row["reason"] == "not computable: needs the dates of each admission, which the patient table does not have"


def test_a_pack_of_ones_own(listed: Path, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("""
[pack]
id = "own"
version = "1"
extends = "london-2026"
[definition.smokers]
kind = "metric"
title = "Smokers"
source = "ours"
version = "3"
cohort = "frailty_int_segment"
numerator = 'smoking == "current"'
good = "low"
""")
    found = counted(pack=tmp_path / "own.toml", levels=["icb"], group_by=["none"])
    [row] = rows(found, measure="proportion")
    born = pc.cast(people()["date_of_birth"], pa.int32())
    old = people().filter(pc.less_equal(born, (dt.date(1961, 6, 30) - dt.date(1970, 1, 1)).days))
    smokers = sum(s == "current" for s in old["smoking"].to_pylist())
    assert (row["metric"], row["version"], row["cohort"]) == ("smokers", "3", "frailty_int_segment")
    assert (row["numerator"], row["denominator"]) == (smokers, old.num_rows)


def test_files_beside_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A caseload, an earlier scored table, a month of history and a plan, all in one release."""
    pq.write_table(people(), tmp_path / "now.parquet")
    earlier = synthetic.table(6_000, seed=5, as_of=dt.date(2026, 5, 31), practices=6)
    pq.write_table(earlier, tmp_path / "then.parquet")
    (tmp_path / "history").mkdir()
    may = ["--as-of", "2026-05-31", "-q"]
    scored, before = tmp_path / "scored.parquet", tmp_path / "history" / "2026-05.parquet"
    assert run(["score", str(tmp_path / "then.parquet"), "-o", str(scored), *may]) == 0
    assert run(["metrics", str(tmp_path / "then.parquet"), "-o", str(before), "--no-disclosure-control", *may]) == 0
    ids = people()["patient_id"].to_pylist()
    lines = [f"{i},frailty_int,2026-01-05" for i in ids[:100]] + ["999999999,frailty_int,2026-01-05"]
    (tmp_path / "caseload.csv").write_text("\n".join(["patient_id,cohort,start", *lines]))
    (tmp_path / "plan.csv").write_text("metric,level,area,date,value\nfrailty_coded,icb,all,2026-06-30,0.5\n")
    out = tmp_path / "now.metrics.parquet"
    beside = [*("--caseload", tmp_path / "caseload.csv", "--previous", scored), *("--history", tmp_path / "history")]
    asked = [
        "metrics",
        tmp_path / "now.parquet",
        "-o",
        out,
        *EXACT[:-1],
        *beside,
        "--plan",
        tmp_path / "plan.csv",
        "--json",
    ]
    assert run([str(a) for a in asked]) == 0
    notices = json.loads(capsys.readouterr().out)["notices"]
    assert any("1 person on the caseload" in told for told in notices)
    found = pq.read_table(out)
    [on] = rows(found, metric="caseload", cohort="all", level="icb", group_by="none")
    assert (on["numerator"], on["denominator"]) == (100, 6_000)
    [coded] = rows(found, metric="frailty_coded", level="icb", group_by="none", measure="proportion")
    assert coded["previous"] is not None
    assert (coded["target"], coded["trajectory"]) == (0.5, "on" if coded["value"] >= 0.5 else "off")
    moves = rows(found, metric="cvrm_rag", measure="movers", level="icb")
    assert sum(row["numerator"] for row in moves) == moves[0]["denominator"]
    [floor] = rows(found, metric="int_floor", level="place", measure="floor")
    [gap] = rows(found, metric="int_floor_gap", level="place")
    assert gap["value"] == floor["value"] - 100


def test_a_record_beside_controlled_figures_tells_nothing_of_few_people(listed: Path, tmp_path: Path) -> None:
    request = Request(controlled=False)
    scorer = request.scorer("neighbourhood-2026", AS_OF, "direct-care")
    record = run_metrics([listed], tmp_path / "m.parquet", scorer, request)
    record["notices"] += ["practice_code: 3 rows are written in another form", "there is no figure by pcn"]
    found = public(record, scorer.notices)
    assert found["notices"] == [*scorer.notices, "there is no figure by pcn"]
    assert {"groups", "rows", "quality", "recorded", "warnings", "readings", "models", "means"}.isdisjoint(found)
    assert set(found["inputs"][0]) == {"name", "format", "blake3"} or "rows" not in found["inputs"][0]
    assert found["pack"] == record["pack"]
    assert found["metrics"] == record["metrics"]


def test_a_metric_of_adults_has_no_rows_of_children() -> None:
    found = counted(
        metrics=["bmi_over_30", "ltc_0", "frailty_coded"], levels=["icb"], group_by=["age_band", "sex+age_band"]
    )
    for metric, lowest in (("bmi_over_30", "18-39"), ("ltc_0", "0-4"), ("frailty_coded", "65-74")):
        for group_by in ("age_band", "sex+age_band"):
            groups = {
                r["group"].split("+")[-1] for r in rows(found, metric=metric, measure="proportion", group_by=group_by)
            }
            bands = ["0-4", "5-17", "18-39", "40-64", "65-74", "75-84"]
            assert groups & {*bands} == {*bands[bands.index(lowest) :]}


def test_controlled_figures_and_what_they_cost(listed: Path, tmp_path: Path) -> None:
    """Rounded or withheld; the record says what protecting others costs, and that nothing earlier was looked at."""
    out, again = tmp_path / "now" / "m.parquet", tmp_path / "again.parquet"
    out.parent.mkdir()
    few = ["--metric", "bmi_over_30", "--metric", "smi_check", "--as-of", AS_OF, "-q"]
    assert run(["metrics", str(listed), "-o", str(out), *few]) == 0
    record = json.loads(Path(f"{out}.run.json").read_text(encoding="utf-8"))
    assert record["disclosure"]["earlier_releases"] == {"same_day": 0, "months": 0}
    assert any("no earlier releases were given" in told for told in record["notices"])
    cost = {(one["level"], one["group_by"]): one for one in record["disclosure"]["withheld_to_protect_others"]}
    assert cost["practice", "sex"]["withheld"] <= cost["practice", "sex"]["over_7"]
    first = pq.read_table(out)
    for name in ("numerator", "denominator"):
        shown = [n for n in first[name].drop_null().to_pylist() if n is not None]
        assert shown
        assert min(shown) >= 10 or min(shown) == 0
    whole = rows(first, metric="bmi_over_30", measure="proportion")
    assert all(r["numerator"] % 5 == 0 for r in whole if r["numerator"] is not None)
    assert any(r["suppressed"] for r in whole)
    assert run(["metrics", str(listed), "-o", str(again), *few, "--history", str(out.parent)]) == 0
    record = json.loads(Path(f"{again}.run.json").read_text(encoding="utf-8"))
    assert record["disclosure"]["earlier_releases"] == {"same_day": 1, "months": 0}
    assert not any("no earlier releases were given" in told for told in record["notices"])
    second = pq.read_table(again)
    assert second["numerator"].equals(first["numerator"])
    assert second["denominator"].equals(first["denominator"])


def test_a_practice_of_few_people_is_withheld_altogether(listed: Path, tmp_path: Path) -> None:
    list_of = people()
    code = list_of["practice_code"].to_pylist()[0]
    keep = pc.equal(list_of["practice_code"], code).to_pylist()
    few = [i for i, here in enumerate(keep) if here][:6] + [i for i, here in enumerate(keep) if not here]
    pq.write_table(list_of.take(sorted(few)), listed)
    out = tmp_path / "m.parquet"
    assert run(["metrics", str(listed), "-o", str(out), "--metric", "bmi_over_30", "--as-of", AS_OF, "-q"]) == 0
    own = rows(pq.read_table(out), level="practice", area=code)
    assert own
    assert all(r["suppressed"] and r["value"] is None and r["reason"] for r in own if r["measure"] == "proportion")
