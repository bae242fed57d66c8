"""Every error the package raises, and every warning it gives, each under one base class.

A caller who wants any failure of popstrat catches `PopstratError`. Each kind is also the Python error that fits it
(`InputError` is a ``ValueError``), so that code which knows nothing of popstrat handles it rightly. Outside the base
are only Python's own errors: those of the system (``OSError``, ``MemoryError``), and ``ValueError`` or ``TypeError``
where a function is called in a way that its documentation rules out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

_ROWS_SHOWN = 5
WITHHELD = "(name withheld: it looks like a number)"
BETWEEN = "[^0-9A-Za-z]{0,3}"
"""What may stand between the digits of one number: signs, spaces and letters of no alphabet that ours are from."""
_DATE = r"(?:19|20)[0-9]{2}[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3])[:_-]?[0-5][0-9](?:[:_-]?[0-5][0-9])?"
DATE = rf"{_DATE}(?:[T_ -]{_TIME})?"
"""A date, and a time of day behind it, with no digit before or behind them: no part of a number."""
_DATES = re.compile(rf"(?<![0-9]){DATE}(?![0-9])")
_HASH = re.compile(r"[0-9a-f]{64}")
_LONG_NUMBER = re.compile(rf"[0-9](?:{BETWEEN}[0-9]){{8}}")


def plain_digits(text: str) -> str:
    """The text with every digit, of whatever script and width, as one of 0 to 9."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(c, c)) for c in unicodedata.normalize("NFKC", text))


def holds_number(text: str) -> bool:
    """Whether somebody's number may stand in a text: nine digits or more with nothing but signs or spaces between them.

    Dates with or without a time of day are none, nor is a hash (64 hexadecimal digits and no more). This is the one
    rule for names and for what records say; `popstrat.privacy.number_columns`, which looks for NHS numbers in all
    values of a column, takes for one number what is one here.
    """
    plain = plain_digits(text)
    return _HASH.fullmatch(plain) is None and _LONG_NUMBER.search(_DATES.sub("x", plain)) is not None


def looks_like_number(name: str) -> bool:
    """Whether the name of a column may be somebody's number: it holds one (`holds_number`), or has digits and no letter
    at all, as what stands in the first line of a CSV without a header."""
    if name.isascii() and name.isidentifier() and sum(map(name.count, "0123456789")) < 9:
        return False
    plain = plain_digits(name)
    return (any(map(str.isdigit, plain)) and not any(map(str.isalpha, plain))) or holds_number(plain)


def shown_name(name: str, place: int | None = None) -> str:
    """The name of a column for people and records, in quotes; not if it looks like a number (`looks_like_number`), but
    then the column's ``place`` (from 1), if that is known."""
    if not looks_like_number(name):
        return repr(name)
    return WITHHELD if place is None else f"{place:,} {WITHHELD}"


def recorded_name(name: str, place: int) -> str:
    """The name of a column as a record has it: as it is, or with what stands for it in the words of `shown_name`."""
    return f"column {shown_name(name, place)}" if looks_like_number(name) else name


class PopstratError(Exception):
    """The base class of every error that popstrat raises.

    >>> import popstrat
    >>> try:
    ...     popstrat.score([1, 2], "2026-06-30")
    ... except popstrat.PopstratError as error:
    ...     print(type(error).__name__)
    InputError
    """


