"""The keys by which patients are told apart: compared as whole numbers, or as text where any of the files has text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.arrow import is_text, plain
from popstrat.errors import InputError
from popstrat.packs.patient_table import ID
from popstrat.upload.batches import ROWS_NAMED

_CANONICAL = "^(0|-?[1-9][0-9]{0,19})$"


class Keyed(Protocol):
    """A file with keys: a scored table, a lookup."""

    @property
    def name(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def text_keys(self) -> bool: ...


@dataclass(frozen=True)
class KeyRule:
    """How the keys of all files of an upload are compared.

    ``text``: whether as text. ``mixed``: what to say of a text key such as 007 where another file has whole numbers,
    None if the keys of all files are of one kind.
    """

    text: bool
    mixed: str | None

    @property
    def type(self) -> pa.DataType:
        return pa.string() if self.text else pa.int64()

    def read(self, column: pa.Array, name: str = ID) -> pa.Array:
        """The keys of a batch as they are compared. Raises `InputError`, with rows of the batch, for one that is not
        its whole number's own text where the kinds are mixed."""
        if self.mixed is not None:
            _refuse_not_canonical(column, self.mixed, name)
        return self.cast(column)

    def cast(self, column: pa.Array) -> pa.Array:
        """The keys of a batch as they are compared, unchecked. Raises ``pa.ArrowInvalid`` for text as whole numbers."""
        return as_text(column) if self.text else plain(column).cast(pa.int64())


def key_rule(files: Sequence[Keyed]) -> KeyRule:
    """How these files' keys are compared.

    Raises `InputError` if some have text and others whole numbers, but for a CSV, which has no types.
    """
    kinds = {file.name: file.text_keys for file in files}
    text, whole = ([name for name, is_text in kinds.items() if is_text is kind] for kind in (True, False))
    if not text or not whole:
        return KeyRule(bool(text), None)
    if not any(file.format == "csv" for file in files):
        raise InputError(
            f"keys are text in {', '.join(text)} and whole numbers in {', '.join(whole)}, where 007 and 7 would be "
            "one: give the lookup, and every table, the keys as they are in the scored table",
            column=ID,
            file=whole[0],
        )
    return KeyRule(
        True,
        f"keys are text in {', '.join(text)} and whole numbers in {', '.join(whole)}, and this one is not a whole "
        "number's own text: give the lookup, and every table, the keys as they are in the scored table",
    )


def refuse_repeated(keys: pa.Array, file: str) -> None:
    """Raise `InputError` if a key is there twice."""
    if pc.count_distinct(keys).as_py() != len(keys):
        raise InputError("a key occurs more than once", column=ID, file=file)


def as_text(column: pa.Array) -> pa.Array:
    """A column of text of any kind, or of whole numbers, as plain text."""
    column = plain(column)
    return column.cast(pa.large_string()).cast(pa.string()) if is_text(column.type) else column.cast(pa.string())


def _refuse_not_canonical(column: pa.Array, problem: str, name: str) -> None:
    """Raise `InputError` with rows where a text key is not its whole number's own text, as "007" and " 7" are not."""
    if pa.types.is_integer(column.type):
        return
    odd = np.flatnonzero(~np.asarray(pc.match_substring_regex(as_text(column), _CANONICAL)))
    if len(odd):
        raise InputError(problem, column=name, rows=odd[:ROWS_NAMED].tolist(), more=len(odd[ROWS_NAMED:]))
