"""What a flag may hold: true or false, in any of their spellings. A flag is never implausible.

A number other than 0 and 1 may be a count, a code or another program's "true", and a guess either way would take a
diagnosis from somebody or give them one. So it stops the run, as a word does that is no spelling of true or false. NaN
is no record.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from popstrat.core.arrow import is_text, numbers
from popstrat.core.lazy import compute as pc
from popstrat.errors import InputError

TRUE = ("true", "t", "yes", "y", "1")
FALSE = ("false", "f", "no", "n", "0")
"""How true and false are spelt in text, in any case and with blanks around."""

_NAMED = 5


def other_numbers(numbers: pa.Array) -> NDArray[np.bool_]:
    """The rows whose number is neither 0 nor 1; not those of a null or a NaN."""
    if len(numbers) == numbers.null_count:
        return np.zeros(len(numbers), np.bool_)
    values: NDArray[Any] = numbers.fill_null(0).to_numpy(zero_copy_only=False)
    other: NDArray[np.bool_] = (values != 0) & (values != 1) & (values == values)
    return other


def refuse_other_numbers(numbers: pa.Array, name: str) -> None:
    """Raise `InputError` naming the column and its first rows where a flag's number is neither 0 nor 1."""
    rows = np.flatnonzero(other_numbers(numbers))
    if len(rows):
        raise InputError(
            "a number other than 0 and 1 in a flag, which is true or false; a map can say what it means "
            f"([values.{name}])",
            column=name,
            rows=rows[:_NAMED].tolist(),
            more=max(0, len(rows) - _NAMED),
        )


def true_rows(flags: pa.Array, name: str) -> pa.Array:
    """Where a flag held as booleans or numbers is true, without nulls. Raises as `refuse_other_numbers`."""
    if not pt.is_boolean(flags.type):
        refuse_other_numbers(flags, name)
        flags = pc.equal(flags, pa.scalar(1, flags.type))
    return pc.and_kleene(flags.is_valid(), flags)  # of what is null, false


def anybody(flags: pa.Array, truth: bool) -> bool:
    """Whether a flag in any of the types that are read is true, or false, in any row."""
    if isinstance(flags, pa.BooleanArray):
        return (flags.true_count if truth else flags.false_count) > 0  # type: ignore[no-any-return]
    kind = flags.type
    if flags.null_count == len(flags):
        return False
    if pt.is_dictionary(kind):
        flags = flags.cast(pa.large_string())
    if is_text(flags.type):
        text = pc.ascii_lower(pc.ascii_trim_whitespace(flags.cast(pa.large_string())))
        words = pa.array(TRUE if truth else FALSE, pa.large_string())
        return bool(pc.any(pc.is_in(text, words)).as_py())
    if pt.is_decimal(kind):
        flags = flags.cast(pa.float64())
    return bool((numbers(flags.drop_null()) == int(truth)).any())