class InputError(PopstratError, ValueError):
    """The patient table, a column map or an argument is wrong (exit status 2 on the command line).

    Attributes: ``problem`` (one sentence), ``column``, ``rows`` (0-based positions in the batch or table; at most a
    few), ``more`` (how many other rows), ``file``, ``cells`` (what the cells should be, if that is the problem),
    ``hint`` (what you can do, at the end of the message). The message never has a patient identifier: a column name
    that looks like a number is not shown, although ``column`` has it.

    >>> import popstrat
    >>> people = {"patient_id": [1, 2, 2], "practice_code": ["Y00001"] * 3, "age": [40, 50, 60], "sex": ["female"] * 3}
    >>> try:
    ...     popstrat.score(people, "2026-06-30")
    ... except popstrat.InputError as error:
    ...     print(error.column, error.rows)
    patient_id (2,)
    """

    def __init__(
        self,
        problem: str,
        *,
        column: str | None = None,
        rows: Sequence[int] = (),
        more: int = 0,
        file: str | None = None,
        cells: str = "",
        hint: str = "",
    ) -> None:
        self.problem, self.column, self.file = problem, column, file
        self.cells, self.hint = cells, hint
        self.rows = tuple(int(r) for r in rows[:_ROWS_SHOWN])
        self.more = more + max(0, len(rows) - _ROWS_SHOWN)
        super().__init__(self._message())

    @property
    def count(self) -> int:
        """How many rows it concerns; 0 if it does not concern rows."""
        return len(self.rows) + self.more

    def record(self) -> dict[str, Any]:
        """The error as data: file, column, problem, the first rows (counted from 1) and their number."""
        name = None if self.column is None else WITHHELD if looks_like_number(self.column) else self.column
        rows = [r + 1 for r in self.rows]
        return {"file": self.file, "column": name, "problem": self.problem, "rows": rows, "count": self.count}

    def _message(self) -> str:
        parts = [p for p in (self.file, f"column {shown_name(self.column)}" if self.column else None) if p]
        text = ": ".join([*parts, self.problem])
        said = self.count == 1 and f"row {self.rows[0] + 1:,} " in self.problem  # row 2 repeats row 1
        if self.rows and not said:
            text += f" (row{'s' if len(self.rows) + self.more > 1 else ''} "
            text += ", ".join(f"{r + 1:,}" for r in self.rows)
            text += f" and {self.more:,} more)" if self.more else ")"
        return f"{text}; {self.hint}" if self.hint else text

    def located(self, file: str | None, first_row: int = 0) -> InputError:
        """The same error for a batch that starts at 0-based data row ``first_row`` of ``file``."""
        return self._with(rows=[r + first_row for r in self.rows], file=self.file or file)

    def hinted(self, hint: str) -> InputError:
        """The same error with a hint."""
        return self._with(hint=hint)

    def counted(self, rows: Sequence[int], more: int) -> InputError:
        """The same error for other rows."""
        return self._with(rows=rows, more=more)

    def about(self, column: str) -> InputError:
        """The same error for a column with another name."""
        return self._with(column=column)

    def saying(self, problem: str) -> InputError:
        """The same error in other words."""
        return self._with(problem=problem)

    def _with(self, **other: Any) -> InputError:
        said: dict[str, Any] = {
            "problem": self.problem, "column": self.column, "rows": self.rows, "more": self.more, "file": self.file,
            "cells": self.cells, "hint": self.hint,
        }  # fmt: skip
        return InputError(**(said | other))

    def among(self, places: Sequence[int]) -> InputError:
        """The same error for a batch whose row ``i`` is row ``places[i]`` of the one that the caller holds."""
        return self._with(rows=[places[r] for r in self.rows])


class FaultsError(InputError):
    """Several faults of the input, each an `InputError` of ``faults``; the message has a line for each."""

    def __init__(self, faults: Sequence[InputError]) -> None:
        self.faults = tuple(faults)
        files = {fault.file for fault in self.faults}
        where = f" in {len(files):,} files" if len(files) > 1 else ""
        super().__init__("\n  ".join([f"{len(self.faults):,} faults{where}:", *map(str, self.faults)]))

    def __reduce__(self) -> tuple[Any, ...]:
        return FaultsError, (self.faults,)


class NotInstalledError(InputError):
    """A library of an extra is missing; the message says how to install it."""


class ExposedError(InputError):
    """Counts that are to be withheld follow from what others know, whatever else is withheld."""


