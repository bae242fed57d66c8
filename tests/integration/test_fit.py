"""Fitting and recalibrating, from lists and outcomes to packs that score."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat import synthetic
from popstrat.cli import run
from popstrat.core.hashing import hash_file
from popstrat.errors import InputError, PackError
from popstrat.fitting import Columns, fit, recalibrate
from popstrat.packs.load import load_pack
from popstrat.synthetic import _outcomes

AS_OF = dt.date(2026, 6, 30)
STATED = Path(_outcomes.__file__).with_name("outcomes.toml")
PEOPLE = 120_000
STRATA = "strata = { women = 'sex == \"female\"', others = 'sex != \"female\"' }"

SMALL = """
[pack]
id = "small"
version = "1"
title = "A small model"

[definition.risk]
kind = "model"
title = "Risk of an admission, 12 months"
version = "1"
source = "a specification"
intended_use = "A test."
disclaimer = "Synthetic."
eligible = "age >= 18"
link = "survival"
output = true

[definition.risk.inputs]
smoking = { default = "never", why = "the reference" }
emergency_admissions_12m = { default = 0, why = "none on record" }

[[definition.risk.terms]]
id = "age"
title = "Age"
of = "age"
scale = 10
powers = [1, 2]
center = [4.5, 20.25]

[[definition.risk.terms]]
id = "smoking"
title = "Smoking"
of = "smoking"
reference = "never"
levels = ["ex", "current"]

[[definition.risk.terms]]
id = "copd"
title = "COPD"
when = "copd"

[[definition.risk.terms]]
id = "admissions"
title = "Admissions before"
value = "ln(1 + emergency_admissions_12m)"

[[definition.risk.terms]]
id = "old_with_admissions"
title = "Admissions before, by age"
product = ["age.1", "admissions"]

[fit]
model = "risk"
time_column = "days"
event_column = "event"
"""


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(PEOPLE, seed=31, as_of=AS_OF)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stated hazards without the multiplier that no record shows, which no model could find."""
    path = tmp_path_factory.mktemp("truth") / "truth.toml"
    path.write_text(
        f"[pack]\nid = 'truth'\nversion = '1'\nextends = '{STATED}'\n[parameters.unseen_variance]\nvalue = 0\n"
    )
    return path


