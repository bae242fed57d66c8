"""Values as doubles: numbers of any type, and text, with comparators, pairs and decimal commas.

Text that is no number is null, and counted.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from popstrat.core.arrow import from_numpy, is_text, numbers, valid
from popstrat.deriving.columns import Tally, coded_texts, having, rows_with
from popstrat.deriving.folds import beyond
from popstrat.deriving.layout import Taken, bare
from popstrat.errors import InputError
from popstrat.packs.spellings import Spelling, folded

_PLAIN = r"^-?[0-9]+(?:\.[0-9]+)?$"
_NUMBER = r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?"
_ONE = re.compile(rf"(>=|=>|≥|<=|=<|≤|>|<|=)?\s*({_NUMBER})")
_TWO = re.compile(rf"({_NUMBER})\s*/\s*({_NUMBER})")
_SIGNS = {"=>": ">=", "≥": ">=", "=<": "<=", "≤": "<="}
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+")


def values(
    column: pa.Array, name: str, how: Taken, comparator: pa.Array | None, tally: Tally
) -> tuple[pa.Array, pa.Array | None]:
    """Values as doubles, and the second ones of text (``128/76``), null where there are none.

    ``>90`` is the next double above 90 and ``<5`` the next below 5, so that a threshold at the number decides rightly.
    """
    if pt.is_dictionary(column.type) and not is_text(column.type):
        column = column.dictionary.take(column.indices)
    kind = column.type
    second = None
    if kind == pa.float64():
        found = column
    elif kind == pa.float32():
        found = _as_written(column)
    elif pt.is_integer(kind) or pt.is_decimal(kind) or pt.is_null(kind):
        found = column.cast(pa.float64(), safe=False)
    elif is_text(kind):
        found, second = _of_text(column, how.spelling, tally)
    else:
        raise InputError(f"is {kind}, and should be numbers", column=name)
    return (found if comparator is None else _beyond(found, comparator, how, tally)), second


def _of_text(column: pa.Array, how: Spelling, tally: Tally) -> tuple[pa.Array, pa.Array]:
    coded = coded_texts(column)
    texts = coded.dictionary
    odd = np.flatnonzero(~having(texts, _PLAIN))
    if not len(odd):
        return texts.cast(pa.float64()).take(coded.indices), pa.nulls(len(column), pa.float64())
    first, second = np.full(len(texts), np.nan), np.full(len(texts), np.nan)
    mask = np.ones(len(texts), np.bool_)
    mask[odd] = False
    if mask.any():
        first[mask] = numbers(texts.filter(from_numpy(mask)).cast(pa.float64()))
    why: dict[str, list[int]] = {}
    for at, text in zip(odd.tolist(), texts.take(from_numpy(odd)).to_pylist(), strict=True):
        one, two, reason = read_value(text, how)
        first[at] = math.nan if one is None else one
        second[at] = math.nan if two is None else two
        if reason:
            why.setdefault(reason, []).append(at)
    for reason, entries in why.items():
        tally.note(reason, len(rows_with(coded, entries)))
    return (
        from_numpy(first, np.isnan(first)).take(coded.indices),
        from_numpy(second, np.isnan(second)).take(coded.indices),
    )


@lru_cache(1 << 16)
def read_value(text: str | None, how: Spelling) -> tuple[float | None, float | None, str]:
    """The value that a text is, its second one, and what is to be counted: ``comparator``, ``pair``,
    ``decimal_comma``, or ``text_value`` for what is no value."""
    word = "" if text is None else folded(text)
    if not word or word in how.nulls:
        return None, None, ""
    if two := _TWO.fullmatch(word):
        one, other = _number(two[1], how), _number(two[2], how)
        return (one, other, "pair") if one is not None and other is not None else (None, None, "text_value")
    found = _ONE.fullmatch(word)
    number = _number(found[2], how) if found else None
    if found is None or number is None:
        return None, None, "text_value"
    if sign := found[1]:
        return beyond(number, _SIGNS.get(sign, sign)), None, "comparator" if sign != "=" else ""
    return number, None, "decimal_comma" if "," in found[2] and not how.decimal_comma else ""


def _number(word: str, how: Spelling) -> float | None:
    """A number with a point or a comma. ``1,200`` is 1200 to one and 1.2 to another, and neither here, unless the
    layout says which."""
    if "," in word:
        if not how.decimal_comma and _THOUSANDS.fullmatch(word):
            return None
        word = word.replace(",", ".")
    found = float(word)
    return found if math.isfinite(found) else None


def _beyond(column: pa.Array, comparator: pa.Array, how: Taken, tally: Tally) -> pa.Array:
    coded = coded_texts(comparator.cast(pa.string()) if not is_text(comparator.type) else comparator)
    signs = [how.comparators.get(bare(t or ""), _SIGNS.get(t or "", t or "")) for t in coded.dictionary.to_pylist()]
    for sign, to in ((">", np.inf), ("<", -np.inf)):
        mask = np.zeros(len(column), np.bool_)
        mask[rows_with(coded, [i for i, s in enumerate(signs) if s.strip() == sign])] = True
        mask &= valid(column)
        if mask.any():
            given = numbers(column.fill_null(np.nan))
            moved = np.where(mask, np.nextafter(given.astype(np.float32), np.float32(to)).astype(np.float64), given)
            column = from_numpy(moved, ~valid(column))
            tally.note("comparator", int(mask.sum()))
    return column


def _as_written(column: pa.Array) -> pa.Array:
    """32-bit floats as the doubles that are written the same: 7.2, and not 7.199999809."""
    known = numbers(column.fill_null(np.nan))
    distinct, places = np.unique(known, return_inverse=True)
    wide = np.array([float(str(v)) for v in distinct], np.float64)
    found = wide[places]
    return from_numpy(found, np.isnan(found))
