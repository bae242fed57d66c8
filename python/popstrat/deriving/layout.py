"""Layouts: how the files of an extract become the canonical tables, as data.

A layout is a small TOML file: for each table one shape of file or several (``[events.NAME]``), with what its files are
called, which of its columns is which of ours, and which rows are set aside for what reason; ``[text]`` says how text is
spelt, ``[lookup.NAME]`` which other files of the extract a value is looked up in. docs/layouts.md has the whole of it.
Layouts that ship stand in ``layouts/``; one may extend another, and then says only what differs.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from popstrat.core.small_files import parse_toml, read_small
from popstrat.core.text import squeezed, suggest
from popstrat.deriving.canonical import KINDS, PATIENTS, REGISTRATIONS, ROWS, Cell
from popstrat.errors import InputError
from popstrat.packs.spellings import Spelling, folded, pattern

AnyTable = Literal["patients", "registrations", "events", "medications", "activity"]
TABLES: Mapping[AnyTable, Mapping[str, Cell]] = {
    "patients": PATIENTS,
    "registrations": REGISTRATIONS,
    "events": ROWS,
    "medications": ROWS,
    "activity": ROWS,
}
"""The canonical columns of each table; the ``code`` of activity is its kind."""

NULLS = frozenset({"null", "(null)", "<null>", "\\n", "n/a", "nan", "none", "nat", "<na>"})
"""Words for no record in every layout, as `folded`; blanks are none either."""
COMPARATORS = (">", ">=", "<", "<=", "=")
_EXACT = 17  # of a whole number with ``.0``: up to 15 digits come through a floating-point number as they were
PERIODS = ("year", "month", "day", "none")

_WORDS = ("nulls", "true", "false", "dates", "decimal_comma", "times")
_COLUMN_KEYS = ("from", "const", "through", "keep", "values", "precision", "periods", "comparator", "comparators",
                "parts", "otherwise")  # fmt: skip
_TOP = ("title", "source", "extends", "text", "lookup", *TABLES)


@dataclass(frozen=True)
class Taken:
    """Where a column of ours is taken from.

    ``names`` are the file's, of which the first that it has is read; ``const`` is one value instead. What is read is
    looked up in each of ``through`` in turn (what is not found there stays only if ``keep``), then ``values`` says what
    a text of the file's stands for. Of a date ``precision`` is the column that says what is known of it, by
    ``periods``, and ``parts`` are the columns of its year, month and day; of a value ``comparator`` is the column with
    what stands before the number, by ``comparators``. Where all that gives nothing, ``otherwise`` does.
    """

    names: tuple[str, ...] = ()
    const: str | None = None
    through: tuple[str, ...] = ()
    keep: bool = False
    values: Mapping[str, str | None] = field(default_factory=dict)
    precision: str = ""
    periods: Mapping[str, str] = field(default_factory=dict)
    comparator: str = ""
    comparators: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    otherwise: Taken | None = None
    spelling: Spelling = field(default_factory=lambda: Spelling(nulls=NULLS))

    def __hash__(self) -> int:
        return id(self)

    @property
    def all_lookups(self) -> tuple[str, ...]:
        """Those that it goes through, and what stands in for it."""
        return self.through + (self.otherwise.all_lookups if self.otherwise is not None else ())


@dataclass(frozen=True)
class SetAside:
    """Rows that are no part of the record: those with one of these texts (as `folded`) in one of these columns; or all
    but those (``unless``)."""

    reason: str
    where: Mapping[str, frozenset[str]]
    unless: bool = False


@dataclass(frozen=True)
class Shape:
    """One kind of file that holds rows of a table. ``files`` are patterns of its name; without any, every name does.
    Of a folder, those of a ``fallback`` are read only where no other shape of the table has one. With ``row_id``, a
    column, files are taken for changes, the oldest first: a row holds until a later file has one of the same id."""

    name: str
    table: AnyTable
    columns: Mapping[str, Taken]
    files: tuple[str, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    fallback: bool = False
    row_id: str = ""

    def is_called(self, name: str) -> bool:
        """Whether a file of this name is one of its files."""
        return is_called(name, self.files)


@dataclass(frozen=True)
class Lookup:
    """Files of the extract in which a key is looked up: of the rows that ``where`` lets through (a column's texts, as
    `folded`), the column ``key`` and what stands for it, ``value``."""

    name: str
    files: tuple[str, ...]
    key: str
    value: str
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)
    quoted: bool = True
    """Whether quotes mean anything in tab-separated text (in that of vocabularies they do not)."""


@dataclass(frozen=True)
class Layout:
    """A layout as it holds, with what it extends. ``sha256`` is of all the files that it was read from."""

    name: str
    title: str
    source: str
    encoding: str
    shapes: Mapping[AnyTable, tuple[Shape, ...]]
    lookups: Mapping[str, Lookup]
    sha256: str


def squeeze(name: str) -> str:
    """The name of a column as it is compared: ``PatientGuid``, ``patient_guid`` and ``PATIENT GUID`` are one."""
    return squeezed(name)


def is_called(name: str, forms: Iterable[str]) -> bool:
    """Whether a file's name is one of these patterns; capitals make no difference."""
    return any(fnmatchcase(name.casefold(), form.casefold()) for form in forms)


