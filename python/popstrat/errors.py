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
_LONG_NUMBER = re.compile(r"[0-9](?:[\W_]{0,3}[0-9]){8}")
WITHHELD = "(name withheld: it looks like a number)"


def looks_like_number(name: str) -> bool:
    """Whether the name of a column may be somebody's number: it has digits and no letter at all, or nine digits or more
    with nothing but signs or spaces between them. So has what stands in the first line of a CSV without a header."""
    if name.isascii() and name.isidentifier() and sum(map(name.count, "0123456789")) < 9:
        return False
    plain = "".join(str(unicodedata.decimal(c, c)) for c in unicodedata.normalize("NFKC", name))
    some = any(c.isdigit() for c in plain)
    return (some and not any(c.isalpha() for c in plain)) or _LONG_NUMBER.search(plain) is not None


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
    """Anything that popstrat raises of its own."""


class InputError(PopstratError, ValueError):
    """The patient table, a mapping or an argument is at fault (exit status 2 on the command line).

    Attributes: ``problem`` (one sentence), ``column``, ``rows`` (0-based positions within the batch or table at
    hand; at most a few), ``more`` (how many rows beyond those), ``file``. The message never holds a patient identifier:
    the name of a column that looks like a number is withheld, though ``column`` has it.
    """

    def __init__(
        self,
        problem: str,
        *,
        column: str | None = None,
        rows: Sequence[int] = (),
        more: int = 0,
        file: str | None = None,
    ) -> None:
        self.problem, self.column, self.file = problem, column, file
        self.rows = tuple(int(r) for r in rows[:_ROWS_SHOWN])
        self.more = more + max(0, len(rows) - _ROWS_SHOWN)
        super().__init__(self._message())

    def _message(self) -> str:
        parts = [p for p in (self.file, f"column {shown_name(self.column)}" if self.column else None) if p]
        text = ": ".join([*parts, self.problem])
        if self.rows:
            text += f" (row{'s' if len(self.rows) + self.more > 1 else ''} "
            text += ", ".join(f"{r + 1:,}" for r in self.rows)
            text += f" and {self.more:,} more)" if self.more else ")"
        return text

    def located(self, file: str | None, first_row: int = 0) -> InputError:
        """The same error for a batch that starts at 0-based data row ``first_row`` of ``file``."""
        return InputError(
            self.problem,
            column=self.column,
            rows=[r + first_row for r in self.rows],
            more=self.more,
            file=self.file or file,
        )

    def among(self, places: Sequence[int]) -> InputError:
        """The same error for a batch whose row ``i`` is row ``places[i]`` of the one that the caller holds."""
        rows = [places[r] for r in self.rows]
        return InputError(self.problem, column=self.column, rows=rows, more=self.more, file=self.file)


class NotInstalledError(InputError):
    """A library of an extra is missing; the message says how to install it."""


class ExposedError(InputError):
    """Counts that are to be withheld follow from what others know, whatever else is withheld."""


class PackError(PopstratError, ValueError):
    """A definitions pack is at fault; the message points at the file, the line and the word (exit status 2)."""


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
    """Anything that popstrat warns of."""


class DefinitionWarning(PopstratWarning):
    """No version of a definition is in force at the as-of date; the nearest one was used."""


class DataWarning(PopstratWarning):
    """The table can be scored, and something in it makes the results doubtful: a column that holds nothing, say."""


class BusyError(PopstratError):
    """Another run is at work on an output; told to people as an `InputError` that names it."""


class NoLinksError(PopstratError):
    """The file system has no links, or none to these files: names can only be given one after another."""