class PackError(PopstratError, ValueError):
    """A pack is wrong. The message points at the file, the line and the word (exit status 2).

    Attributes: ``file`` (the name of the pack, or of one that it extends) and ``line`` (from 1). Each is None if the
    problem has no single place.

    >>> import popstrat
    >>> try:
    ...     popstrat.load_pack("london-2062")
    ... except popstrat.PackError as error:
    ...     print(error)
    there is no pack 'london-2062' (did you mean 'london-2026'?); built in: ...
    """

    def __init__(self, message: str, *, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.file, self.line = file, line

    @classmethod
    def at(cls, file: str, line: int | None, told: str) -> PackError:
        """An error about one place of a pack."""
        return cls(f"{file}: {told}" if line is None else f"{file}:{line}: {told}", file=file, line=line)

    def __reduce__(self) -> tuple[Any, ...]:
        return _pack_error, (type(self), str(self), self.file, self.line)


def _pack_error(kind: type[PackError], message: str, file: str | None, line: int | None) -> PackError:
    return kind(message, file=file, line=line)


class ExpressionError(PopstratError, ValueError):
    """Something in an expression is wrong: ``start`` and ``end`` are character positions in its text; ``unknown`` is a
    function that is not known, if that is it.

    Who reads a pack turns it into a `PackError` that says where in the file.
    """

    def __init__(self, message: str, start: int = 0, end: int = 0, unknown: str = "") -> None:
        super().__init__(message)
        self.message, self.start, self.end, self.unknown = message, start, end, unknown


class TermError(PopstratError, ValueError):
    """A term of a model is written wrongly: ``text`` is what to point at, in the term called ``term``; or it is ``at``
    these keys below the model's table.

    Who reads a pack turns it into a `PackError` that says where in the file.
    """

    def __init__(self, message: str, text: str = "", term: str = "", at: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.text, self.term, self.at = text, term, at


class ColumnError(PopstratError, ValueError):
    """A table of an input column is at fault; ``text`` is the key or the value in it to point at.

    Who reads a pack turns it into a `PackError` that says where in the file.
    """

    def __init__(self, message: str, text: str = "") -> None:
        super().__init__(message)
        self.text = text


class RunError(PopstratError, RuntimeError):
    """A run went wrong in a way that neither the input nor the arguments explain (exit status 1)."""


class OutOfOrderError(PopstratError):
    """A row belongs to somebody whose results were given out already: the rows of ``table`` are not sorted by person.

    What was given out is incomplete. Fold again, with the table among those that are unsorted.
    """

    def __init__(self, table: str) -> None:
        super().__init__(f"{table}: the rows are not sorted by patient_id")
        self.table = table


class TraceError(PopstratError, AssertionError):
    """The trace, the reference and the engine do not agree: a fault of popstrat, never of the data."""


class ChunkError(PopstratError, ValueError):
    """A column chunk of a Parquet file is damaged or too large, or is written in a way that the engine does not read.

    If it is ``final``, who reads the file says so in an `InputError`; else pyarrow may be able to read it.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class ConflictError(PopstratError):
    """Two files of packs at odds over what holds: `one` writes `path`, `other` the same or, where it is given,
    `other_path`. The loader makes a `PackError` of it, with the lines."""

    def __init__(self, path: tuple[str, ...], one: Any, other: Any, other_path: tuple[str, ...] = ()) -> None:
        self.path, self.one, self.other, self.other_path = path, one, other, other_path or path
        super().__init__(path, one, other, other_path)

    def __str__(self) -> str:
        return ".".join(self.path)


class PopstratWarning(UserWarning):
    """The base class of every warning that popstrat gives.

    >>> import warnings
    >>> import popstrat
    >>> warnings.filterwarnings("ignore", category=popstrat.PopstratWarning)  # in a job whose warnings you know
    """


class DefinitionWarning(PopstratWarning):
    """No version of a definition is in force at the as-of date; the nearest one was used.

    >>> import pathlib, tempfile, warnings
    >>> import popstrat
    >>> text = '''
    ... [pack]
    ... id = "mine"
    ... version = "1"
    ... [definition.over_75]
    ... kind = "expression"
    ... title = "Over 75"
    ... source = "local"
    ... output = true
    ... version = "1"
    ... versions = [{ version = "1", effective_from = 2026-07-01, value = "age > 75" }]
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as warned:
    ...     warnings.simplefilter("always")
    ...     pack = pathlib.Path(folder, "mine.toml")
    ...     _ = pack.write_text(text)
    ...     scorer = popstrat.Scorer(pack, "2026-06-30")
    >>> print(warned[0].category.__name__, warned[0].message, sep=": ")
    DefinitionWarning: 1 definition has no version in force at 2026-06-30; the nearest was used: over_75
    """


class AsOfWarning(PopstratWarning):
    """No as-of date was given, so today was used. The same call may give other results tomorrow.

    >>> import warnings
    >>> import popstrat
    >>> with warnings.catch_warnings(record=True) as warned:
    ...     warnings.simplefilter("always")
    ...     scorer = popstrat.Scorer()
    >>> warned[0].category.__name__
    'AsOfWarning'
    """


class DataWarning(PopstratWarning):
    """The table can be scored, but something in it makes the results doubtful, such as an empty column.

    >>> import datetime as dt, warnings
    >>> import popstrat
    >>> from popstrat import synthetic
    >>> people = synthetic.table(200, seed=1, as_of=dt.date(2026, 6, 30))
    >>> with warnings.catch_warnings(record=True) as warned:
    ...     warnings.simplefilter("always")
    ...     scored = popstrat.score(people.rename_columns({"systolic_bp": "systolicbp"}), "2026-06-30")
    >>> {warning.category.__name__ for warning in warned}
    {'DataWarning'}
    """


class BusyError(PopstratError):
    """Another run is at work on an output; told to people as an `InputError` that names it."""


class NoLinksError(PopstratError):
    """The file system has no links, or none to these files: names can only be given one after another."""
