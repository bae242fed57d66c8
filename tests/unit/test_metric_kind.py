"""The kind `metric`: what it refuses and where it points, what its page and an explanation say, what differs."""

from __future__ import annotations

import datetime as dt
import io

import pyarrow as pa
import pytest
from rich.console import Console
from spec_tables import local_pack

from popstrat.errors import PackError
from popstrat.packs.differences import changes
from popstrat.packs.load import load_pack
from popstrat.pages import explain
from popstrat.pages.catalogue import markdown
from popstrat.reasons.trace import counted, trace
from popstrat.scoring.pack_check import examine
from popstrat.scoring.scorer import Scorer

HEAD = '[definition.m]\nkind = "metric"\ntitle = "M"\nmeans = "m"\nsource = "s"\nversion = "1"\n'


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('numerator = "ckd"', "needs `good`, the direction that is good: high, low, none"),
        ('numerator = "ckd"\ngood = "up"', "needs `good`, the direction that is good: high, low, none"),
        ('good = "low"', "needs `numerator`, an expression in quotes"),
        ('numerator = "egfr"\ngood = "low"', "a condition is needed here, and this is a number"),
        ('numerator = "smoking"\ngood = "low"\nper = 1000', "`numerator` is a condition or a number of events"),
        ('numerator = "ckdd"\ngood = "low"', "unknown word 'ckdd'"),
        ('numerator = "ckd"\ndenominator = "egfr"\ngood = "low"', "a condition is needed here, and this is a number"),
        ('numerator = "ckd"\ncohort = "age >= 18"\ngood = "low"', "`cohort` is the name of a condition"),
        ('numerator = "ckd"\ngood = "low"\nper = 100', "`per` is 1000, or not given for a share"),
        ('numerator = "ckd"\ngood = "low"\ntarget = 80', "`target` is a number from 0 to 1"),
        ('numerator = "ckd"\ngood = "low"\ntarget = -1\nper = 1000', "`target` is a number of 0 or more"),
        ('numerator = "ckd"\ngood = "low"\nmeasure = "ratio"', "`measure` is one of proportion, rate_per_1000, floor"),
        ('numerator = "ckd"\ngood = "low"\nmeasure = "floor"\nper = 1000', "a floor is not `per` 1000"),
        ('numerator = "ckd"\ngood = "low"\noutput = true', "a metric writes no column: it has no `output`"),
        ('numerator = "ckd"\ngood = "low"\nnot_computable = "x"', "what is not computable has no `numerator`"),
        ('good = "low"\nnot_computable = ""', "`not_computable` is the reason, as text"),
        ('numerator = "ckd"\ngood = "low"\nnumber = 1', "number"),
    ],
)  # fmt: skip
def test_faults_point_at_their_place(body: str, told: str) -> None:
    with pytest.raises(PackError) as error:
        local_pack(HEAD + body + "\n").at(dt.date(2026, 6, 30))
    assert told in str(error.value)
    assert "local.toml:" in str(error.value)


def patient(**values: object) -> pa.Table:
    row = {"patient_id": 1, "practice_code": "Y90001", "age": 60, "sex": "male"} | values
    return pa.table({k: [v] for k, v in row.items()})


def explained(table: pa.Table) -> str:
    console = Console(file=io.StringIO(), width=200)
    explain.show(trace(Scorer("neighbourhood-2026", "2026-06-30", besides=counted), table), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_an_explanation_says_who_is_counted_and_why() -> None:
    found = explained(patient(bmi=31.0, ckd=True, ae_attendances_12m=3))
    over = found[found.index("BMI over 30 ") :].splitlines()
    assert over[0].split()[-1] == "yes"
    assert any("counted" in line and "31" in line for line in over[:4])
    assert "Frailty coded" not in found  # of people of 65 and over
    assert "A&E attendances per 1,000" in found


def test_a_page_says_what_is_counted_and_what_is_not() -> None:
    page = markdown(load_pack("neighbourhood-2026"))
    section = page[page.index("BMI over 30, frailty cohort") :]
    assert "`bmi > 30`" in page
    assert "none; counted by area" in section
    assert "Not computable from a patient table: comes from a survey, not from the record" in page
    assert "neither high nor low" in page


def test_the_built_in_pack_has_no_fault() -> None:
    report = examine("neighbourhood-2026")
    assert report.warnings == ()
    assert "bmi_over_30" not in report.outputs


def test_what_differs_is_told() -> None:
    one = local_pack(HEAD + 'numerator = "ckd"\ngood = "low"\n')
    other = local_pack(HEAD + 'numerator = "ckd"\ndenominator = "age >= 18"\ngood = "high"\ntarget = 0.5\n')
    told = " | ".join(change.text for change in changes(one, other))
    assert "denominator: none → `age >= 18`" in told
    assert "good low → high" in told
    assert "target not set → 0.5" in told


def test_no_column_is_written() -> None:
    plain, with_metrics = Scorer("london-2026", "2026-06-30"), Scorer("neighbourhood-2026", "2026-06-30")
    assert plain.output_schema.equals(with_metrics.output_schema)
    assert plain.columns == with_metrics.columns
