"""The file that says who of a practice was left out, why, and what can be done, by key alone; and its read-me."""

from __future__ import annotations

from collections.abc import Mapping

from popstrat.packs.patient_table import ID
from popstrat.upload.csv_text import header
from popstrat.upload.identify import REASONS
from popstrat.upload.templates.columns import FileColumn
from popstrat.upload.templates.dialect import Dialect, format_date
from popstrat.upload.templates.layout import Layout

REASON, REMEDY = "reason", "what you can do"
COLUMNS = (FileColumn("patient_id", ID), FileColumn("reason", REASON), FileColumn("what_you_can_do", REMEDY))
"""All are text: quoted, and no formula for a spreadsheet."""
DIALECT = Dialect(quoting="all")
HEADER = header(COLUMNS, DIALECT)
EARLIER = COLUMNS[:2]
"""The columns of files that release 0.1 made."""

_LOOKUP = "ask whoever keeps the lookup to mend it"
REMEDIES: Mapping[str, str] = dict(
    zip(
        REASONS,
        (
            f"{_LOOKUP}: it has no row for this key; a patient who has just registered is there next month",
            f"{_LOOKUP}: it has several rows for this key, one of which may be old",
            "look whether the patient's record has an NHS number; trace it on the Personal Demographics Service",
            "correct the NHS number in the patient's record: its check digit is wrong, or it is a placeholder",
            f"look whether the patient has two records, to be merged; else {_LOOKUP}: two keys have one NHS number",
            "nothing, if the patient has died; else correct the date of death or the registration",
            "nothing, if the patient has left; else correct the registration",
            f"look whether the registration is complete; else {_LOOKUP}: it does not say",
            "nothing, if the patient has moved: the new practice has them next month; else correct the registration",
            f"compare the date of birth in the patient's record with the Personal Demographics Service; else {_LOOKUP}",
            "enter the date of birth in the patient's record",
            f"look whether the NHS number was corrected this month; if not, {_LOOKUP} before anything is sent",
        ),
        strict=True,
    )
)
"""What the practice can do about somebody who was left out, by reason."""


def exceptions_name(layout: Layout, code: str) -> str:
    """The name of the file of a practice."""
    return f"{code}_{layout.as_of.isoformat()}_exceptions.csv"


def read_me_name(layout: Layout, code: str) -> str:
    """The name of what explains it."""
    return f"{code}_{layout.as_of.isoformat()}_exceptions_read_me.txt"


def read_me(layout: Layout, code: str, counts: Mapping[str, int]) -> bytes:
    """What explains the file of a practice: what it is, how many were left out for which reason, and what to do."""
    people = sum(counts.values())
    who = f"1 person of practice {code} is" if people == 1 else f"{people:,} people of practice {code} are"
    lines = [
        exceptions_name(layout, code),
        "",
        f"{who} not in the files of {format_date(layout.as_of, 'dd/mm/yyyy')}, because it was not sure who",
        "they are, or whether they are yours. Nobody has been taken off any register.",
        "",
        "Each has a row with the key under which the list was scored (patient_id), the reason, and what you can do.",
        "It has no NHS numbers. The person who keeps the lookup of keys can say whose key it is.",
    ]
    for reason, count in counts.items():
        lines += ["", f"{reason}: {count:,}", f"  {REMEDIES[reason]}"]
    lines += ["", "What you correct in the record is in next month's list.", ""]
    return "\r\n".join(lines).encode()
