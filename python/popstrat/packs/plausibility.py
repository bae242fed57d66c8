"""Why a value was set aside: the reasons, their bits in `quality_flags`, and how they read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from popstrat.errors import InputError
from popstrat.packs.patient_table import Column, Schema

FLAG_REASON = "neither true nor false"
LABEL_REASON = "unknown label"
WHOLE_REASON = "not a whole number"
FUTURE_REASON = "after the as-of date"
BIRTH_REASON = "before the date of birth"
AGE_REASON = "more than a year from what the date of birth gives"
_FEW_DATES = 2  # columns that are warned of one by one
_SUSPECT_ROWS, _SUSPECT_SHARE = 10, 0.01
_DISORDERED_ROWS, _DISORDERED_SHARE = 10, 0.005
_LEAST_PAIRS = 20
_LAST_BIT = 63

Disorder = Mapping[str, Mapping[str, int]]
"""Column that lies below another in the same row → ``both``: rows that hold both; ``not_below``: rows where it does
not lie below."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One way in which a column's value can be implausible; `bit` is its place in `quality_flags`, None for a value
    that would not be used in any case, and is only counted."""

    column: str
    text: str
    bit: int | None


def _number(x: float) -> str:
    return f"{x:,.0f}" if float(x).is_integer() else f"{x:g}"


def range_reason(column: Column) -> str:
    """How being outside the plausible range reads, with the unit."""
    low, high = column.bounds if column.type == "int" else (column.minimum, column.maximum)
    if low is None and high is None:
        return "not a finite number"
    unit = f" {column.unit}" if column.unit else ""
    if low is None:
        return f"over {_number(high or 0)}{unit}"
    if high is None:
        return f"under {_number(low)}{unit}"
    return f"outside {_number(low)} to {_number(high)}{unit}"


def _texts(column: Column, schema: Schema) -> list[str]:
    match column.type:
        case "int" | "float":
            return [range_reason(column), WHOLE_REASON] if column.strict else [range_reason(column)]
        case "category":
            return [LABEL_REASON]
        case "date":
            born = any(c.completed_years_since == column.name for c in schema)
            if born:
                return [FUTURE_REASON, early_reason(column, schema)]
            return [FUTURE_REASON, early_reason(column, schema), BIRTH_REASON]
        case _:
            return []


def order_reason(column: Column) -> str:
    """How lying after the date that it may not lie after reads."""
    return f"after {column.not_after}"


def _texts_of_others(column: Column) -> list[str]:
    """The reasons that another column of the same row gives, and that release 0.1 did not have."""
    if column.completed_years_since:
        return [AGE_REASON]
    return [order_reason(column)] if column.not_after else []


def suspicions(
    quality: Mapping[str, Mapping[str, int]],
    recorded: Mapping[str, int],
    schema: Schema,
    converted: Collection[str] = (),
    shown: Callable[[int], str] = "{:,}".format,
) -> list[str]:
    """A warning for each reason that set aside so many values that the extract, and not some records, is at fault.
    ``converted`` are the columns whose unit a map changes; ``shown`` is how a count is written. Dates after the as-of
    date in several columns have one cause and one warning.

    That is at least 1% of the values ``recorded`` in the column and at least 10 of them (an *assumption*: of records
    typed in by hand some tenths of a per cent are implausible).
    """
    found = []
    late = {}
    for column, counts in quality.items():
        for reason, count in counts.items():
            values = max(recorded.get(column, 0), count)
            if count >= max(_SUSPECT_ROWS, _SUSPECT_SHARE * values):
                if reason == FUTURE_REASON:
                    late[column] = count
                share = f"{100 * count / values:.1f}% of those recorded"
                doubt = _doubt(schema[column], reason)
                if column in converted:
                    doubt = f"are they in {schema[column].unit} before [units] of the map converts them?"
                found.append(f"{column}: {shown(count)} values ({share}) are {reason} and set aside: {doubt}")
    if len(late) > _FEW_DATES:
        each = ", ".join(f"{column} {shown(count)}" for column, count in late.items())
        asked = "is the as-of date that of the extract?"
        one = f"values of {len(late)} columns are {FUTURE_REASON} and set aside: {asked} ({each})"
        found = [one, *(told for told in found if FUTURE_REASON not in told)]
    return found


def refuse_disorder(found: Disorder, schema: Schema) -> None:
    """Raise `InputError` where a column that lies below another one does not in most rows: the two are exchanged.

    "Most" is over half of the rows that hold both, of which there are at least 20: of fewer, a few odd ones would do.
    """
    for name, counts in found.items():
        both, wrong = counts["both"], counts["not_below"]
        if both >= _LEAST_PAIRS and 2 * wrong > both:
            told = f"is at or above {schema[name].below} in {wrong:,} of {both:,} rows that hold both"
            raise InputError(f"{told}: are the two columns swapped?", column=name)


def disorder_remarks(found: Disorder, schema: Schema, where: str = "") -> list[str]:
    """A warning where a column that lies below another does not in so many rows that part of the extract is at fault.

    That is in at least 10 rows and in one of 200 that hold both: of readings typed in by hand about one in a thousand
    is exchanged (an *assumption*), and a practice whose columns are exchanged makes up more than that of most lists.
    """
    told = []
    for name, counts in found.items():
        both, wrong = counts["both"], counts["not_below"]
        if wrong >= max(_DISORDERED_ROWS, _DISORDERED_SHARE * both):
            many = f"{wrong:,} rows ({100 * wrong / both:.1f}% of those that hold both)"
            told.append(f"{name} is at or above {schema[name].below} in {many}{where}: are the two columns swapped?")
    return told


def _doubt(column: Column, reason: str) -> str:
    if reason in (FUTURE_REASON, AGE_REASON):
        return "is the as-of date that of the extract?"
    if column.not_after and reason == order_reason(column):
        return f"is it exchanged with {column.not_after}?"
    if column.type == "category":
        return "are its labels mapped?"
    if column.mistaken_for:
        return f"is it {column.mistaken_for}?"
    return f"is it in {column.unit}?" if column.unit else "is it the right column?"


def early_reason(column: Column, schema: Schema) -> str:
    """How being too long ago reads."""
    ages = [c for c in schema if c.completed_years_since == column.name and c.maximum is not None]
    if ages:
        return f"over {_number(ages[0].maximum or 0)} years ago or before {schema.earliest_date.year}"
    return f"before {schema.earliest_date.year}"


def reasons(schema: Schema) -> dict[tuple[str, str], Reason]:
    """Every (column, reason) with its bit of `quality_flags`.

    A bit keeps its meaning from release to release. Bit 0 is shared by all flags. The columns of release 0.1 have a bit
    for each reason, in their order, a fraction that of the range it is no whole number of; those added since
    (`Schema.added`, a pack's own last) one for all their reasons, in the order in which they were added. What finds the
    bits up to 62 taken shares bit 63, as do the reasons that another column gives (`_texts_of_others`).
    """
    added = dict.fromkeys(schema.added)
    found: dict[tuple[str, str], Reason] = {}
    bit = 1
    for column in [*(c for c in schema if c.name not in added), *(schema[name] for name in added)]:
        if column.type == "bool":
            found[column.name, FLAG_REASON] = Reason(column.name, FLAG_REASON, 0)
        texts, others = _texts(column, schema), _texts_of_others(column)
        own = [0] * len(texts) if column.name in added or column.strict else range(len(texts))
        for text, step in zip(texts, own, strict=True):
            found[column.name, text] = Reason(column.name, text, min(bit + step, _LAST_BIT))
        for text in others:
            later = min(bit, _LAST_BIT) if column.name in added else _LAST_BIT
            found[column.name, text] = Reason(column.name, text, None if text == AGE_REASON else later)
        bit += max(own, default=-1) + 1
    return found


def bit_names(schema: Schema) -> dict[str, int]:
    """The bit of `quality_flags` that each reason sets, for the run record; several reasons may set the same."""
    names = {f"any flag: {FLAG_REASON}": 0}
    for reason in reasons(schema).values():
        if reason.bit:
            names[f"{reason.column}: {reason.text}"] = reason.bit
    return names