def matches(text: str, wanted: frozenset[str]) -> bool:
    """Whether a text, as `folded`, is one of these, in which ``*`` stands for anything."""
    word = bare(text)
    return word in wanted or any("*" in form and fnmatchcase(word, form) for form in wanted)


def bare(text: str) -> str:
    """A text as `folded`; a whole number that a program wrote as ``5.0``, because its column has gaps, as ``5``."""
    word = folded(text)
    return word[:-2] if word.endswith(".0") and word[:-2].isdecimal() and len(word) <= _EXACT else word


def layouts() -> list[str]:
    """The names of the layouts that ship."""
    found = resources.files("popstrat.deriving") / "layouts"
    return sorted(f.name.removesuffix(".toml") for f in found.iterdir() if f.name.endswith(".toml"))


def load_layout(name: str | Path) -> Layout:
    """A layout by its name or from a file (whatever ends in ``.toml``). Raises `InputError` naming file and key."""
    content, digests, shown = _read(name, ())
    sha = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return _Parser(shown).layout(content, sha)


def _read(name: str | Path, below: tuple[str, ...]) -> tuple[dict[str, Any], list[str], str]:
    """The content of a layout laid over that of what it extends, the hashes of the files, and its name."""
    local = str(name).endswith(".toml")
    shown = str(name)
    if not local and shown not in layouts():
        raise InputError(
            f"there is no layout {shown!r}{suggest(shown, layouts())}; there are {', '.join(layouts())}, and a file "
            "of your own ends in .toml"
        )
    try:
        path = Path(name) if local else resources.files("popstrat.deriving") / "layouts" / f"{shown}.toml"
        raw = read_small(path) if isinstance(path, Path) else path.read_bytes()
        content = parse_toml(raw.decode("utf-8-sig"))
    except FileNotFoundError:
        raise InputError("there is no such layout file", file=shown) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=shown) from None
    except UnicodeDecodeError:
        raise InputError("is not in UTF-8", file=shown) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is not valid TOML: {error}", file=shown) from None
    digest = hashlib.sha256(raw).hexdigest()
    base = content.pop("extends", None)
    if base is None:
        return content, [digest], shown
    if not isinstance(base, str):
        raise InputError("extends: needs the name of one layout, in quotes", file=shown)
    if base in below or len(below) > 8:
        raise InputError(f"extends {base!r}, which extends it", file=shown)
    if base.endswith(".toml") and local:
        base = str(Path(name).parent / base)
    under, digests, _ = _read(base, (*below, shown))
    return _laid_over(under, content), [*digests, digest], shown


