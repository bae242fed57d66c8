"""Templates: what an upload file looks like, as data (TOML), and the local settings that fill in its codes.

`load_template` reads the text, `bind` puts it together with a scored table's columns and the settings. Whatever could
go wrong in a file because of its template is refused there, before anything is read or written: an unknown column, a
label without its code, a code that is not one, a character that the file's encoding lacks, a name that would collide.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.lang import nodes as n
from popstrat.upload import snomed

NHS_NUMBER, BIRTH = "lookup.nhs_number", "lookup.date_of_birth"
CHANGE, PREVIOUS = "movers.change", "movers.previous"
KEY, PRACTICE = "patient_id", "practice_code"
CHANGES = ("new", "up", "down", "unchanged")
OMIT = "omit"
STATUSES = ("registered", "deducted", "deceased")
BIRTHS_KNOWN_TO = ("day", "month", "year")

ENCODINGS = {"utf-8": "utf-8", "utf-8-sig": "utf-8-sig", "cp1252": "cp1252"}
LINE_ENDS = {"crlf": "\r\n", "lf": "\n"}
DELIMITERS = (",", ";", "\t", "|")
QUOTING = ("minimal", "text", "all")
DATE_FORMATS = {
    "yyyy-mm-dd": "{0:%Y}-{0:%m}-{0:%d}", "dd/mm/yyyy": "{0:%d}/{0:%m}/{0:%Y}", "dd-mmm-yyyy": "{0:%d}-{month}-{0:%Y}",
    "yyyymmdd": "{0:%Y}{0:%m}{0:%d}", "dd.mm.yyyy": "{0:%d}.{0:%m}.{0:%Y}",
}  # fmt: skip
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
EXCEL = ("none", "apostrophe", "formula")
FORMULAS = ("neutralise", "refuse")
FORMULA_SIGNS = "=+-@"

_TABLES = {
    "template": {"id", "version", "title", "notes", "local_confirmation"},
    "file": {
        "name", "ended_name", "encoding", "line_end", "delimiter", "quoting", "date_format", "excel_text", "formulas",
        "max_rows",
    },
    "patients": {"which", "where"},
    "movers": {"column", "most_severe"},
}  # fmt: skip
_COLUMN_KEYS = {
    "name", "from", "constant", "snomed", "values", "decimals", "date_format", "null", "text", "optional",
}  # fmt: skip
_SETTINGS = {"snomed", "lookup", "limits"}
_PLACEHOLDERS = ("practice", "template", "as_of", "part")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_{][A-Za-z0-9_.{}-]{0,120}\.(csv|txt)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Role = Literal["key", "practice", "label", "flag", "number", "text", "other"]


@dataclass(frozen=True)
class ScoredColumn:
    """A column of a scored table: what it holds, and for labels which, in the order of the pack."""

    name: str
    role: Role
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
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
class Dialect:
    """How a file is written."""

    encoding: str = "utf-8"
    line_end: str = "\r\n"
    delimiter: str = ","
    quoting: str = "minimal"
    excel_text: str = "none"
    formulas: str = "neutralise"


@dataclass(frozen=True)
class Settings:
    """The local settings: SNOMED CT codes by column and label, the lookup's own names, and limits."""

    codes: Mapping[str, Mapping[str, Any]]
    lookup_columns: Mapping[str, str]
    lookup_status: Mapping[str, str]
    excluded: float = 0.1
    overlap: float = 0.5
    births: str = "day"  # to what the dates of birth were known that the ages were scored from
    name: str = "settings"
    sha256: str | None = None