@pytest.fixture(scope="module")
def files(people: pa.Table, truth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with list.parquet and outcomes.parquet, drawn from the truth."""
    folder = tmp_path_factory.mktemp("files")
    pq.write_table(people, folder / "list.parquet")
    pq.write_table(synthetic.outcomes(people, seed=4, as_of=AS_OF, hazards=truth), folder / "outcomes.parquet")
    return folder


@pytest.fixture
def work(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own that sees the list and the outcomes, and holds small.toml."""
    for name in ("list.parquet", "outcomes.parquet"):
        (tmp_path / name).symlink_to(files / name)
    (tmp_path / "small.toml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def small(old: str = "", new: str = "", more: str = "", name: str = "small.toml") -> str:
    """Write a variant of the small specification."""
    assert old in SMALL
    Path(name).write_text(SMALL.replace(old, new) + more if old else SMALL + more)
    return name


def written(path: str, model: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(Path(path).read_text())["definition"][model]
    return found


# -- fitting finds the truth ------------------------------------------------------------------------------------------


def test_a_cox_model_with_the_true_terms_finds_the_true_coefficients(work: Path, truth: Path) -> None:
    Path("spec.toml").write_text(
        f"[pack]\nid = 'again'\nversion = '1'\nextends = '{truth}'\n"
        "[definition.admission]\nlink = 'survival'\ndecimals = 9\ndisclaimer = 'Synthetic.'\n"
        "[fit]\nmodel = 'admission'\nrefit = true\ntime_column = 'days'\nevent_column = 'event'\ntoo_few = 'drop'\n"
        "holdout = 0\n"
    )
    found = fit("spec.toml", ["list.parquet"], "outcomes.parquet", "again.toml", as_of=AS_OF)
    stated = {t["id"]: t["coefficient"] for t in load_pack(truth).raw["definition"]["admission"]["terms"]}
    off = np.array([(t.coefficient - stated[t.id]) / t.error for t in found.terms if t.error is not None])
    assert len(off) > 30
    assert np.abs(off).max() < 4
    assert 0.85 <= np.mean(np.abs(off) < 1.96) <= 1
    # ln of the yearly hazard is the stated intercept
    (stratum,) = found.strata
    assert np.log(-np.log(stratum.survival[""])) == pytest.approx(-4.233, abs=0.1)
    assert found.figures is not None
    assert found.figures["observed_over_expected"] == pytest.approx(1, abs=0.03)
    assert found.figures["calibration_slope"] == pytest.approx(1, abs=0.03)


def test_what_was_fitted_is_what_is_scored(work: Path, people: pa.Table) -> None:
    found = fit("small.toml", ["list.parquet"], "outcomes.parquet", "fitted.toml", as_of=AS_OF)
    scored = popstrat.score(people, as_of=AS_OF, pack="fitted.toml")
    weights = {t.id: t.coefficient for t in found.terms}
    adults = np.asarray(popstrat.score(people, as_of=AS_OF)["age"].to_numpy()) >= 18
    age = np.asarray(popstrat.score(people, as_of=AS_OF)["age"].to_numpy()) / 10
    before = np.log1p(people["emergency_admissions_12m"].to_numpy())
    smoking = np.array([s or "never" for s in people["smoking"].cast(pa.string()).to_pylist()])
    lp = (
        weights["age.1"] * (age - 4.5)
        + weights["age.2"] * (age**2 - 20.25)
        + weights["smoking.ex"] * (smoking == "ex")
        + weights["smoking.current"] * (smoking == "current")
        + weights["copd"] * people["copd"].to_numpy()
        + weights["admissions"] * before
        + weights["old_with_admissions"] * (age - 4.5) * before
    )
    expected = 1 - found.strata[0].survival[""] ** np.exp(lp)
    risk = np.asarray(scored["risk"].to_numpy())
    assert np.abs(risk[adults] - expected[adults]).max() < 1e-6
    assert np.isnan(risk[~adults]).all()
    assert weights["copd"] > 0.1
    assert weights["smoking.current"] > weights["smoking.ex"]


ALIKE = """[pack]
id = "two"
version = "1"
extends = "fitted.toml"
[definition.second]
like = "risk"
title = "Second"
source = "s"
version = "1"
output = "second"
draft = true
coefficients = { copd = 0.9, "age.1" = -1 }
"""


def test_a_model_like_another_is_fitted_as_if_it_were_written_out(work: Path, people: pa.Table) -> None:
    """Also where the coefficients that it begins with stand in a table of their own."""
    first = fit("small.toml", ["list.parquet"], "outcomes.parquet", "fitted.toml", as_of=AS_OF)
    again = "[fit]\nmodel = 'second'\nrefit = true\ntime_column = 'days'\nevent_column = 'event'\n"
    Path("two.toml").write_text(ALIKE + again)
    second = fit("two.toml", ["list.parquet"], "outcomes.parquet", "again.toml", as_of=AS_OF)
    assert second.terms == first.terms
    assert second.strata == first.strata
    assert "coefficients" not in written("again.toml", "second")
    scored = popstrat.score(people, as_of=AS_OF, pack="again.toml")
    assert scored["second"].equals(scored["risk"])


def test_a_model_like_another_is_recalibrated_alone(work: Path, people: pa.Table) -> None:
    fit("small.toml", ["list.parquet"], "outcomes.parquet", "fitted.toml", as_of=AS_OF)
    Path("two.toml").write_text(ALIKE)
    given: dict[str, Any] = {"as_of": AS_OF, "columns": Columns("admitted_12m"), "allow_missing": True}
    recalibrate(
        "two.toml", "second", ["list.parquet"], "outcomes.parquet", "re.toml", method="intercept-slope", **given
    )
    before, after = (popstrat.score(people, as_of=AS_OF, pack=name) for name in ("two.toml", "re.toml"))
    assert after["risk"].equals(before["risk"])
    assert not after["second"].equals(before["second"])
    assert calibration(people, "re.toml", pq.read_table("outcomes.parquet"), "second") == pytest.approx(
        (1, 1), abs=0.005
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_fit_again(work: Path, threads: int) -> None:
    first = fit("small.toml", ["list.parquet"], "outcomes.parquet", "a.toml", as_of=AS_OF)
    again = fit("small.toml", ["list.parquet"], "outcomes.parquet", "b.toml", as_of=AS_OF, threads=threads)
    assert Path("a.toml").read_bytes() == Path("b.toml").read_bytes()
    assert first.figures == again.figures


def test_a_logistic_model_by_strata_with_lost_follow_up(work: Path, people: pa.Table) -> None:
    small('link = "survival"', f'link = "logistic"\n{STRATA}')
    Path("small.toml").write_text(Path("small.toml").read_text().replace('id = "copd"', 'id = "copd"\nin = ["women"]'))
    found = fit("small.toml", ["list.parquet"], "outcomes.parquet", "fitted.toml", as_of=AS_OF)
    assert [s.name for s in found.strata] == ["women", "others"]
    body = written("fitted.toml", "risk")
    assert set(body["intercept"]) == {"women", "others"}
    copd = next(t for t in body["terms"] if t["id"] == "copd")
    assert set(copd["coefficient"]) == {"women"}
    assert found.figures is not None
    assert found.figures["observed_over_expected"] == pytest.approx(1, abs=0.06)
    risk = popstrat.score(people, as_of=AS_OF, pack="fitted.toml")["risk"]
    assert pc.mean(risk).as_py() == pytest.approx(0.056, abs=0.006)  # people lost count as the others do


def test_a_yes_or_no_is_enough_where_all_were_followed(work: Path) -> None:
    whole = fit("small.toml", ["list.parquet"], "outcomes.parquet", "cox.toml", as_of=AS_OF)
    small('time_column = "days"\nevent_column = "event"', 'column = "admitted_12m"')
    with pytest.raises(
        InputError,
        match=r"list.parquet: [0-9,]+ of [0-9,]+ eligible patients have no outcome in outcomes.parquet.*\(rows",
    ):
        fit("small.toml", ["list.parquet"], "outcomes.parquet", "b.toml", as_of=AS_OF)
    part = fit("small.toml", ["list.parquet"], "outcomes.parquet", "b.toml", as_of=AS_OF, allow_missing=True)
    assert "complementary log-log" in part.method
    for a, b in zip(whole.terms, part.terms, strict=True):
        assert a.coefficient == pytest.approx(b.coefficient, abs=4 * (a.error or 0))


def test_several_horizons(work: Path, people: pa.Table) -> None:
    horizons = 'horizons = [{ id = "m6", title = "6 months" }, { id = "m12", title = "12 months", output = true }]'
    small('link = "survival"', f'link = "survival"\n{horizons}', more="days = { m6 = 182, m12 = 365 }\n")
    fit("small.toml", ["list.parquet"], "outcomes.parquet", "fitted.toml", as_of=AS_OF)
    scored = popstrat.score(people, as_of=AS_OF, pack="fitted.toml")
    # the hazard is constant, so twice the time is a little under twice the risk
    assert 1.8 < pc.mean(scored["risk_m12"]).as_py() / pc.mean(scored["risk"]).as_py() < 2
    small('link = "survival"', f'link = "survival"\n{horizons}', more="days = { m6 = 182, m12 = 500 }\n")
    with pytest.raises(InputError, match="followed for 500 days"):
        fit("small.toml", ["list.parquet"], "outcomes.parquet", "b.toml", as_of=AS_OF)


def test_a_penalty_with_a_bootstrap(work: Path) -> None:
    small(more='penalty = "ridge"\nstrength = 0.001\nbootstrap = 20\n')
    found = fit("small.toml", ["list.parquet"], "outcomes.parquet", "fitted.toml", as_of=AS_OF)
    plain = fit(small(name="p.toml"), ["list.parquet"], "outcomes.parquet", "plain.toml", as_of=AS_OF)
    assert "ridge penalty, its strength as stated" in found.method
    assert found.strata[0].strength == 0.001
    for a, b in zip(found.terms, plain.terms, strict=True):
        assert a.error is not None
        assert a.error < 2 * (b.error or 0)


# -- the pack ---------------------------------------------------------------------------------------------------------


def test_the_pack_tells_how_it_was_made_and_nothing_of_anybody(work: Path, people: pa.Table) -> None:
    found = fit("small.toml", ["list.parquet"], "outcomes.parquet", "fitted.toml", as_of=AS_OF)
    text = Path("fitted.toml").read_text()
    body = written("fitted.toml", "risk")
    made = body["provenance"]
    assert made["people"] % 5 == made["events"] % 5 == 0
    assert made["list"][0]["sha256"] == hash_file(Path("list.parquet"))
    assert made["specification"]["name"] == "small.toml"
    assert made["as_of"] == AS_OF
    assert made["held_out"]["share"] == 0.2
    assert {t["id"] for t in made["terms"]} == {t.id for t in found.terms}
    assert body["evidence"] == "derived"
    assert body["source"].startswith("fitted on ")
    assert len(body["reference_patients"]) >= 3
    assert "fit" not in tomllib.loads(text)
    assert not any(str(i) in text for i in people["patient_id"].to_pylist())
    assert str(work) not in text
    Path("fitted.toml").write_text(text.replace('title = "COPD"', 'title = "Copd"'))
    with pytest.raises(PackError, match="not what was sealed"):
        load_pack("fitted.toml")


def test_reference_patients_are_nobodys_rows(work: Path, people: pa.Table) -> None:
    fit("small.toml", ["list.parquet"], "outcomes.parquet", "fitted.toml", as_of=AS_OF)
    rows = written("fitted.toml", "risk")["reference_patients"]
    assert all(r["title"].startswith("made up") for r in rows)
    ages = np.asarray(popstrat.score(people, as_of=AS_OF)["age"].to_numpy())
    adults = ages[ages >= 18]
    low, middle, high = np.quantile(adults, [0.1, 0.5, 0.9])
    assert {r["patient"]["age"] for r in rows} == {round(low), round(middle), round(high)}


def test_a_pack_is_never_changed_in_place(work: Path) -> None:
    fit("small.toml", ["list.parquet"], "outcomes.parquet", "fitted.toml", as_of=AS_OF)
    before = Path("fitted.toml").read_bytes()
    fit("small.toml", ["list.parquet"], "outcomes.parquet", "fitted.toml", as_of=AS_OF)  # a re-run
    assert Path("fitted.toml").read_bytes() == before
    with pytest.raises(InputError, match="never changed in place"):
        fit("small.toml", ["list.parquet"], "outcomes.parquet", "small.toml", as_of=AS_OF)
    with pytest.raises(InputError, match="nowhere: there is no such folder"):
        fit("small.toml", ["list.parquet"], "outcomes.parquet", "nowhere/fitted.toml", as_of=AS_OF)
    Path("other.toml").write_text("[pack]\nid = 'other'\nversion = '1'\n")
    with pytest.raises(InputError, match="no record says what made it; give --force"):
        fit("small.toml", ["list.parquet"], "outcomes.parquet", "other.toml", as_of=AS_OF)
    assert Path("fitted.toml").read_bytes() == before
    small('version = "1"\ntitle = "A small', 'version = "2"\ntitle = "A small')
    with pytest.raises(InputError, match=r"was made by fit as of .* with pack small 1; give --force"):
        fit("small.toml", ["list.parquet"], "outcomes.parquet", "fitted.toml", as_of=AS_OF)
    fit("small.toml", ["list.parquet"], "outcomes.parquet", "fitted.toml", as_of=AS_OF, force=True)
    assert load_pack("fitted.toml").version == "2"


def test_expected_signs_and_orders(work: Path) -> None:
    more = 'signs = { copd = "-", smoking = "+" }\nmonotone = [["smoking.current", "smoking.ex"]]\n'
    small(more=more)
    found = fit("small.toml", ["list.parquet"], "outcomes.parquet", "fitted.toml", as_of=AS_OF)
    assert any("copd is" in w and "below 0 was expected" in w for w in found.warnings)
    assert any("smoking.ex is" in w and "other order" in w for w in found.warnings)
    assert written("fitted.toml", "risk")["provenance"]["warnings"] == list(found.warnings)
    small(more=more + "strict = true\n")
    with pytest.raises(InputError, match="strict"):
        fit("small.toml", ["list.parquet"], "outcomes.parquet", "b.toml", as_of=AS_OF)
    assert not Path("b.toml").exists()


def test_terms_that_too_few_have(work: Path) -> None:
    term = "[[definition.risk.terms]]\nid = 'rare'\ntitle = 'Rare'\nwhen = 'cystic_fibrosis and copd'\n\n[fit]\n"
    small("[fit]\n", term)
    with pytest.raises(InputError, match=r"term 'rare' (rests on fewer than 10|is the same)"):
        fit("small.toml", ["list.parquet"], "outcomes.parquet", "b.toml", as_of=AS_OF)
    small("[fit]\n", f'{term}too_few = "drop"\n')
    found = fit("small.toml", ["list.parquet"], "outcomes.parquet", "b.toml", as_of=AS_OF)
    (rare,) = [t for t in found.terms if t.id == "rare"]
    assert rare.coefficient == 0
    assert rare.note
    assert written("b.toml", "risk")["terms"][-1]["coefficient"] == 0


# -- recalibration ----------------------------------------------------------------------------------------------------


def calibration(people: pa.Table, pack: str, outcome: pa.Table, model: str = "admission_risk") -> tuple[float, float]:
    """Observed over expected and the slope, of people followed to the end, by statsmodels."""
    import statsmodels.api as sm

    risk = np.asarray(popstrat.score(people, as_of=AS_OF, pack=pack)[model].to_numpy())
    event = np.asarray(outcome["admitted_12m"].cast(pa.float64()).to_numpy())
    known = ~np.isnan(risk) & ~np.isnan(event)
    risk, event = np.clip(risk[known], 1e-9, 1 - 1e-6), event[known]
    lp = np.log(-np.log1p(-risk))
    family = sm.families.Binomial(sm.families.links.CLogLog())
    fitted = sm.GLM(event, sm.add_constant(lp), family=family).fit()
    return event.sum() / risk.sum(), float(fitted.params[1])


def test_recalibration_brings_slope_and_ratio_to_one(work: Path, people: pa.Table) -> None:
    outcome = pq.read_table("outcomes.parquet")
    ratio, slope = calibration(people, "london-2026", outcome)
    assert abs(slope - 1) > 0.1
    given: dict[str, Any] = {"as_of": AS_OF, "columns": Columns("admitted_12m"), "allow_missing": True}
    for method in ("intercept", "intercept-slope", "baseline"):
        name = f"{method}.toml"
        recalibrate("london-2026", "admission_risk", ["list.parquet"], "outcomes.parquet", name, method=method, **given)
        again, stretched = calibration(people, name, outcome)
        assert again == pytest.approx(1, abs=1e-4)
        assert stretched == pytest.approx(1 if method == "intercept-slope" else slope, abs=0.005)
    assert ratio != pytest.approx(1, abs=0.01)
    both = recalibrate(
        "intercept.toml", "admission_risk", ["list.parquet"], "outcomes.parquet", "twice.toml",
        method="intercept-slope", **given,
    )  # fmt: skip
    assert calibration(people, "twice.toml", outcome) == pytest.approx((1, 1), abs=0.005)
    assert both.pack.id == "london-2026-recalibrated"
    once = written("intercept-slope.toml", "admission_risk")["recalibration"]
    assert written("twice.toml", "admission_risk")["recalibration"] == pytest.approx(once, abs=1e-4)


def test_recalibration_with_lost_follow_up_and_strata(work: Path, people: pa.Table) -> None:
    small('link = "survival"', f'link = "survival"\n{STRATA}')
    fit("small.toml", ["list.parquet"], "outcomes.parquet", "base.toml", as_of=AS_OF)
    body = written("base.toml", "risk")
    text = Path("base.toml").read_text().split("[[definition.risk.reference_patients]]")[0]
    for s in body["baseline_survival"].values():
        text = text.replace(repr(s), repr(s**1.7))
    lines = [line for line in text.splitlines() if not line.startswith("seal")]
    wrong = "\n".join(lines).replace("[definition.risk]\n", "[definition.risk]\ndraft = true\n", 1)
    Path("wrong.toml").write_text(wrong)
    found = recalibrate(
        "wrong.toml", "risk", ["list.parquet"], "outcomes.parquet", "right.toml", method="baseline", as_of=AS_OF,
        columns=Columns(None, "days", "event"),
    )  # fmt: skip
    again = written("right.toml", "risk")["baseline_survival"]
    assert again == pytest.approx(body["baseline_survival"], abs=0.002)
    assert found.before is not None
    assert found.after is not None
    assert found.before["observed_over_expected"] == pytest.approx(1 / 1.7, abs=0.05)
    assert found.after["observed_over_expected"] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("model", "method", "days", "told"),
    [
        ("admission_risk", "slope", 365, "there is no method 'slope'"),
        ("admision_risk", "intercept", 365, "did you mean 'admission_risk'"),
        ("admission_risk", "intercept", 400, "nobody is followed for 400 days"),
        ("admission_risk", "intercept", {"m24": 400}, "there is no horizon 'm24'"),
    ],
)
def test_recalibrations_that_cannot_be(work: Path, model: str, method: str, days: Any, told: str) -> None:
    with pytest.raises((InputError, PackError), match=told):
        recalibrate(
            "london-2026", model, ["list.parquet"], "outcomes.parquet", "b.toml", method=method, as_of=AS_OF, days=days,
            columns=Columns(None, "days", "event"),
        )  # fmt: skip
    assert not Path("b.toml").exists()


def test_a_model_that_points_the_other_way_is_refused(work: Path, people: pa.Table) -> None:
    risk = np.nan_to_num(popstrat.score(people, as_of=AS_OF)["admission_risk"].to_numpy())
    upside_down = np.random.default_rng(0).random(len(risk)) < 0.1 * (1 - risk) ** 8
    pq.write_table(pa.table({"patient_id": people["patient_id"], "y": upside_down}), "odd.parquet")
    with pytest.raises(InputError, match="does not go with more events"):
        recalibrate(
            "london-2026", "admission_risk", ["list.parquet"], "odd.parquet", "b.toml", method="intercept-slope",
            as_of=AS_OF, columns=Columns("y"),
        )  # fmt: skip


# -- doubts about the list and the period ------------------------------------------------------------------------------


def doubtful(people: pa.Table) -> str:
    """A list without smoking, and with blood pressures a tenth of themselves."""
    table = people.drop_columns(["smoking"])
    bp = pc.cast(pc.divide(pc.cast(table["systolic_bp"], pa.float64()), 10), pa.int32(), safe=False)
    pq.write_table(table.set_column(table.schema.get_field_index("systolic_bp"), "systolic_bp", bp), "doubtful.parquet")
    return "doubtful.parquet"


def test_what_scoring_would_warn_of_is_said_and_kept(
    work: Path, people: pa.Table, capsys: pytest.CaptureFixture[str]
) -> None:
    listed, later = doubtful(people), "2026-12-31"
    assert run(["score", listed, "-o", "s.parquet", "--as-of", later, "--quiet"]) == 0
    wanted = json.loads(Path("s.parquet.run.json").read_text())["warnings"]
    assert len(wanted) >= 4
    out = ["--outcome", "outcomes.parquet", "--time-column", "days", "--event-column", "event", "--as-of", later]
    again = ["recalibrate", listed, *out, "--model", "admission_risk", "--method", "intercept"]
    assert run([*again, "-o", "r.toml"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    kept = written("r.toml", "admission_risk")["provenance"]["warnings"]
    Path("refit.toml").write_text(
        "[pack]\nid = 'again'\nversion = '1'\ntitle = 'Again'\nextends = 'london-2026'\n[definition.admission_risk]\n"
        "intended_use = 'A test.'\n[fit]\nmodel = 'admission_risk'\nrefit = true\npenalty = 'ridge'\nstrength = 0.01\n"
        "too_few = 'drop'\n"
    )
    assert run(["fit", "refit.toml", listed, *out, "-o", "f.toml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"][: len(kept)] == kept
    assert written("f.toml", "admission_risk")["provenance"]["warnings"][: len(kept)] == kept
    late, *others = kept  # which scoring has no reason to say
    assert late.startswith("--as-of 2026-12-31 is 18")
    for mine, theirs in zip(others, wanted, strict=True):
        assert re.sub("[0-9,]+ values", "values", mine) == re.sub("[0-9,]+ values", "values", theirs)
        assert all(int(n.replace(",", "")) % 5 == 0 for n in re.findall("([0-9,]+) values", mine))
        assert f"! {mine}" in printed
    assert any("is this extract stale?" in w for w in kept)
    assert any("everybody takes the model's default for smoking" in w for w in kept)
    assert any(w.startswith("systolic_bp: ") and "set aside" in w for w in kept)


@pytest.mark.parametrize("command", ["fit", "recalibrate"])
def test_the_day_of_the_list_must_be_said(work: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"fit": ["small.toml", "list.parquet"], "recalibrate": ["list.parquet", "--model", "m", "--method", "x"]}
    assert run([command, *given[command], "--outcome", "outcomes.parquet", "-o", "b.toml"]) == 2
    assert "--as-of is needed: the date of the list" in capsys.readouterr().err


def test_a_method_that_there_is_not(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--outcome", "outcomes.parquet", "-o", "b.toml", "--as-of", "2026-06-30", "--column", "admitted_12m"]
    assert run(["recalibrate", "list.parquet", *out, "--model", "admission_risk", "--method", "slope"]) == 2
    assert capsys.readouterr().err == (
        "error: there is no method 'slope'; it is one of intercept, intercept-slope, baseline\n"
    )


def test_the_outcomes_period_is_held_against_the_models(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["recalibrate", "list.parquet", "--outcome", "outcomes.parquet", "--time-column", "days"]
    given += ["--event-column", "event", "--model", "admission_risk", "--method", "intercept", "--as-of", "2026-06-30"]
    assert run([*given, "-o", "a.toml"]) == 0
    printed = capsys.readouterr().out
    assert "The outcome is by day 365, as the model's risk is over '12 months'" in printed
    assert "these periods differ" not in printed
    assert run([*given, "--days", "180", "-o", "b.toml"]) == 0
    assert "! the outcome is by day 180, and the model's risk is over '12 months': these periods differ" in " ".join(
        capsys.readouterr().out.split()
    )
    assert "warnings" in written("b.toml", "admission_risk")["provenance"]


def test_recalibration_at_one_of_several_horizons(work: Path, people: pa.Table) -> None:
    horizons = 'horizons = [{ id = "m6", title = "6 months" }, { id = "m12", title = "12 months", output = true }]'
    with pytest.raises(PackError, match="from the shortest to the longest"):
        fit(
            small('link = "survival"', f'link = "survival"\n{horizons}', more="days = { m6 = 365, m12 = 182 }\n"),
            ["list.parquet"], "outcomes.parquet", "two.toml", as_of=AS_OF,
        )  # fmt: skip
    small('link = "survival"', f'link = "survival"\n{horizons}', more="days = { m6 = 182, m12 = 365 }\n")
    fit("small.toml", ["list.parquet"], "outcomes.parquet", "two.toml", as_of=AS_OF)

    def again(method: str, days: Any, output: str) -> Any:
        return recalibrate(
            "two.toml", "risk", ["list.parquet"], "outcomes.parquet", output, method=method, as_of=AS_OF, days=days,
            columns=Columns(None, "days", "event"),
        )  # fmt: skip

    for wrong in (None, 365, {"": 365}):
        with pytest.raises(InputError, match="the model has the horizons m6, m12: say which"):
            again("intercept", wrong, "b.toml")
    with pytest.raises(InputError, match="fits at one horizon"):
        again("intercept", {"m6": 182, "m12": 365}, "b.toml")
    for days in ({"m6": 365, "m12": 182}, {"m6": 365, "m12": 365}):
        with pytest.raises(InputError, match="the horizon 'm12' comes after 'm6' in the model"):
            again("baseline", days, "b.toml")
    assert not Path("b.toml").exists()
    for name, days in (("m6", 182), ("m12", 365)):
        found = again("intercept", {name: days}, f"{name}.toml")
        # fitted on these people to these outcomes, so that there is next to nothing to shift at either
        assert found.strata[0].intercept == pytest.approx(0, abs=0.02)
        assert found.after["observed_over_expected"] == pytest.approx(1, abs=1e-3)
        assert (
            f"by day {days}, as the model's risk is over '{'6' if name == 'm6' else '12'} months' (horizon {name})"
            in found.period
        )
        assert found.warnings == ()
    both = again("baseline", {"m6": 182, "m12": 365}, "both.toml")
    assert both.strata[0].survival["m6"] > both.strata[0].survival["m12"]


# -- what is refused --------------------------------------------------------------------------------------------------


def outcome_file(people: pa.Table, **columns: Any) -> str:
    base = {"patient_id": people["patient_id"]}
    pq.write_table(pa.table({**base, **columns}), "odd.parquet")
    return "odd.parquet"


def flags(rate: float = 0.1) -> np.ndarray:
    return np.random.default_rng(1).random(PEOPLE) < rate


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"y": np.zeros(PEOPLE, bool)}, "odd.parquet: column 'y': is constant: nobody has the outcome"),
        ({"y": np.ones(PEOPLE, bool)}, "odd.parquet: column 'y': is constant: everybody has the outcome"),
        ({"y": np.where(flags(), -2, 0)}, r"column 'y': true, false, 1 or 0, or a count is needed \(rows"),
        ({"y": np.where(flags(), "yes", "perhaps")}, r"column 'y': true, false, 1 or 0, or a count is needed \(rows"),
        ({"z": flags()}, "odd.parquet: column 'y': is missing"),
        (
            {"y": pa.array(flags(), mask=flags(0.3))},
            r"list.parquet: [0-9,]+ of [0-9,]+ eligible patients have no outcome in odd.parquet.*\(rows",
        ),
    ],
)
def test_outcomes_that_will_not_do(work: Path, people: pa.Table, columns: dict[str, Any], told: str) -> None:
    small('time_column = "days"\nevent_column = "event"', 'column = "y"')
    with pytest.raises(InputError, match=told):
        fit("small.toml", ["list.parquet"], outcome_file(people, **columns), "b.toml", as_of=AS_OF)
    assert not Path("b.toml").exists()


@pytest.mark.parametrize(
    ("days", "told"), [(-3, "a time may not be negative or infinite"), (1e9, "a time may not be over 36,525 days")]
)
def test_times_that_will_not_do(work: Path, people: pa.Table, days: float, told: str) -> None:
    times = np.full(PEOPLE, 300.0)
    times[[5, 9]] = days
    with pytest.raises(InputError, match=rf"column 'days': {told}.* \(rows 6, 10\)"):
        fit("small.toml", ["list.parquet"], outcome_file(people, days=times, event=flags()), "b.toml", as_of=AS_OF)


def test_validate_and_recalibrate_read_outcomes_alike(
    work: Path, people: pa.Table, capsys: pytest.CaptureFixture[str]
) -> None:
    """Day 0 and counts are taken by both, and what is wrong is said by both in the same words."""
    assert run(["score", "list.parquet", "-o", "s.parquet", "--as-of", "2026-06-30", "--quiet"]) == 0
    good = np.where(flags(), 3, 0)
    days, event = np.where(flags(), 0.0, 365.5), flags()
    eligible = np.flatnonzero(pc.is_valid(pq.read_table("s.parquet")["admission_risk"]).to_numpy())
    gap = np.isin(np.arange(PEOPLE), eligible[[2, 9]])
    again = ["recalibrate", "list.parquet", "--model", "admission_risk", "--method", "intercept", "--quiet"]
    commands = (
        ["validate", "s.parquet", "-o", "v", "--bootstrap", "0", "--quiet"],
        [*again, "--as-of", "2026-06-30", "-o", "b.toml"],
    )

    def both(**columns: Any) -> list[str]:
        outcome_file(people, **columns)
        timed = ["--time-column", "days", "--event-column", "event"] if "days" in columns else []
        given = ["--outcome", "odd.parquet", *timed, *(["--column", "y"] if "y" in columns else [])]
        told = []
        Path("b.toml").unlink(missing_ok=True)
        for command in commands:
            assert run([*command, *given]) in (0, 2)
            told.append(capsys.readouterr().err)
        return told

    assert both(y=good) == ["", ""]
    assert both(days=days, event=event) == ["", ""]
    assert both(days=days, event=event, y=good) == ["", ""]
    for columns in (
        {"y": np.where(flags(), 1.5, 0)},
        {"y": np.zeros(PEOPLE, int)},
        {"y": np.ones(PEOPLE, int)},
        {"days": days - 1, "event": event},
        {"days": days, "event": np.zeros(PEOPLE, bool)},
        {"days": days, "event": event, "y": ~event},
    ):
        first, second = both(**columns)
        assert first.startswith("error: odd.parquet: column '")
        assert first == second
    for told in both(y=pa.array(good, mask=gap)):
        assert f"(rows {eligible[2] + 1:,}, {eligible[9] + 1:,})" in told
    for text, told in (("patient_id,y\n", "has no rows"), ("", "is empty (0 bytes)")):
        Path("odd.csv").write_text(text)
        Path("b.toml").unlink(missing_ok=True)
        for command in commands:
            assert run([*command, "--outcome", "odd.csv", "--column", "y"]) == 2
            assert capsys.readouterr().err == f"error: odd.csv: {told}\n"


def test_missing_outcomes_are_counted_within_the_file_they_are_in(work: Path, people: pa.Table) -> None:
    small('time_column = "days"\nevent_column = "event"', 'column = "y"')
    pq.write_table(people.slice(0, 1000), "a.parquet")
    pq.write_table(people.slice(1000), "b.parquet")
    adults = np.flatnonzero(pc.is_valid(popstrat.score(people, as_of=AS_OF)["admission_risk"]).to_numpy())
    late = adults[adults > 5000][:2]
    y = pa.array(flags(), mask=np.isin(np.arange(PEOPLE), late))
    with pytest.raises(InputError, match=rf"b.parquet: 2 of .*\(rows {late[0] - 999:,}, {late[1] - 999:,}\)"):
        fit("small.toml", ["a.parquet", "b.parquet"], outcome_file(people, y=y), "b.toml", as_of=AS_OF)


def test_who_opted_out_is_left_out(work: Path, people: pa.Table) -> None:
    out = pc.or_(people["type1_opt_out"], people["national_data_opt_out"])
    given: dict[str, Any] = {"as_of": AS_OF, "profile": "secondary-use"}
    with pytest.raises(InputError, match=f"{pc.sum(out).as_py():,} of 120,000 patients are not on the list"):
        fit("small.toml", ["list.parquet"], "outcomes.parquet", "a.toml", **given)
    found = fit("small.toml", ["list.parquet"], "outcomes.parquet", "a.toml", allow_unknown=True, **given)
    pq.write_table(people.filter(pc.invert(out)), "rest.parquet")
    rest = fit("small.toml", ["rest.parquet"], "outcomes.parquet", "b.toml", as_of=AS_OF, allow_unknown=True)
    assert [t.coefficient for t in found.terms] == [t.coefficient for t in rest.terms]
    assert found.counts["opted_out"] == pc.sum(out).as_py()


def test_outcomes_of_strangers_and_twins(work: Path, people: pa.Table) -> None:
    small('time_column = "days"\nevent_column = "event"', 'column = "y"')
    known = pa.table({"patient_id": people["patient_id"], "y": flags()})
    stranger = pa.table({"patient_id": pa.array([9_990_000_000], pa.int64()), "y": [True]})
    pq.write_table(pa.concat_tables([known, stranger]), "more.parquet")
    with pytest.raises(InputError, match=r"1 of 120,001 patients are not on the list.*--allow-unknown") as caught:
        fit("small.toml", ["list.parquet"], "more.parquet", "b.toml", as_of=AS_OF)
    assert "9990000000" not in str(caught.value)
    found = fit("small.toml", ["list.parquet"], "more.parquet", "b.toml", as_of=AS_OF, allow_unknown=True)
    assert found.counts["unknown"] == 1
    pq.write_table(pa.concat_tables([known, known.slice(3, 1)]), "twice.parquet")
    with pytest.raises(InputError, match="row 120,001 repeats row 4"):
        fit("small.toml", ["list.parquet"], "twice.parquet", "c.toml", as_of=AS_OF)
    pq.write_table(stranger, "other.parquet")
    with pytest.raises(InputError, match="is it the right file"):
        fit("small.toml", ["list.parquet"], "other.parquet", "c.toml", as_of=AS_OF)


def test_text_ids_and_csv_work_as_well(work: Path, people: pa.Table) -> None:
    import pyarrow.csv as pa_csv

    outcome = pq.read_table("outcomes.parquet").select(["patient_id", "days", "event"])
    pa_csv.write_csv(outcome, "outcomes.csv")
    a = fit("small.toml", ["list.parquet"], "outcomes.csv", "a.toml", as_of=AS_OF)
    b = fit("small.toml", ["list.parquet"], "outcomes.parquet", "b.toml", as_of=AS_OF)
    assert [t.coefficient for t in a.terms] == pytest.approx([t.coefficient for t in b.terms], rel=1e-6)


def test_terms_that_determine_each_other(work: Path) -> None:
    term = "[[definition.risk.terms]]\nid = 'no_copd'\ntitle = 'No COPD'\nwhen = 'not copd'\n\n[fit]\n"
    small("[fit]\n", term)
    with pytest.raises(InputError, match="the terms 'copd', 'no_copd' determine each other"):
        fit("small.toml", ["list.parquet"], "outcomes.parquet", "b.toml", as_of=AS_OF)


def test_too_few_events_for_the_terms(work: Path, people: pa.Table) -> None:
    pq.write_table(people.slice(0, 6_000), "few.parquet")
    small(more="min_events_per_term = 100\n")
    with pytest.raises(InputError, match=r"for 7 terms are \d+\.\d a term; \[fit\] asks for 100"):
        fit("small.toml", ["few.parquet"], "outcomes.parquet", "b.toml", as_of=AS_OF, allow_unknown=True)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[fit]\n", "[fits]\n", "fits"),
        ('model = "risk"', 'model = "risc"', "did you mean 'risk'"),
        ('model = "risk"', 'model = "risk"\npenalties = "ridge"', "did you mean 'penalty'"),
        ('model = "risk"', 'model = "risk"\npenalty = "ridgee"', "did you mean 'ridge'"),
        ('model = "risk"', 'model = "risk"\nsigns = { cold = "+" }', "no term 'cold'.*did you mean 'copd'"),
        ('model = "risk"', 'model = "risk"\nholdout = 1', "a share from 0"),
        ('model = "risk"', 'model = "risk"\nmin_events = 3', "at least 8"),
        ('when = "copd"', 'when = "copd"\ncoefficient = 0.2', "has a coefficient already"),
        ('when = "copd"', 'when = "copdd"', "did you mean 'copd'"),
        ('intended_use = "A test."\n', "", "needs `intended_use`"),
        ('link = "survival"', 'link = "logistic"\nbaseline_survival = 0.9', "has no baseline survival"),
        ('link = "survival"', 'link = "identity"', 'is "logistic" or "survival"'),
        ('time_column = "days"\nevent_column = "event"\n', "", "what is the outcome"),
        ('event_column = "event"\n', "", "go together"),
    ],
)
def test_specifications_that_will_not_do(work: Path, old: str, new: str, told: str) -> None:
    small(old, new)
    with pytest.raises((InputError, PackError), match=told):
        fit("small.toml", ["list.parquet"], "outcomes.parquet", "b.toml", as_of=AS_OF)
    assert not Path("b.toml").exists()


# -- the commands -----------------------------------------------------------------------------------------------------


def test_the_commands(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["list.parquet", "--outcome", "outcomes.parquet", "--as-of", "2026-06-30"]
    assert run(["fit", "small.toml", *given, "-o", "fitted.toml"]) == 0
    out = capsys.readouterr().out
    assert "Cox regression" in out
    assert "smoking.current" in out
    assert "people kept aside" in out
    assert "AUROC" in out
    assert run(["fit", "small.toml", *given, "-o", "outcomes.toml"]) == 0
    Path("outcomes.toml").write_text("not a pack")
    capsys.readouterr()
    assert run(["fit", "small.toml", *given, "-o", "outcomes.toml"]) == 2
    assert "give --force to replace it" in capsys.readouterr().err
    assert run(["fit", "small.toml", *given, "-o", "other.toml", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counts"]["list"] == PEOPLE
    assert told["strata"][0]["events"] % 5 == 0
    again = ["recalibrate", *given, "--pack", "fitted.toml", "--model", "risk", "--time-column", "days"]
    assert run([*again, "--event-column", "event", "--method", "intercept-slope", "-o", "again.toml"]) == 0
    assert "calibration slope" in capsys.readouterr().out
    assert load_pack("again.toml").raw["pack"]["extends"] == "fitted.toml"
    assert run(["packs", "check", "again.toml", "--as-of", "2026-06-30"]) == 0
    assert run(["packs", "diff", "fitted.toml", "again.toml", "--data", "list.parquet", "--as-of", "2026-06-30"]) == 0
    told_diff = capsys.readouterr().out
    assert "recalibration" in told_diff
    assert "risk" in told_diff
    for method in ([], ["--method", "intercept", "--days", "a year"]):
        assert run([*again, "--event-column", "event", "-o", "c.toml", *method]) == 2
    assert not Path("c.toml").exists()


def test_a_pack_in_another_folder_is_found_again(work: Path) -> None:
    Path("packs").mkdir()
    Path("results").mkdir()
    spec = Path("packs/small.toml")
    Path("packs/base.toml").write_text("[pack]\nid = 'base'\nversion = '1'\n[parameters.old]\nvalue = 65\n")
    spec.write_text(SMALL.replace('title = "A small model"', 'title = "A small model"\nextends = "base.toml"'))
    found = fit(spec, ["list.parquet"], "outcomes.parquet", "results/fitted.toml", as_of=AS_OF)
    assert found.pack.raw["pack"]["extends"] == "../packs/base.toml"
    assert found.pack.raw["parameters"]["old"]["value"] == 65


@pytest.mark.parametrize("missing", ["glum", "tomlkit"])
def test_without_the_extra_it_says_what_to_install(
    work: Path, missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    given = ["--outcome", "outcomes.parquet", "--as-of", "2026-06-30"]
    assert run(["fit", "small.toml", "list.parquet", *given, "-o", "b.toml"]) == 2
    assert 'pip install "popstrat[fit]"' in capsys.readouterr().err
    model = ["--model", "admission_risk", "--method", "intercept", "--column", "admitted_12m"]
    assert run(["recalibrate", "list.parquet", *given, *model, "-o", "b.toml"]) == 2
    assert 'pip install "popstrat[fit]"' in capsys.readouterr().err
    assert not Path("b.toml").exists()


def test_the_specification_of_the_documentation(work: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "fit.md"
    (text,) = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    Path("spec.toml").write_text(text.replace("[fit]\n", '[fit]\ntoo_few = "drop"\n'))
    found = fit("spec.toml", ["list.parquet"], "outcomes.parquet", "ours.toml", as_of=AS_OF)
    assert found.pack.id == "our-admission"
    assert found.figures is not None
    assert found.figures["auroc"] > 0.65


# -- what a reader is told ---------------------------------------------------------------------------------------------


def test_why_there_is_no_interval(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["fit", "small.toml", "list.parquet", "--outcome", "outcomes.parquet", "--as-of", "2026-06-30"]
    assert run([*base, "-o", "plain.toml"]) == 0
    assert "Coefficients with a penalty" not in capsys.readouterr().out
    small(more='penalty = "ridge"\nstrength = 0.001\n')
    assert run([*base, "-o", "ridge.toml"]) == 0
    assert "Coefficients with a penalty have no interval" in capsys.readouterr().out


def test_a_list_that_is_a_year_older_than_said(work: Path) -> None:
    """The word "stale" alone does not say what is wrong with the fit."""
    given: dict[str, Any] = {"columns": Columns("admitted_12m"), "allow_missing": True, "method": "intercept"}

    def warned(as_of: dt.date, output: str) -> list[str]:
        found = recalibrate(
            "london-2026", "admission_risk", ["list.parquet"], "outcomes.parquet", output, as_of=as_of, **given
        )
        return [w for w in found.warnings if "after the newest record on the list" in w]

    (told,) = warned(dt.date(2027, 6, 30), "late.toml")
    assert told.startswith("--as-of 2027-06-30 is 36")
    assert "outcomes are counted from a day that is not the list's" in told
    assert warned(AS_OF, "right.toml") == []


def test_the_ids_of_the_outcomes_under_another_name(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit("small.toml", ["list.parquet"], "outcomes.parquet", "a.toml", as_of=AS_OF)
    outcomes = pq.read_table("outcomes.parquet")
    names = ["key" if n == "patient_id" else n for n in outcomes.column_names]
    pq.write_table(outcomes.rename_columns(names), "renamed.parquet")
    base = [
        "fit",
        "small.toml",
        "list.parquet",
        "--outcome",
        "renamed.parquet",
        "--as-of",
        "2026-06-30",
        "-o",
        "b.toml",
        "-q",
    ]
    assert run(base) == 2
    assert "--outcome-id says which column holds the ids" in capsys.readouterr().err
    assert run([*base, "--outcome-id", "key"]) == 0
    a, b = (popstrat.load_pack(name).at(AS_OF).models["risk"].terms for name in ("a.toml", "b.toml"))
    assert [t.parts[0][1] for t in a if t.parts[0]] == [t.parts[0][1] for t in b if t.parts[0]]