def _laid_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables key by key, anything else as a whole; ``false`` in the place of something takes it away."""
    found = dict(under)
    for key, value in over.items():
        below = found.get(key)
        if value is False and key in found:
            del found[key]
        elif isinstance(value, dict) and isinstance(below, dict) and "from" not in value:
            found[key] = _laid_over(below, value)
        else:
            found[key] = value
    return found


class _Parser:
    """The tables of a layout file, checked; ``name`` is what messages call it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def layout(self, content: Mapping[str, Any], sha256: str) -> Layout:
        self._known("", content, _TOP)
        text = dict(self._table("text", content.get("text", {})))
        encoding = self._text("[text] encoding", text.pop("encoding", "utf-8"))
        self._spelling = self._read_spelling("[text]", {k: v for k, v in text.items() if k in _WORDS})
        self._spellings = {}
        for column, said in text.items():
            if column in _WORDS:
                continue
            if not any(column in columns for columns in TABLES.values()):
                raise self._fail(f"[text] {column}", "is neither a word for how text is spelt nor a column of ours")
            self._spellings[column] = self._read_spelling(f"[text.{column}]", said).over(self._spelling)
        lookups = {n: self._lookup(n, v) for n, v in self._table("lookup", content.get("lookup", {})).items()}
        shapes: dict[AnyTable, tuple[Shape, ...]] = {}
        for table in TABLES:
            given = self._table(table, content.get(table, {}))
            shapes[table] = tuple(self._shape(table, n, v, lookups) for n, v in given.items())
        return Layout(
            name=Path(self._name).name,
            title=self._text("title", content.get("title", "")),
            source=self._text("source", content.get("source", "")),
            encoding=encoding,
            shapes=shapes,
            lookups=lookups,
            sha256=sha256,
        )

    def _shape(self, table: AnyTable, name: str, given: object, lookups: Mapping[str, Lookup]) -> Shape:
        where = f"[{table}.{name}]"
        said = self._table(f"{table}.{name}", given)
        self._known(where, said, ("files", "columns", "set_aside", "fallback", "row_id"))
        if not isinstance(fallback := said.get("fallback", False), bool):
            raise self._fail(f"{where} fallback", "needs true or false")
        columns = {}
        for ours, theirs in self._table(f"{table}.{name}.columns", said.get("columns", {})).items():
            known = self._ours(table)
            if ours not in known:
                raise self._fail(f"{where} {ours}", f"{table} have no such column{suggest(ours, known)}")
            columns[ours] = self._taken(f"{where} {ours}", ours, theirs, lookups, kind=table == "activity")
        for ours, cell in TABLES[table].items():
            if cell.required and ours not in columns:
                raise self._fail(where, f"does not say where {ours} is taken from")
        aside = self._table(f"{table}.{name}.set_aside", said.get("set_aside", {}))
        return Shape(
            name, table, columns, self._texts(f"{where} files", said.get("files", [])),
            tuple(self._set_aside(f"{where} set_aside.{r}", r, w) for r, w in aside.items()), fallback,
            self._text(f"{where} row_id", said.get("row_id", "")),
        )  # fmt: skip

    def _set_aside(self, where: str, reason: str, given: object) -> SetAside:
        said = self._table(where, given)
        unless = isinstance(said.get("unless"), Mapping)
        return SetAside(reason, self._where(where, said["unless"] if unless else said), unless)

    @staticmethod
    def _ours(table: AnyTable) -> Mapping[str, Cell]:
        return TABLES[table]

    def _taken(self, where: str, ours: str, given: object, lookups: Mapping[str, Lookup], *, kind: bool) -> Taken:
        said = given if isinstance(given, Mapping) else {"from": given}
        self._known(where, said, _COLUMN_KEYS)
        if sum(key in said for key in ("from", "const", "parts")) != 1:
            raise self._fail(
                where, "needs `from`, the name of a column or several of which one is there; or `const`, or `parts`"
            )
        if ours == "patient_id" and "from" not in said:
            raise self._fail(where, "needs `from`: a column of the file has to identify people")
        otherwise = said.get("otherwise")
        through = self._some_texts(where, said, "through")
        for one in through:
            if one not in lookups:
                raise self._fail(where, f"goes through [lookup.{one}], which does not exist{suggest(one, lookups)}")
        values = self._mapping(f"{where} values", said.get("values", {}), KINDS if kind and ours == "code" else None)
        periods = self._mapping(f"{where} periods", said.get("periods", {}), PERIODS)
        comparators = self._mapping(f"{where} comparators", said.get("comparators", {}), COMPARATORS)
        if not isinstance(keep := said.get("keep", False), bool):
            raise self._fail(f"{where} keep", "needs true or false")
        for key, only in (("precision", "date"), ("comparator", "value")):
            if key in said and not ours.endswith(only) and not ours.startswith(only):
                raise self._fail(f"{where} {key}", f"is for a {only} alone")
        return Taken(
            self._some_texts(where, said, "from"),
            None if "const" not in said else self._text(f"{where} const", said["const"]),
            through,
            keep,
            values,
            self._text(f"{where} precision", said.get("precision", "")),
            {k: v or "none" for k, v in periods.items()},
            self._text(f"{where} comparator", said.get("comparator", "")),
            {k: v or "=" for k, v in comparators.items()},
            self._some_texts(where, said, "parts"),
            None if otherwise is None else self._taken(f"{where} otherwise", ours, otherwise, lookups, kind=kind),
            self._spellings.get(ours, self._spelling),
        )

    def _lookup(self, name: str, given: object) -> Lookup:
        where = f"[lookup.{name}]"
        said = self._table(f"lookup.{name}", given)
        self._known(where, said, ("files", "key", "value", "where", "quoted"))
        if not isinstance(quoted := said.get("quoted", True), bool):
            raise self._fail(f"{where} quoted", "needs true or false")
        for key in ("files", "key", "value"):
            if key not in said:
                raise self._fail(where, f"needs `{key}`")
        return Lookup(
            name,
            self._some_texts(where, said, "files"),
            self._text(f"{where} key", said["key"]),
            self._text(f"{where} value", said["value"]),
            self._where(f"{where} where", said.get("where", {})),
            quoted,
        )

    def _read_spelling(self, where: str, given: object) -> Spelling:
        said = self._table(where.strip("[]"), given)
        self._known(where, said, _WORDS)
        words = {k: self._texts(f"{where} {k}", said.get(k, [])) for k in ("nulls", "true", "false", "dates")}
        for form in words["dates"]:
            try:
                pattern(form)
            except ValueError as error:
                raise self._fail(f"{where} dates", str(error)) from None
        comma, times = said.get("decimal_comma", False), said.get("times", "")
        if not isinstance(comma, bool):
            raise self._fail(f"{where} decimal_comma", "needs true or false")
        if times not in ("", "utc", "local"):
            raise self._fail(f"{where} times", 'needs "utc" or "local"')
        nulls, true, false = (frozenset(map(folded, words[k])) for k in ("nulls", "true", "false"))
        return Spelling(nulls | NULLS, true, false, words["dates"], comma, times)

    # -- shapes of TOML -----------------------------------------------------------------------------------------

    def _fail(self, where: str, problem: str) -> InputError:
        return InputError(f"{where}: {problem}" if where else problem, file=self._name)

    def _table(self, where: str, given: object) -> Mapping[str, Any]:
        if not isinstance(given, Mapping):
            raise self._fail(where, f"must be a table, written [{where}]")
        return given

    def _known(self, where: str, said: Iterable[str], known: tuple[str, ...]) -> None:
        for key in said:
            if key not in known:
                raise self._fail(f"{where} {key}".strip(), f"is not known{suggest(key, known)}")

    def _text(self, where: str, given: object) -> str:
        if not isinstance(given, str):
            raise self._fail(where, "needs a text")
        return given

    def _some_texts(self, where: str, said: Mapping[str, Any], key: str) -> tuple[str, ...]:
        """What a key lists; nothing only where it is not said at all."""
        found = self._texts(f"{where} {key}", said.get(key, []))
        if key in said and not found:
            raise self._fail(f"{where} {key}", "names nothing; leave it out, or name something")
        return found

    def _texts(self, where: str, given: object) -> tuple[str, ...]:
        found = [given] if isinstance(given, str) else given
        if not isinstance(found, list) or not all(isinstance(t, str) and t.strip() for t in found):
            raise self._fail(where, "needs a text, or a list of texts")
        return tuple(found)

    def _where(self, where: str, given: object) -> Mapping[str, frozenset[str]]:
        said = self._table(where, given)
        return {column: frozenset(map(folded, self._any_texts(where, texts))) for column, texts in said.items()}

    def _any_texts(self, where: str, given: object) -> list[str]:
        found = given if isinstance(given, list) else [given]
        if not all(isinstance(t, str | int) for t in found):
            raise self._fail(where, "needs a text, or a list of texts, for each column")
        return [str(t) for t in found]

    def _mapping(self, where: str, given: object, known: tuple[str, ...] | None) -> Mapping[str, str | None]:
        said = self._table(where, given)
        found: dict[str, str | None] = {}
        for theirs, ours in said.items():
            if not isinstance(ours, str):
                raise self._fail(f"{where} {theirs!r}", "needs a text")
            if ours and known is not None and ours not in known:
                raise self._fail(f"{where} {theirs!r}", f"{ours!r} is none of {', '.join(known)}{suggest(ours, known)}")
            found[folded(theirs)] = ours or None
        return found