@dataclass(frozen=True)
class Template:
    """A template as written."""

    raw: Mapping[str, Any]
    name: str
    sha256: str

    @property
    def head(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.raw["template"]
        return found

    def wants(self, source: str) -> bool:
        """Whether a column that is not optional comes from there."""
        columns = [*self.raw["column"], *self.raw.get("ended", ())]
        return any(c.get("from") == source and not c.get("optional") for c in columns)

    @property
    def identifies(self) -> bool:
        """Whether its files say who a patient is."""
        columns = [*self.raw["column"], *self.raw.get("ended", ())]
        return any(str(c.get("from", "")).startswith("lookup.") for c in columns)


@dataclass(frozen=True)
class Bound:
    """A template for one upload: every cell settled."""

    template: Template
    dialect: Dialect
    columns: tuple[Cell, ...]
    ended: tuple[Cell, ...]
    pattern: str
    ended_pattern: str
    max_rows: int
    changed_only: bool
    where: n.Node | None
    where_columns: tuple[str, ...]
    group: ScoredColumn | None
    most_severe_first: bool
    as_of: dt.date

    @property
    def omitted(self) -> frozenset[tuple[str, int | None]]:
        """(column, label's place; None for no label): patients whose coded group is not uploaded."""
        found: set[tuple[str, int | None]] = set()
        for cell in self.columns:
            if cell.coded and cell.role == "label":
                found.add((cell.source, None))
                found |= {(cell.source, i) for i, text in enumerate(cell.texts) if text is None}
        return frozenset(found)

    def file_name(self, practice: str, part: int, *, ended: bool = False) -> str:
        pattern = self.ended_pattern if ended else self.pattern
        return pattern.format(
            practice=practice, template=self.template.head["id"], as_of=self.as_of.isoformat(), part=part
        )


# -- reading -----------------------------------------------------------------------------------------------------


@cache
def builtin_templates() -> tuple[str, ...]:
    """Names of the templates that ship with popstrat."""
    folder = resources.files("popstrat.templates")
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def _toml(path: Path, what: str) -> tuple[dict[str, Any], bytes]:
    try:
        raw = path.read_bytes()
        return tomllib.loads(raw.decode("utf-8-sig")), raw
    except FileNotFoundError:
        raise InputError(f"there is no such {what}", file=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except UnicodeDecodeError:
        raise InputError("is not in UTF-8", file=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is not valid TOML: {error}", file=str(path)) from None


def load_template(name: str | Path) -> Template:
    """A template by built-in name or by the path of a TOML file. Raises `InputError` naming the key at fault."""
    text = str(name)
    if text in builtin_templates():
        raw = resources.files("popstrat.templates").joinpath(f"{text}.toml").read_bytes()
        return _template(tomllib.loads(raw.decode()), raw, f"{text}.toml")
    path = Path(name)
    if path.suffix != ".toml" and not path.exists():
        known = builtin_templates()
        raise InputError(
            f"there is no template {text!r}{suggest(text, known)}; built in: {', '.join(known)}; or give a .toml file"
        )
    content, raw = _toml(path, "template")
    return _template(content, raw, path.name)


def _template(content: dict[str, Any], raw: bytes, name: str) -> Template:
    fail = _Fail(name)
    for table in content:
        if table not in (*_TABLES, "column", "ended"):
            raise fail(f"[{table}]", f"unknown table{suggest(table, [*_TABLES, 'column', 'ended'])}")
    for table, keys in _TABLES.items():
        found = content.get(table, {})
        if not isinstance(found, dict):
            raise fail(table, f"is a table, written [{table}]")
        for key in found:
            if key not in keys:
                raise fail(f"[{table}] {key}", f"unknown key{suggest(key, keys)}")
    head = content.get("template", {})
    for key in ("id", "version", "title"):
        if not isinstance(head.get(key), str):
            raise fail("[template]", f"needs {key}, as text")
    if not _ID.fullmatch(head["id"]):
        raise fail("[template] id", "is small letters, digits and hyphens")
    if "name" not in content.get("file", {}):
        raise fail("[file]", "needs name, a pattern such as '{practice}_{as_of}.csv'")
    for table in ("column", "ended"):
        _check_cells(content.get(table, []), table, fail)
    if not content.get("column"):
        raise fail("[[column]]", "there is no column")
    if content.get("ended") and "column" not in content.get("movers", {}):
        raise fail("[[ended]]", "needs [movers] column: which column's changes end an entry")
    return Template(content, name, hashlib.sha256(raw).hexdigest())


def _check_cells(cells: Any, table: str, fail: _Fail) -> None:
    if not isinstance(cells, list) or not all(isinstance(c, dict) for c in cells):
        raise fail(table, f"columns are tables headed [[{table}]], in double brackets")
    names: list[str] = []
    for i, cell in enumerate(cells, 1):
        where = f"[[{table}]] {cell.get('name', i)}"
        for key in cell:
            if key not in _COLUMN_KEYS:
                raise fail(where, f"unknown key {key!r}{suggest(key, _COLUMN_KEYS)}")
        if not isinstance(cell.get("name"), str) or not cell["name"]:
            raise fail(where, "needs a name")
        if ("from" in cell) == ("constant" in cell):
            raise fail(where, "needs either from or constant")
        for key in ("from", "constant", "null", "date_format"):
            if not isinstance(cell.get(key, ""), str):
                raise fail(where, f"{key} is text, in quotes")
        for key in ("text", "optional"):
            if not isinstance(cell.get(key, False), bool):
                raise fail(where, f"{key} is true or false")
        names.append(cell["name"])
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise fail(f"[[{table}]] {twice}", "is there twice")


def load_settings(path: Path | None) -> Settings:
    """The settings file, or none. Raises `InputError` naming the key at fault."""
    if path is None:
        return Settings({}, {}, {})
    content, raw = _toml(path, "settings file")
    fail = _Fail(path.name)
    for table in content:
        if table not in _SETTINGS or not isinstance(content[table], dict):
            raise fail(f"[{table}]", f"unknown table{suggest(table, _SETTINGS)}")
    codes = content.get("snomed", {})
    for column, labels in codes.items():
        if not isinstance(labels, dict):
            raise fail(f"[snomed] {column}", f"is a table, written [snomed.{column}]")
    lookup, limits = content.get("lookup", {}), content.get("limits", {})
    for key in lookup:
        if key != "scored_births" and (key not in ("columns", "status") or not isinstance(lookup[key], dict)):
            raise fail(f"[lookup] {key}", "unknown; there are scored_births, [lookup.columns] and [lookup.status]")
    births = lookup.get("scored_births", Settings.births)
    if births not in BIRTHS_KNOWN_TO:
        raise fail("[lookup] scored_births", f"is one of {', '.join(BIRTHS_KNOWN_TO)}")
    known = ("patient_id", "nhs_number", "practice_code", "date_of_birth", "registration_status")
    columns = lookup.get("columns", {})
    for ours, theirs in columns.items():
        if ours not in known:
            raise fail(f"[lookup.columns] {ours}", f"a lookup has no such column{suggest(ours, known)}")
        if not isinstance(theirs, str):
            raise fail(f"[lookup.columns] {ours}", "needs the name of one column, in quotes")
    status = lookup.get("status", {})
    for theirs, ours in status.items():
        if ours not in STATUSES:
            raise fail(f"[lookup.status] {theirs}", f"is one of {', '.join(STATUSES)}")
    for key, value in limits.items():
        if key not in ("excluded", "overlap"):
            raise fail(f"[limits] {key}", "unknown; there are excluded and overlap")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise fail(f"[limits] {key}", "is a share from 0 to 1")
    return Settings(
        codes,
        columns,
        {str(k): str(v) for k, v in status.items()},
        float(limits.get("excluded", Settings.excluded)),
        float(limits.get("overlap", Settings.overlap)),
        births,
        path.name,
        hashlib.sha256(raw).hexdigest(),
    )


class _Fail:
    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, where: str, problem: str) -> InputError:
        return InputError(f"{where}: {problem}", file=self.name)


# -- settling ----------------------------------------------------------------------------------------------------


def bind(
    template: Template,
    settings: Settings,
    scored: Mapping[str, ScoredColumn],
    *,
    as_of: dt.date,
    pack: Mapping[str, Any],
    lookup: bool,
    previous: bool,
) -> Bound:
    """The template for one upload. Raises `InputError` for whatever would not come out right."""
    return _Binder(template, settings, scored, as_of, pack, lookup, previous).bind()


@dataclass
class _Binder:
    template: Template
    settings: Settings
    scored: Mapping[str, ScoredColumn]
    as_of: dt.date
    pack: Mapping[str, Any]
    lookup: bool
    previous: bool

    def __post_init__(self) -> None:
        self.fail = _Fail(self.template.name)
        raw = self.template.raw
        self.file: Mapping[str, Any] = raw["file"]
        self.movers: Mapping[str, Any] = raw.get("movers", {})
        self.group = self._group()

    def bind(self) -> Bound:
        raw = self.template.raw
        dialect = self._dialect()
        columns = self._cells(raw["column"], "column", dialect)
        ended = self._cells(raw.get("ended", []), "ended", dialect) if self.previous else ()
        ids = [{c.role for c in cells if c.role in ("key", "nhs_number")} for cells in (columns, ended) if cells]
        if len(ids) == 2 and ids[0] != ids[1]:
            raise self.fail("[[ended]]", "has another id than [[column]]: the files would give away the lookup")
        max_rows = self.file.get("max_rows", 0)
        if isinstance(max_rows, bool) or not isinstance(max_rows, int) or max_rows < 0:
            raise self.fail("[file] max_rows", "is a whole number; 0 for no limit")
        pattern = self._pattern("name", max_rows)
        ended_pattern = self._pattern("ended_name", max_rows) if raw.get("ended") else ""
        if ended_pattern == pattern:
            raise self.fail("[file] ended_name", "is the same as name")
        which = raw.get("patients", {}).get("which", "all")
        if which not in ("all", "changed"):
            raise self.fail("[patients] which", "is 'all' or 'changed'")
        if which == "changed" and not self.previous:
            raise self.fail("[patients] which", "is 'changed', which needs --previous")
        if self.previous and self.group is None:
            raise self.fail("[movers]", "needs column, the groups whose changes --previous is for")
        where, used = self._where(raw.get("patients", {}).get("where"))
        return Bound(
            template=self.template,
            dialect=dialect,
            columns=columns,
            ended=ended,
            pattern=pattern,
            ended_pattern=ended_pattern,
            max_rows=max_rows,
            changed_only=which == "changed",
            where=where,
            where_columns=used,
            group=self.group,
            most_severe_first=self._severity(),
            as_of=self.as_of,
        )

    def _choice(self, key: str, known: Collection[str], default: str) -> str:
        found = self.file.get(key, default)
        if not isinstance(found, str) or found not in known:
            shown = ", ".join(repr(k) for k in known)
            raise self.fail(f"[file] {key}", f"is one of {shown}")
        return found

    def _dialect(self) -> Dialect:
        return Dialect(
            encoding=ENCODINGS[self._choice("encoding", ENCODINGS, "utf-8")],
            line_end=LINE_ENDS[self._choice("line_end", LINE_ENDS, "crlf")],
            delimiter=self._choice("delimiter", DELIMITERS, ","),
            quoting=self._choice("quoting", QUOTING, "minimal"),
            excel_text=self._choice("excel_text", EXCEL, "none"),
            formulas=self._choice("formulas", FORMULAS, "neutralise"),
        )

    def _group(self) -> ScoredColumn | None:
        name = self.movers.get("column")
        if name is None:
            return None
        found = self.scored.get(name)
        if found is None:
            raise self.fail("[movers] column", self._unknown(str(name)))
        if found.role != "label":
            raise self.fail("[movers] column", f"{name} has no labels")
        return found

    def _severity(self) -> bool:
        found = self.movers.get("most_severe", "first")
        if found not in ("first", "last"):
            raise self.fail("[movers] most_severe", "is 'first' or 'last': which end of the pack's labels")
        return bool(found == "first")

    def _unknown(self, name: str) -> str:
        known = [*self.scored, NHS_NUMBER, BIRTH, CHANGE, PREVIOUS, *_run_values(self)]
        return f"the scored table has no column {name!r}{suggest(name, known)}"

    def _pattern(self, key: str, max_rows: int) -> str:
        pattern = self.file.get(key)
        where = f"[file] {key}"
        if not isinstance(pattern, str) or not _FILE_NAME.fullmatch(pattern):
            raise self.fail(where, "is a file name of letters, digits, _ - and . that ends in .csv or .txt")
        found = re.findall(r"\{([^{}]*)\}", pattern)
        odd = next((p for p in found if p not in _PLACEHOLDERS), None)
        if odd is not None or pattern.count("{") != len(found) or pattern.count("}") != len(found):
            raise self.fail(where, f"takes {', '.join('{' + p + '}' for p in _PLACEHOLDERS)}")
        if "practice" not in found:
            raise self.fail(where, "needs {practice}: one file holds one practice")
        if max_rows and "part" not in found:
            raise self.fail(where, "needs {part}, since max_rows may make several files")
        return pattern

    def _cells(self, raw: Sequence[Mapping[str, Any]], table: str, dialect: Dialect) -> tuple[Cell, ...]:
        cells = [
            self._cell(c, table, dialect)
            for c in raw
            if not (c.get("optional") and str(c.get("from", "")).startswith("movers.") and not self.previous)
        ]
        sources = [c.source for c in cells]
        if table in self.template.raw and cells:
            ids = [s for s in (NHS_NUMBER, KEY) if s in sources]
            if not ids:
                raise self.fail(f"[[{table}]]", f"needs a column from {NHS_NUMBER} or {KEY}: whose row is it?")
            if len(ids) == 2:
                raise self.fail(f"[[{table}]]", f"has both {NHS_NUMBER} and {KEY}: the file would give away the lookup")
            for source in ids:
                if sources.count(source) > 1:
                    raise self.fail(f"[[{table}]]", f"has {source} twice")
        for cell in cells:
            _encodable(cell.name, dialect, lambda text, c=cell: self.fail(f"[[{table}]] {c.name}", text))
            for text in (*cell.texts, cell.constant, cell.null):
                if text:
                    _encodable(text, dialect, lambda t, c=cell: self.fail(f"[[{table}]] {c.name}", t))
        return tuple(cells)

    def _cell(self, raw: Mapping[str, Any], table: str, dialect: Dialect) -> Cell:
        name = raw["name"]
        where = f"[[{table}]] {name}"
        if "constant" in raw:
            self._only(raw, where, "constant", {"text"})
            text = self._safe(raw["constant"], where, dialect)
            return Cell(name, "", constant=text, role="constant", identifier=bool(raw.get("text")))
        source = raw["from"]
        null = self._safe(raw.get("null", ""), where, dialect)
        date_format = raw.get("date_format", self.file.get("date_format", "yyyy-mm-dd"))
        if date_format not in DATE_FORMATS:
            raise self.fail(where, f"date_format is one of {', '.join(DATE_FORMATS)}")
        if source in (NHS_NUMBER, BIRTH):
            if not self.lookup:
                raise self.fail(where, f"comes from {source}, which needs --lookup")
            if source == NHS_NUMBER:
                self._only(raw, where, source, set())
                return Cell(name, source, role="nhs_number", identifier=True)
            self._only(raw, where, source, {"date_format"})
            return Cell(name, source, role="date", date_format=date_format)
        if source in (CHANGE, PREVIOUS):
            return self._mover(raw, where, source, null, dialect)
        values = _run_values(self)
        if source in values:
            self._only(raw, where, source, {"date_format"})
            value = values[source]
            text = format_date(value, date_format) if isinstance(value, dt.date) else str(value)
            return Cell(name, source, constant=self._safe(text, where, dialect), role="constant")
        column = self.scored.get(source)
        if column is None:
            raise self.fail(where, self._unknown(source))
        return self._scored(raw, where, column, null, dialect)

    def _mover(self, raw: Mapping[str, Any], where: str, source: str, null: str, dialect: Dialect) -> Cell:
        if not self.previous:
            raise self.fail(where, f"comes from {source}, which needs --previous (or optional = true)")
        if self.group is None:
            raise self.fail(where, f"comes from {source}, which needs [movers] column")
        if source == CHANGE:
            self._only(raw, where, source, {"values"})
            return Cell(raw["name"], source, role="change", texts=self._texts(raw, where, CHANGES, dialect))
        self._only(raw, where, source, {"values", "snomed", "null"})
        texts, coded = self._label_texts(raw, where, self.group, dialect)
        return Cell(raw["name"], source, role="label", texts=texts, null=null, identifier=_is_code(raw), coded=coded)

    def _scored(self, raw: Mapping[str, Any], where: str, column: ScoredColumn, null: str, dialect: Dialect) -> Cell:
        name, source = raw["name"], column.name
        match column.role:
            case "key":
                self._only(raw, where, source, set())
                return Cell(name, source, role="key", identifier=True)
            case "practice":
                self._only(raw, where, source, set())
                return Cell(name, source, role="practice")
            case "label":
                self._only(raw, where, source, {"values", "snomed", "null"})
                texts, coded = self._label_texts(raw, where, column, dialect)
                return Cell(name, source, role="label", texts=texts, null=null, identifier=_is_code(raw), coded=coded)
            case "flag":
                self._only(raw, where, source, {"values", "null"})
                return Cell(
                    name, source, role="flag", texts=self._texts(raw, where, ("false", "true"), dialect), null=null
                )
            case "number":
                self._only(raw, where, source, {"decimals", "null", "text"})
                decimals = raw.get("decimals")
                if decimals is not None and (isinstance(decimals, bool) or decimals not in range(10)):
                    raise self.fail(where, "decimals is a whole number from 0 to 9")
                return Cell(name, source, role="number", decimals=decimals, null=null, identifier=bool(raw.get("text")))
            case "other":
                raise self.fail(where, f"{source} holds lists or other values that are not one text for one cell")
        self._only(raw, where, source, {"null", "text"})
        return Cell(name, source, role="text", null=null, identifier=bool(raw.get("text")))

    def _only(self, raw: Mapping[str, Any], where: str, source: str, allowed: set[str]) -> None:
        for key in raw:
            if key not in {"name", "from", "constant", "optional", *allowed}:
                raise self.fail(where, f"{key} does nothing for {source}")

    def _texts(
        self, raw: Mapping[str, Any], where: str, labels: Sequence[str], dialect: Dialect
    ) -> tuple[str | None, ...]:
        """The text of each label: its own, or what ``values`` says, which must then name every one."""
        values = raw.get("values")
        if values is None:
            return tuple(self._safe(label, where, dialect) for label in labels)
        if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
            raise self.fail(where, "values is a table of texts: label = 'text'")
        self._names(values, labels, where, "values")
        return tuple(self._safe(values[label], where, dialect) for label in labels)

    def _names(self, table: Mapping[str, Any], labels: Sequence[str], where: str, what: str) -> None:
        odd = next((v for v in table if v not in labels), None)
        if odd is not None:
            raise self.fail(where, f"{what} has {odd!r}, which is no label{suggest(odd, labels)}")
        lacks = [label for label in labels if label not in table]
        if lacks:
            raise self.fail(where, f"{what} lacks {', '.join(lacks)}")

    def _label_texts(
        self, raw: Mapping[str, Any], where: str, column: ScoredColumn, dialect: Dialect
    ) -> tuple[tuple[str | None, ...], bool]:
        part = raw.get("snomed")
        if part is None:
            return self._texts(raw, where, column.labels, dialect), False
        if part not in ("code", "term"):
            raise self.fail(where, "snomed is 'code' or 'term'")
        if "values" in raw:
            raise self.fail(where, "has both snomed and values")
        codes = self._codes(column, where)
        texts = [None if code is None else code[part] for code in codes]
        return tuple(None if text is None else self._safe(text, where, dialect) for text in texts), True

    def _codes(self, column: ScoredColumn, where: str) -> list[dict[str, str] | None]:
        """Code and term of every label of a column, from the settings; None for one that is not uploaded."""
        settings = self.settings
        given = settings.codes.get(column.name)
        if given is None:
            near = suggest(column.name, settings.codes)
            raise self.fail(
                where,
                f"needs SNOMED CT codes for the labels of {column.name}: give --settings with a table "
                f"[snomed.{column.name}]{near}",
            )
        section = f"[snomed.{column.name}]"
        fail = _Fail(settings.name)
        odd = next((label for label in given if label not in column.labels), None)
        if odd is not None:
            raise fail(f"{section} {odd}", f"is no label of {column.name}{suggest(odd, column.labels)}")
        lacks = [label for label in column.labels if label not in given]
        if lacks:
            raise fail(section, f'lacks a code for {", ".join(lacks)} (write "omit" not to upload a group)')
        found: list[dict[str, str] | None] = []
        for label in column.labels:
            entry = given[label]
            if entry == OMIT:
                found.append(None)
                continue
            at = f"{section} {label}"
            if not isinstance(entry, dict) or set(entry) != {"code", "term"}:
                raise fail(at, 'needs { code = "…", term = "…" } or "omit"')
            code, term = entry["code"], entry["term"]
            if not isinstance(code, str) or not isinstance(term, str):
                raise fail(at, "code and term are text, in quotes: a number may lose digits")
            wrong = snomed.problem(code)
            if wrong:
                raise fail(at, f"{code!r} is not a SNOMED CT code: it {wrong}")
            if not term.strip():
                raise fail(at, "has no term")
            earlier = next((c for c in found if c is not None and c["code"] == code), None)
            if earlier is not None:
                raise fail(at, "has the same code as another group")
            found.append({"code": code, "term": term})
        return found

    def _safe(self, text: str, where: str, dialect: Dialect) -> str:
        """A text of the template's own as it may stand in a cell."""
        if _CONTROL.search(text):
            raise self.fail(where, "has a line end or another control character in a text")
        if text and text[0] in FORMULA_SIGNS:
            if dialect.formulas == "refuse":
                raise self.fail(where, f"{text!r} would be a formula in a spreadsheet")
            return "'" + text
        return text

    def _where(self, text: Any) -> tuple[n.Node | None, tuple[str, ...]]:
        if text is None:
            return None, ()
        from popstrat.lang.parser import ExpressionError, parse_condition
        from popstrat.upload.where import unsupported

        if not isinstance(text, str):
            raise self.fail("[patients] where", "is a rule, in quotes")
        try:
            node = parse_condition(text, _Words(self.scored, self.as_of))
        except ExpressionError as error:
            raise self.fail("[patients] where", error.message) from None
        odd = unsupported(node)
        if odd:
            raise self.fail("[patients] where", f"{odd} cannot be used here")
        return node, tuple(dict.fromkeys(c.name for c in node.walk() if isinstance(c, n.Column)))


def _is_code(raw: Mapping[str, Any]) -> bool:
    return raw.get("snomed") == "code"


def _run_values(binder: _Binder) -> dict[str, Any]:
    return {
        "run.as_of": binder.as_of,
        "run.pack": binder.pack["id"],
        "run.pack_version": binder.pack["version"],
        "run.template": binder.template.head["id"],
    }


def _encodable(text: str, dialect: Dialect, fail: Any) -> None:
    try:
        text.encode(dialect.encoding)
    except UnicodeEncodeError as error:
        letter = text[error.start]
        raise fail(f"{letter!r} (U+{ord(letter):04X}) is not in {dialect.encoding}") from None
    if _CONTROL.search(text):
        raise fail("has a line end or another control character")


def format_date(value: dt.date, form: str) -> str:
    """A date in one of `DATE_FORMATS`; months in English, whatever the machine's language."""
    text = DATE_FORMATS[form].format(value, month=_MONTHS[value.month - 1])
    return text if value.year >= 1000 else text.replace(f"{value:%Y}", f"{value.year:04}")


class _Words:
    """The columns of a scored table as words of the rule language."""

    def __init__(self, scored: Mapping[str, ScoredColumn], as_of: dt.date) -> None:
        self._scored, self.as_of = scored, as_of
        self.windows: Mapping[str, int] = {}
        self.dated: frozenset[str] = frozenset()

    def lookup(self, name: str) -> n.Node | None:
        column = self._scored.get(name)
        if column is None or column.role in ("key", "practice", "text", "other"):
            return None
        kinds = {"flag": n.BOOL, "number": n.NUMBER, "label": n.Type("category", column.labels)}
        return n.Column(kinds[column.role], name, name)

    def members(self, set_name: str) -> Sequence[str] | None:
        return None

    def words(self) -> Iterable[str]:
        return [c.name for c in self._scored.values() if c.role in ("flag", "number", "label")]
