"""The columns of a file, resolved: ``[[column]]`` and ``[[ended]]`` against what one upload has to offer.

What would not come out right in a file is refused here: a column that is not there, a label without its text or code,
a text that the file's encoding lacks, an id that would give the lookup away.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.packs import snomed
from popstrat.packs.patient_table import ID
from popstrat.packs.phrases import words
from popstrat.packs.sentences import DRIVERS, GROUPS
from popstrat.upload.templates.dialect import DATE_FORMATS, Dialect, format_date, refuse_unwritable, safe_text
from popstrat.upload.templates.settings import Settings
from popstrat.upload.templates.sources import (
    BIRTH,
    CHANGE,
    CHANGES,
    FLAG_LABELS,
    NHS_NUMBER,
    PREVIOUS,
    ScoredColumn,
)
from popstrat.upload.templates.template import Template
from popstrat.upload.templates.toml_file import Fault

OMIT = "omit"
_FLAGS_IN_WORDS = ("no", "yes")


@dataclass(frozen=True)
class FileColumn:
    """One column of a file. ``source`` is where its values come from ("" for a ``constant``).

    ``texts`` has the cell's text for each label (None: such a patient is left out), for False and True of a flag, or
    for each kind of change.
    """

    name: str
    source: str
    constant: str = ""
    role: str = "text"  # a Role, "constant", "nhs_number", "date", "change"
    texts: tuple[str | None, ...] = ()
    decimals: int | None = None
    date_format: str = "yyyy-mm-dd"
    null: str = ""
    identifier: bool = False  # digits that a spreadsheet must not touch
    coded: bool = False

    @property
    def scored(self) -> bool:
        """Whether it comes from the scored table alone."""
        return self.role in ("key", "practice", "label", "flag", "number", "text") and self.source != PREVIOUS


@dataclass(frozen=True)
class Offer:
    """What the columns of one upload may come from, and how they are to be written."""

    template: Template
    settings: Settings
    dialect: Dialect
    scored: Mapping[str, ScoredColumn]
    group: ScoredColumn | None  # whose labels say who moved
    run_values: Mapping[str, Any]
    lookup: bool
    previous: bool
    in_words: bool = False
    """Whether labels and flags are written in words where a column does not say how."""

    def fault(self, entry: str, problem: str) -> InputError:
        return Fault(self.template.name)(entry, problem)

    def about(self, entry: str) -> Callable[[str], InputError]:
        """Makes the errors about one entry."""
        return lambda problem: self.fault(entry, problem)


def run_values(template: Template, pack: Mapping[str, Any], as_of: dt.date) -> dict[str, Any]:
    """What is the same in every row, by the name that a template has for it."""
    return {
        "run.as_of": as_of,
        "run.pack": pack["id"],
        "run.pack_version": pack["version"],
        "run.template": template.head["id"],
    }


def unknown_column(name: str, scored: Mapping[str, ScoredColumn], values: Mapping[str, Any]) -> str:
    """What is wrong with a name that is no source."""
    if name in (*GROUPS, DRIVERS):
        return f"the scored table has no column {name!r}: `popstrat score --reasons` writes it"
    known = [*scored, NHS_NUMBER, BIRTH, CHANGE, PREVIOUS, *values]
    return f"the scored table has no column {name!r}{suggest(name, known)}"


def resolve_columns(raw: Sequence[Mapping[str, Any]], table: str, offer: Offer) -> tuple[FileColumn, ...]:
    """The columns of ``[[column]]`` or ``[[ended]]`` (``table``). Raises `InputError` naming the column at fault."""
    columns = [
        _column(c, table, offer)
        for c in raw
        if not (c.get("optional") and str(c.get("from", "")).startswith("movers.") and not offer.previous)
    ]
    sources = [c.source for c in columns]
    if table in offer.template.raw and columns:
        ids = [s for s in (NHS_NUMBER, ID) if s in sources]
        if not ids:
            raise offer.fault(f"[[{table}]]", f"needs a column from {NHS_NUMBER} or {ID}: whose row is it?")
        if len(ids) == 2:
            raise offer.fault(f"[[{table}]]", f"has both {NHS_NUMBER} and {ID}: the file would give away the lookup")
        for source in ids:
            if sources.count(source) > 1:
                raise offer.fault(f"[[{table}]]", f"has {source} twice")
    for column in columns:
        fault = offer.about(f"[[{table}]] {column.name}")
        refuse_unwritable(column.name, offer.dialect, fault)
        for text in (*column.texts, column.constant, column.null):
            if text:
                refuse_unwritable(text, offer.dialect, fault)
    return tuple(columns)


_WITHOUT = "--template pseudonymous-csv writes keys and needs none"


def _column(raw: Mapping[str, Any], table: str, offer: Offer) -> FileColumn:
    name = raw["name"]
    entry = f"[[{table}]] {name}"
    if "constant" in raw:
        _only(raw, entry, "constant", {"text"}, offer)
        text = _safe(raw["constant"], entry, offer)
        return FileColumn(name, "", constant=text, role="constant", identifier=bool(raw.get("text")))
    source = raw["from"]
    null = _safe(raw.get("null", ""), entry, offer)
    date_format = raw.get("date_format", offer.template.raw["file"].get("date_format", "yyyy-mm-dd"))
    if date_format not in DATE_FORMATS:
        raise offer.fault(entry, f"date_format is one of {', '.join(DATE_FORMATS)}")
    if source in (NHS_NUMBER, BIRTH):
        if not offer.lookup:
            raise offer.fault(entry, f"comes from {source}, which needs --lookup; {_WITHOUT}")
        if source == NHS_NUMBER:
            _only(raw, entry, source, set(), offer)
            return FileColumn(name, source, role="nhs_number", identifier=True)
        _only(raw, entry, source, {"date_format"}, offer)
        return FileColumn(name, source, role="date", date_format=date_format)
    if source in (CHANGE, PREVIOUS):
        return _from_movers(raw, entry, source, null, offer)
    if source in offer.run_values:
        _only(raw, entry, source, {"date_format"}, offer)
        value = offer.run_values[source]
        text = format_date(value, date_format) if isinstance(value, dt.date) else str(value)
        return FileColumn(name, source, constant=_safe(text, entry, offer), role="constant")
    column = offer.scored.get(source)
    if column is None:
        raise offer.fault(entry, unknown_column(source, offer.scored, offer.run_values))
    return _from_scored(raw, entry, column, null, offer)


def _from_movers(raw: Mapping[str, Any], entry: str, source: str, null: str, offer: Offer) -> FileColumn:
    if not offer.previous:
        raise offer.fault(entry, f"comes from {source}, which needs --previous (or optional = true)")
    if offer.group is None:
        raise offer.fault(entry, f"comes from {source}, which needs [movers] column")
    if source == CHANGE:
        _only(raw, entry, source, {"values"}, offer)
        return FileColumn(raw["name"], source, role="change", texts=_texts(raw, entry, CHANGES, offer))
    _only(raw, entry, source, {"values", "snomed", "null"}, offer)
    texts, coded = _label_texts(raw, entry, offer.group, offer)
    return FileColumn(raw["name"], source, role="label", texts=texts, null=null, identifier=_is_code(raw), coded=coded)


def _from_scored(raw: Mapping[str, Any], entry: str, column: ScoredColumn, null: str, offer: Offer) -> FileColumn:
    name, source = raw["name"], column.name
    match column.role:
        case "key":
            _only(raw, entry, source, set(), offer)
            return FileColumn(name, source, role="key", identifier=True)
        case "practice":
            _only(raw, entry, source, set(), offer)
            return FileColumn(name, source, role="practice")
        case "label":
            _only(raw, entry, source, {"values", "snomed", "null"}, offer)
            texts, coded = _label_texts(raw, entry, column, offer)
            return FileColumn(name, source, role="label", texts=texts, null=null, identifier=_is_code(raw), coded=coded)
        case "flag":
            _only(raw, entry, source, {"values", "snomed", "null"}, offer)
            texts, coded = _label_texts(raw, entry, column, offer)
            return FileColumn(name, source, role="flag", texts=texts, null=null, identifier=_is_code(raw), coded=coded)
        case "number":
            _only(raw, entry, source, {"decimals", "null", "text"}, offer)
            decimals = raw.get("decimals")
            if decimals is not None and (isinstance(decimals, bool) or decimals not in range(10)):
                raise offer.fault(entry, "decimals is a whole number from 0 to 9")
            quoted = bool(raw.get("text"))
            return FileColumn(name, source, role="number", decimals=decimals, null=null, identifier=quoted)
        case "other":
            raise offer.fault(entry, f"{source} holds lists or other values that are not one text for one cell")
    _only(raw, entry, source, {"null", "text"}, offer)
    return FileColumn(name, source, role="text", null=null, identifier=bool(raw.get("text")))


def _only(raw: Mapping[str, Any], entry: str, source: str, allowed: set[str], offer: Offer) -> None:
    for key in raw:
        if key not in {"name", "from", "constant", "optional", *allowed}:
            raise offer.fault(entry, f"{key} does nothing for {source}")


def _safe(text: str, entry: str, offer: Offer) -> str:
    return safe_text(text, offer.dialect, offer.about(entry))


def _is_code(raw: Mapping[str, Any]) -> bool:
    return raw.get("snomed") == "code"


# -- a text for each label ---------------------------------------------------------------------------------------------


def _texts(raw: Mapping[str, Any], entry: str, labels: Sequence[str], offer: Offer) -> tuple[str | None, ...]:
    """The text of each label: its own, or what ``values`` says, which must then name every one."""
    values = raw.get("values")
    if values is None:
        if offer.in_words:
            labels = _FLAGS_IN_WORDS if tuple(labels) == FLAG_LABELS else [words(label) for label in labels]
        return tuple(_safe(label, entry, offer) for label in labels)
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise offer.fault(entry, "values is a table of texts: label = 'text'")
    odd = next((v for v in values if v not in labels), None)
    if odd is not None:
        raise offer.fault(entry, f"values has {odd!r}, which is not a label{suggest(odd, labels)}")
    lacks = [label for label in labels if label not in values]
    if lacks:
        raise offer.fault(entry, f"values lacks {', '.join(lacks)}")
    return tuple(_safe(values[label], entry, offer) for label in labels)


def _label_texts(
    raw: Mapping[str, Any], entry: str, column: ScoredColumn, offer: Offer
) -> tuple[tuple[str | None, ...], bool]:
    """The text of each label, and whether it is a SNOMED CT code or its term."""
    part = raw.get("snomed")
    if part is None:
        return _texts(raw, entry, column.labels, offer), False
    if part not in ("code", "term"):
        raise offer.fault(entry, "snomed is 'code' or 'term'")
    if "values" in raw:
        raise offer.fault(entry, "has both snomed and values")
    texts = [None if code is None else code[part] for code in _codes(column, entry, offer)]
    return tuple(None if text is None else _safe(text, entry, offer) for text in texts), True


def _codes(column: ScoredColumn, entry: str, offer: Offer) -> list[dict[str, str] | None]:
    """Code and term of every label of a column, from the settings; None for one that is not uploaded.

    Of a flag it is enough to give one for true: who is not in a cohort is not uploaded.
    """
    settings = offer.settings
    given = settings.codes.get(column.name)
    if given is None:
        near = suggest(column.name, settings.codes)
        raise offer.fault(
            entry,
            f"needs SNOMED CT codes for the labels of {column.name}: give --settings with a table "
            f"[snomed.{column.name}]{near}",
        )
    if column.role == "flag":
        given = {FLAG_LABELS[0]: OMIT, **given}
    section = f"[snomed.{column.name}]"
    fault = Fault(settings.name)
    odd = next((label for label in given if label not in column.labels), None)
    if odd is not None:
        raise fault(f"{section} {odd}", f"is not a label of {column.name}{suggest(odd, column.labels)}")
    lacks = [label for label in column.labels if label not in given]
    if lacks:
        raise fault(section, f'lacks a code for {", ".join(lacks)} (write "omit" not to upload a group)')
    if all(given[label] == OMIT for label in column.labels):
        raise fault(section, "omits every group: nobody would be uploaded")
    found: list[dict[str, str] | None] = []
    for label in column.labels:
        value = given[label]
        if value == OMIT:
            found.append(None)
            continue
        at = f"{section} {label}"
        if not isinstance(value, dict) or set(value) != {"code", "term"}:
            raise fault(at, 'needs { code = "…", term = "…" } or "omit"')
        code, term = value["code"], value["term"]
        if not isinstance(code, str) or not isinstance(term, str):
            raise fault(at, "code and term are text, in quotes: a number may lose digits")
        wrong = snomed.problem(code)
        if wrong:
            raise fault(at, f"{code!r} is not a SNOMED CT code: it {wrong}")
        if not term.strip():
            raise fault(at, "has no term")
        if any(c is not None and c["code"] == code for c in found):
            raise fault(at, "has the same code as another group")
        found.append({"code": code, "term": term})
    return found
