"""Code lists: which codes stand for what, as files of a folder.

A file is text with a column of codes; a first line that names the columns says which. With a column of names of lists
(as in the Primary Care Domain reference sets, or a plain CSV of list and code) it holds many lists, without one (as
OpenCodelists exports it: ``code,term``) the list that its file is named after.

Codes are SNOMED CT identifiers (those of dm+d are, too), read as text and kept as int64, never by way of a float: what
a spreadsheet made of one is refused and never guessed.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.core.small_files import read_small
from popstrat.core.text import suggest
from popstrat.deriving.canonical import KINDS
from popstrat.deriving.features import Features
from popstrat.deriving.folds import Fold, LastDay, LastLabel, Pair
from popstrat.errors import FaultsError, InputError
from popstrat.packs import keys, snomed

MOST_BYTES = 1 << 30
"""Of one file of code lists."""
_SUFFIXES = (".csv", ".txt", ".tsv")
_CODE = ("snomed_code", "snomedct_code", "snomed_ct_code", "snomed_concept_id", "sct_id", "code", "concept_id",
         "conceptid", "dmd_code", "dmd_id")  # fmt: skip
_LIST = ("cluster_id", "list", "code_list", "codelist", "cluster", "list_name", "refset_name")
_TERM = ("snomed_code_description", "term", "code_description", "description", "name", "display", "dmd_name")
_RELEASE = ("service_and_ruleset", "release", "ruleset")
_DIGITS = re.compile(r"[0-9]{6,18}")
_EXACT = 15  # digits that a spreadsheet keeps
_LOST = (
    "has zeros in the place of the digits beyond the fifteenth, as a spreadsheet leaves a long number; export the "
    "column as text"
)
_MOST_FAULTS = 10
_FEW = 5
_MOST_RELEASES = 20


@dataclass(frozen=True)
class ListFile:
    """One file that was read. ``lists``: its code lists, each with its codes, ascending, each once."""

    name: str
    sha256: str
    rows: int
    lists: Mapping[str, NDArray[np.int64]]
    repeats: int  # rows that say again what another one says
    encoding: str
    releases: tuple[str, ...]  # what the file says of the release, in its own words

    @property
    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "sha256": self.sha256,
            "rows": self.rows,
            "lists": len(self.lists),
            "codes": sum(map(len, self.lists.values())),
            "repeated_rows": self.repeats,
            "encoding": self.encoding,
            "release": list(self.releases),
        }


@dataclass(frozen=True)
class CodeLists:
    """The code lists of a folder. ``codes``: list → its codes, ascending, each once; ``problems``: what is odd, for
    people (repeated rows, lists without a code, files passed over)."""

    codes: Mapping[str, NDArray[np.int64]]
    files: tuple[ListFile, ...]
    problems: tuple[str, ...]
    _terms: Mapping[int, str] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, path: str | Path, encoding: str | None = None) -> CodeLists:
        """The code lists of a folder, or of one file.

        ``encoding``: of all its files; if None UTF-8, with or without its mark, or UTF-16 with one, else Windows-1252.
        Raises `InputError` naming the file and the first rows for anything that is no code list, or no code.
        """
        files: list[ListFile] = []
        problems: list[str] = []
        terms: dict[int, str] = {}
        for file in _files(Path(path), problems):
            files.append(_read(file, encoding, terms))
        codes: dict[str, NDArray[np.int64]] = {}
        origin: dict[str, str] = {}
        for found in files:
            for name, some in found.lists.items():
                if name in codes and not np.array_equal(codes[name], some):
                    told = (
                        f"holds the code list {name!r}, and so does {origin[name]}, with other codes: keep one of them"
                    )
                    raise InputError(told, file=found.name)
                codes[name], origin[name] = some, found.name
            if found.repeats:
                told = "1 row says" if found.repeats == 1 else f"{found.repeats:,} rows say"
                problems.append(f"{found.name}: {told} again what another one says")
        if not codes:
            raise InputError("holds no code list", file=str(path))
        problems += [f"the code list {name} has no codes" for name, some in codes.items() if not len(some)]
        return cls(codes, tuple(files), tuple(problems), terms)

    def term(self, code: int) -> str | None:
        """What a code list says that a code means; None if none says anything."""
        return self._terms.get(code) or None

    @property
    def record(self) -> list[dict[str, Any]]:
        """What a run record says of each file."""
        return [file.record for file in self.files]

    # -- for a specification --------------------------------------------------------------------------------------

    def check(self, features: Features, allow_missing: bool = False) -> tuple[Features, list[str]]:
        """The features as these lists allow them, and what is to be told: a list that is missing or empty stops the
        run, unless it is optional or ``allow_missing``: then all that needs it is null. Raises `InputError`."""
        needed = features.lists
        gone = [name for name, users in needed.items() if users and not len(self.codes.get(name, ()))]
        told = []
        if gone and not allow_missing:
            raise InputError("\n  ".join([_count(len(gone)), *(self._missing(n, needed) for n in gone)]))
        told += [f"{self._missing(name, needed)}: null for everybody" for name in gone]
        told += self.problems
        unused = [name for name in self.codes if name not in needed]
        if unused:
            shown = ", ".join(unused[:_FEW]) + (f" and {len(unused) - _FEW:,} more" if len(unused) > _FEW else "")
            many = "1 code list is" if len(unused) == 1 else f"{len(unused):,} code lists are"
            told.append(f"{many} there that the specification does not use: {shown}")
        features = features.without(gone) if gone else features
        for fold in features.folds:
            self._refuse_two_meanings(fold)
        told += self._never(features)
        return features, told

    def codes_for(self, features: Features) -> dict[str, NDArray[np.int64]]:
        """The codes of every name that the folds use: none for a list that is missing, the index in
        `canonical.KINDS` for a kind of activity."""
        empty = np.zeros(0, np.int64)
        found = {name: self.codes.get(name, empty) for name in features.lists}
        return found | {kind: np.array([index], np.int64) for index, kind in enumerate(KINDS)}

    def _missing(self, name: str, needed: Mapping[str, Sequence[str]]) -> str:
        users = needed[name]
        shown = ", ".join(users[:_FEW]) + (f" and {len(users) - _FEW} more" if len(users) > _FEW else "")
        if name in self.codes:
            return f"{name} has no codes, needed by {shown}"
        others = [other for other in self.codes if other not in needed]
        return f"{name}, needed by {shown}{suggest(name, others)}"

    def _union(self, names: Sequence[str]) -> NDArray[np.int64]:
        found = [self.codes[name] for name in names if name in self.codes]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def _refuse_two_meanings(self, fold: Fold) -> None:
        """Raise `InputError` for a code that would be two things at once in one fold."""
        sides: list[tuple[str, tuple[str, ...]]] = []
        if isinstance(fold, LastLabel | Pair):
            sides = [(f"the label {label!r}", names) for label, names in fold.labels]
        pairs = [(a, b) for i, a in enumerate(sides) for b in sides[i + 1 :]]
        if isinstance(fold, Pair):
            own = [("the first value", fold.first), ("the second value", fold.second), ("both values", fold.both)]
            pairs += [(a, b) for i, a in enumerate(own) for b in own[i + 1 :]]
        for (one, ones), (other, others) in pairs:
            shared = np.intersect1d(self._union(ones), self._union(others))
            if len(shared):
                told = f"{', '.join(map(str, shared[:_FEW].tolist()))}{' …' if len(shared) > _FEW else ''}"
                raise InputError(
                    f"{fold.name}: codes of {one} ({', '.join(ones)}) are codes of {other} ({', '.join(others)}) as "
                    f"well: {told}"
                )

    def _never(self, features: Features) -> Iterator[str]:
        """Codes that begin a register and end it."""
        folds = {fold.name: fold for fold in features.folds}
        for name, fold in folds.items():
            ends = folds.get(f"{name}.resolved")
            if isinstance(fold, LastDay) and ends is not None:
                shared = len(np.intersect1d(self._union(fold.codes), self._union(ends.codes)))
                if shared:
                    told = f"{shared:,} code{'s are' if shared > 1 else ' is'} in {' or '.join(fold.codes)}"
                    yield f"{name}: {told} and in {' or '.join(ends.codes)}: nobody is on the register by one of them"


def _count(missing: int) -> str:
    return "a code list is missing:" if missing == 1 else f"{missing:,} code lists are missing:"


# -- files ------------------------------------------------------------------------------------------------------------


def _files(path: Path, problems: list[str]) -> Iterator[Path]:
    try:
        if not path.exists():
            raise InputError("there is no such file or folder", file=str(path))
        if not path.is_dir():
            yield path
            return
        found = sorted(path.iterdir())
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", file=str(path)) from None
    passed = []
    for file in found:
        if file.name.startswith("."):
            continue
        if file.suffix.lower() in _SUFFIXES and not file.is_dir():
            yield file
        else:
            passed.append(file.name)
    if passed:
        shown = ", ".join(passed[:_FEW]) + (f" and {len(passed) - _FEW:,} more" if len(passed) > _FEW else "")
        problems.append(f"{path.name}: passed over {shown}: files of code lists end in {', '.join(_SUFFIXES)}")


def _read(path: Path, encoding: str | None, terms: dict[int, str]) -> ListFile:
    try:
        content = read_small(path, MOST_BYTES)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path.name) from None
    used, first = _opened(content, encoding, path.name)
    return _parsed(path, content, used, first, terms)


def _opened(content: bytes, encoding: str | None, name: str) -> tuple[str, str]:
    """The encoding of a file, and the first of its lines that is not blank."""
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if encoding is not None and encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    tried = [encoding] if encoding else ["utf-16"] if marked else ["utf-8-sig", "cp1252"]
    for one in tried:
        try:
            text = content.decode(one)
        except UnicodeError:
            continue
        except LookupError:
            raise InputError(f"there is no encoding {one!r}", file=name) from None
        if "\0" in text:
            raise InputError("is not a text file: it holds NUL characters", file=name)
        return one, text.lstrip("\r\n").partition("\n")[0]
    raise InputError(f"is not {tried[0]} text", file=name)


def _rows(content: bytes, encoding: str, first: str, name: str) -> tuple[Iterator[list[str]], Callable[[str], str]]:
    """The rows of a file, and what one of their cells says. Of text between tabs quotes are letters like any other,
    unless a cell stands in them."""
    delimiter = max("\t,;|", key=first.count)
    lines = io.TextIOWrapper(io.BytesIO(content), encoding, newline="")
    plain = delimiter == "\t" and not first.startswith('"')
    if plain:
        rows = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        rows = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)

    def each() -> Iterator[list[str]]:
        try:
            yield from rows
        except csv.Error as error:
            raise InputError(f"is not a well-formed table: {error} (line {rows.line_num:,})", file=name) from None

    def says(cell: str) -> str:
        cell = cell.strip().strip("\ufeff")
        return cell[1:-1].strip() if plain and len(cell) > 1 and cell[0] == cell[-1] == '"' else cell

    return each(), says


@dataclass(frozen=True)
class _Columns:
    """Which column of a file is which; None for one that is not there."""

    code: int
    list: int | None = None
    term: int | None = None
    release: int | None = None


def _header(row: list[str], name: str) -> _Columns | None:
    """What the first row says of the columns; None if it is one of codes already. Raises `InputError`."""
    words = [re.sub(r"[^a-z0-9]+", "_", cell.casefold()).strip("_") for cell in row]

    def place(known: Sequence[str]) -> int | None:
        return next((words.index(word) for word in known if word in words), None)

    code = place(_CODE)
    if code is not None:
        return _Columns(code, place(_LIST), place(_TERM), place(_RELEASE))
    if len(row) <= 2 and isinstance(keys.key(row[-1]), str) and re.fullmatch(r"[0-9]+", row[-1]):
        return None
    shown = ", ".join(repr(cell[:40]) for cell in row[:_FEW])
    raise InputError(
        f"has no column of codes: its first line should name one ({', '.join(_CODE[:6])} …), and has {shown}", file=name
    )


def _parsed(path: Path, content: bytes, encoding: str, first: str, terms: dict[int, str]) -> ListFile:
    rows, says = _rows(content, encoding, first, path.name)
    head = next((cells for row in rows if any(cells := [says(cell) for cell in row])), None)
    if head is None:
        raise InputError("is empty", file=path.name)
    columns = _header(head, path.name)
    if columns is None:
        columns = _Columns(len(head) - 1, 0 if len(head) == 2 else None)
        rows = chain([head], rows)
    table = _table(rows, says, columns, terms)
    codes = np.array(table.codes, np.int64)
    faults = table.faults
    distinct = np.unique(codes)
    wrong = distinct[snomed.wrong_digit(distinct)]
    for place in np.flatnonzero(np.isin(codes, wrong)).tolist() if len(wrong) else ():
        digits = str(codes[place])
        lost = len(digits) > _EXACT and set(digits[_EXACT:]) == {"0"}
        told = _LOST if lost else "has a wrong check digit: it is no SNOMED CT code"
        faults.setdefault(told, []).append(table.numbers[place])
    if faults:
        errors = [InputError(told, column="code", rows=some, file=path.name) for told, some in faults.items()]
        raise errors[0] if len(errors) == 1 else FaultsError(errors[:_MOST_FAULTS])
    if columns.list is None:
        lists = {path.name.removesuffix(path.suffix): distinct}
    else:
        order = np.argsort(np.array(table.lists, np.int64), kind="stable")
        ends = np.cumsum(np.bincount(table.lists, minlength=len(table.names)))[:-1]
        parts = np.split(codes[order], ends) if table.names else []  # of a file that has only its head
        lists = {name: np.unique(some) for name, some in zip(table.names, parts, strict=True)}
    return ListFile(
        name=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        rows=len(codes),
        lists=lists,
        repeats=len(codes) - sum(map(len, lists.values())),
        encoding=encoding.removesuffix("-sig"),
        releases=tuple(table.releases)[:_MOST_RELEASES],
    )


@dataclass
class _Table:
    """The rows of a file, blank ones left out: the number of each, its code and the place of its list in ``names``."""

    numbers: array[int] = field(default_factory=lambda: array("q"))
    codes: array[int] = field(default_factory=lambda: array("q"))
    lists: array[int] = field(default_factory=lambda: array("q"))
    names: dict[str, int] = field(default_factory=dict)
    releases: dict[str, None] = field(default_factory=dict)
    faults: dict[str, list[int]] = field(default_factory=dict)


def _table(rows: Iterable[list[str]], says: Callable[[str], str], columns: _Columns, terms: dict[int, str]) -> _Table:
    """All rows of a file, read. A cell is looked at once, however often it stands there."""
    found = _Table()
    known: dict[str, int | str] = {}
    named: dict[str, int] = {}
    releases: set[str] = set()
    width = max(columns.code, columns.list or 0) + 1
    for number, row in enumerate(rows):
        if len(row) < width:
            if any(map(says, row)):
                found.faults.setdefault(f"has fewer than {width} columns", []).append(number)
            continue
        cell = row[columns.code]
        code = known.get(cell)
        if code is None:
            code = known[cell] = _code(says(cell))
        name = "" if columns.list is None else row[columns.list]
        place = named.get(name)
        if place is None:
            text = says(name)
            place = named[name] = found.names.setdefault(text, len(found.names)) if text else -1
        if isinstance(code, str) or (place < 0 and columns.list is not None):
            if any(map(says, row)):
                told = code if isinstance(code, str) else "names no code list"
                found.faults.setdefault(told, []).append(number)
            continue
        found.numbers.append(number)
        found.codes.append(code)
        found.lists.append(place)
        if columns.term is not None and code not in terms and len(row) > columns.term:
            terms[code] = says(row[columns.term])
        if columns.release is not None and len(row) > columns.release and row[columns.release] not in releases:
            releases.add(row[columns.release])
            found.releases |= {text: None for text in [says(row[columns.release])] if text}
    return found


def _code(cell: str) -> int | str:
    """The code that a cell holds, its check digit not seen to; or why it is none."""
    text = keys.key(cell)
    if isinstance(text, keys.MadeNumber):
        return keys.A_NUMBER.format(kind="code")
    if text is None:
        return "holds no code"
    if not _DIGITS.fullmatch(text) or text.startswith("0"):
        return snomed.problem(text) or "is no SNOMED CT code"
    return int(text)
