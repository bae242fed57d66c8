"""What is counted of the files of an extract, by name: what becomes of such a row, and in what words it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Effect = Literal["row", "value", "note"]
"""The row is no part of the record; the cell counts as empty; or neither, and it is worth knowing."""


class Counted(NamedTuple):
    """What is counted: what becomes of it, and a sentence for people."""

    effect: Effect
    told: str


ROWS: Mapping[str, Counted] = {
    "superseded": Counted("row", "a later file has the row again (if the layout names a `row_id`)"),
    "no_patient_id": Counted("row", "the row has no patient id"),
    "unknown_patient": Counted("row", "no patient has the row's patient id"),
    "merged_patient": Counted("note", "the id was merged into another; its row among the patients is set aside, "
                                      "and its other rows belong to the other id"),
    "impossible_date": Counted("value", "the date is before 1900, not in the calendar, or not a date"),
    "year_only": Counted("note", "only the year is known, so its first day is used"),
    "month_only": Counted("note", "only the month is known, so its first day is used"),
    "no_code": Counted("value", "the row has no code"),
    "not_a_code": Counted("value", "the code is not a SNOMED CT or dm+d code (6 to 18 digits, the first not 0)"),
    "not_in_lookup": Counted("value", "a local code or an organisation is not in the file where it is looked up"),
    "another_kind": Counted("value", "the activity is not one of the four kinds"),
    "comparator": Counted(
        "note",
        "the value has a comparator: >90 is read as just above 90 (the next 32-bit float; 91 in a column of whole "
        "numbers)",
    ),
    "pair": Counted("note", "the cell has two values, such as 128/76"),
    "decimal_comma": Counted("note", "the value has a decimal comma"),
    "text_value": Counted("value", "the value is text, not a number (1,200 may be 1200 or 1.2)"),
}  # fmt: skip
"""Of the rows of every table, beside the reasons that a layout names. Of a date that is not ``date`` they have its name
after them: ``impossible_date_of_birth``, ``year_only_date_of_birth``."""

PEOPLE: Mapping[str, Mapping[str, Counted]] = {
    "patients": {
        "repeated": Counted("row", "a patient's row is repeated, the same in every column"),
    },
    "registrations": {
        "unknown_patient": ROWS["unknown_patient"],
        "without_start": Counted("row", "the registration has no start date"),
        "without_practice": Counted("row", "the registration has no practice"),
        "ends_before_start": Counted("row", "the registration ends before it starts"),
        "repeated": Counted("row", "the registration is repeated, the same in every column"),
        "overlapping": Counted("note", "the registration starts before an earlier one of the patient has ended"),
        "several_at_as_of": Counted("note", "patients with several registrations at the as-of date; one is used"),
        "death_before_registration": Counted("note", "the patient died before the registration started"),
    },
    "people": {
        "not_registered": Counted("row", "patients who are alive and not registered at the as-of date"),
        "dead": Counted("row", "patients who had died by the as-of date"),
        "without_birth_date": Counted("note", "people without a date of birth"),
    },
}
"""What `popstrat.deriving.people.read_people` counts beside, by table; ``people`` are those on the list."""


def counted(table: str, reason: str) -> Counted | None:
    """What a reason of a table's counts means; None for one that a layout names (whose rows are set aside)."""
    own = PEOPLE.get(table, {})
    known = own.get(reason) or ROWS.get(reason)
    if known is not None:
        return known
    if reason.startswith("impossible_"):
        return ROWS["impossible_date"]
    return next((ROWS[w] for w in ("year_only", "month_only") if reason.startswith(f"{w}_")), None)
