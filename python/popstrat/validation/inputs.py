"""The scored table, the outcomes and the patient list, joined by patient: from Arrow tables to arrays.

Nobody is passed over in silence. A patient with a risk but without an outcome, or an outcome of a patient who was not
scored, stops the validation unless that is allowed by name, and is then counted; a missing outcome never
counts as no event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.bind import bind_column, label_numbers
from popstrat.core.arrow import is_text, without_views
from popstrat.core.text import suggest
from popstrat.engine import CODE_NULL, CODE_UNKNOWN
from popstrat.errors import InputError
from popstrat.ids import IdBatch, UniqueIds
from popstrat.packs.flags import FALSE, TRUE, refuse_other_numbers
from popstrat.schema import Column, patient_schema
from popstrat.validation.measures import Floats
from popstrat.validation.results import Grouping

ID = "patient_id"
PRACTICE = "practice_code"
NOT_RECORDED = "not recorded"
_MOST_LABELS = 60

_AGE_BANDS = ((0, 18, "under 18"), (18, 40, "18–39"), (40, 55, "40–54"), (55, 65, "55–64"), (65, 75, "65–74"),
              (75, 85, "75–84"), (85, 1000, "85 and over"))  # fmt: skip
_ETHNIC_GROUPS = {
    "White": "ABC", "Mixed": "DEFG", "Asian or Asian British": "HJKL", "Black or Black British": "MNP",
    "Chinese or other": "RS",
}  # fmt: skip
_QUINTILES = ("1 (most deprived)", "2", "3", "4", "5 (least deprived)")
_LTC_COUNTS = ("0", "1", "2", "3", "4", "5 or more")

GROUPS: Mapping[str, tuple[str, str]] = {
    "sex": ("sex", "Sex"),
    "age": ("age", "Age"),
    "ethnicity": ("ethnicity", "Ethnic group (2001 census)"),
    "deprivation": ("imd_decile", "Deprivation quintile (IMD)"),
    "ltc_count": ("ltc_count", "Long-term conditions"),
    "frailty": ("frailty_category", "Frailty"),
    "place": ("place", "Place"),
}
"""The usual groups: the column each is made from, and its title."""
LIST_COLUMNS = ("sex", "ethnicity", "imd_decile", "place")
"""What is taken from the patient list where the scored table does not have it."""


@dataclass(frozen=True)
class Spec:
    """What to validate against what: column names, the horizon (days), and who may be left out.

    ``competing`` is a column of the outcomes and the values of it that rule the event out, such as ("censoring",
    ("died",)). ``by`` names further columns of the scored table or the list to divide people by.
    """

    risk: str = "admission_risk"
    column: str | None = None
    time_column: str | None = None
    event_column: str | None = None
    horizon: float = 365
    competing: tuple[str, tuple[str, ...]] | None = None
    by: tuple[str, ...] = ()
    allow_missing: bool = False
    allow_unknown: bool = False

    def __post_init__(self) -> None:
        if (self.time_column is None) != (self.event_column is None):
            raise InputError("--time-column and --event-column go together: give both or neither")
        if self.time_column is None and self.column is None:
            raise InputError("needs --column, or --time-column and --event-column: what is the outcome?")
        if self.competing is not None and self.time_column is None:
            raise InputError("--competing needs --time-column and --event-column")
        if not (self.horizon > 0 and np.isfinite(self.horizon)):
            raise InputError("--horizon must be more than 0 days")

    @property
    def outcome_columns(self) -> tuple[str, ...]:
        """Columns read from the outcome file."""
        named = (self.column, self.time_column, self.event_column, self.competing[0] if self.competing else None)
        return tuple(dict.fromkeys((ID, *(n for n in named if n is not None))))

    @property
    def scored_columns(self) -> tuple[str, ...]:
        """Columns read from the scored table, those that it has."""
        return tuple(dict.fromkeys((ID, PRACTICE, self.risk, *(c for c, _ in GROUPS.values()), *self.by)))


@dataclass(frozen=True)
class Joined:
    """Everybody with a risk and a known outcome, and how many others there were.

    ``counts``: scored (rows), without_risk, without_outcome (with a risk), unknown (outcomes of patients not scored),
    not_listed (not on the list), assessed.
    """

    risk: Floats
    outcome: npt.NDArray[np.bool_] | None
    time: Floats | None
    event: npt.NDArray[np.bool_] | None
    competing: npt.NDArray[np.bool_] | None
    groups: Mapping[str, Grouping]
    practices: Grouping | None
    counts: Mapping[str, int]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Names:
    """What the three tables are called in messages."""

    scored: str | None = None
    outcomes: str | None = None
    patients: str | None = None


@dataclass
class Table:
    """A table with the name of its file, whose faults name it."""

    data: pa.Table
    name: str | None
    ids: pa.Array = field(init=False)

    def __post_init__(self) -> None:
        names = self.data.column_names
        twice = next((n for n in names if names.count(n) > 1), None)
        if twice is not None:
            raise InputError(f"appears {names.count(twice)} times", column=twice, file=self.name)
        self.ids = self._unique_ids()

    def column(self, name: str) -> pa.Array:
        """A column in one piece, without a dictionary. Raises `InputError` if it is missing."""
        if name not in self.data.column_names:
            raise InputError(f"is missing{suggest(name, self.data.column_names)}", column=name, file=self.name)
        column = self.data.column(name)
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if is_text(kind):
            kind = pa.large_string()
        chunks = [without_views(c) if is_text(c.type) else c for c in column.chunks]
        return pa.chunked_array([c if c.type == kind else c.cast(kind) for c in chunks], kind).combine_chunks()

    def fault(self, problem: str, column: str, bad: npt.NDArray[np.bool_] | None = None) -> InputError:
        rows = np.flatnonzero(bad) if bad is not None else np.zeros(0, np.int64)
        return InputError(problem, column=column, rows=rows[:5].tolist(), more=max(0, len(rows) - 5), file=self.name)

    def _unique_ids(self) -> pa.Array:
        ids = self.column(ID)
        if not (pa.types.is_integer(ids.type) or is_text(ids.type) or pa.types.is_null(ids.type)):
            raise self.fault(f"a whole number or text is needed, and the column is of type {ids.type}", ID)
        if pa.types.is_null(ids.type):
            ids = ids.cast(pa.int64())
        batch = IdBatch(ids)
        with UniqueIds(column=ID, files=[self.name] if self.name else []) as unique:
            try:
                unique.add(batch)
                unique.finish(lambda: [batch])
            except InputError as error:
                raise error.located(self.name) from None
        return ids

    def numbers(self, name: str, what: str) -> Floats:
        """A column as doubles, nulls and NaN as NaN. Raises `InputError` if it is not one of numbers."""
        column = self.column(name)
        kind = column.type
        if is_text(kind):
            column = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
            try:
                column = column.cast(pa.float64())
            except pa.ArrowInvalid:
                values = column.to_pylist()
                raise self.fault(f"{what} is needed", name, np.array([not _number(v) for v in values])) from None
        elif pa.types.is_decimal(kind):
            column = column.cast(pa.float64())
        elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
                  or pa.types.is_null(kind)):  # fmt: skip
            raise self.fault(f"{what} is needed, and the column is of type {kind}", name)
        found = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return np.asarray(found, dtype=np.float64)

    def flags(self, name: str, *, counts: bool) -> Floats:
        """A column of true and false, 1 and 0 (or counts, where over 0 is true) as 1 and 0; nulls as NaN."""
        column = self.column(name)
        what = "true, false, 1 or 0" + (", or a count" if counts else "")
        if is_text(column.type):
            text = pc.utf8_lower(pc.utf8_trim_whitespace(column))
            words = pc.is_in(text, value_set=pa.array(TRUE + FALSE, text.type))
            if pc.all(pc.or_kleene(words, pc.or_kleene(text.is_null(), pc.equal(text, "")))).as_py() is not False:
                yes = pc.is_in(text, value_set=pa.array(TRUE, text.type)).to_numpy(zero_copy_only=False)
                return np.where(words.to_numpy(zero_copy_only=False), yes.astype(np.float64), np.nan)
        values = self.numbers(name, what)
        known = ~np.isnan(values)
        bad = known & ~((values >= 0) & (values == np.floor(values)) & (values < (np.inf if counts else 2)))
        if bad.any():
            raise self.fault(f"{what} is needed", name, bad)
        return np.where(known, (values > 0).astype(np.float64), np.nan)

    def refuse_odd_flags(self, names: Sequence[str]) -> None:
        """Raise `InputError` where one of these columns is a flag of the patient table and holds other numbers than 0
        and 1."""
        known = patient_schema().columns
        for name in names:
            if name in self.data.column_names and name in known and known[name].type == "bool":
                values = self.column(name)
                kind = values.type
                if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
                    try:
                        refuse_other_numbers(values.cast(pa.float64(), safe=False), name)
                    except InputError as error:
                        raise error.located(self.name) from None


def join(
    scored: pa.Table, outcomes: pa.Table, patients: pa.Table | None, spec: Spec, names: Names | None = None
) -> Joined:
    """Join the outcomes (and the list) to the scored table and clean what is needed.

    Raises `InputError` for what `Spec` does not allow: see there and the module.
    """
    names = names or Names()
    table, ends = Table(scored, names.scored), Table(outcomes, names.outcomes)
    risk = table.numbers(spec.risk, "a probability")
    bad = ~np.isnan(risk) & ~((risk >= 0) & (risk <= 1))
    if bad.any():
        raise table.fault("a probability between 0 and 1 is needed", spec.risk, bad)
    with_risk = ~np.isnan(risk)
    if not len(risk):
        raise InputError("has no rows", file=names.scored)
    if not with_risk.any():
        raise table.fault("is null in every row: nobody to validate", spec.risk)

    if not len(ends.ids):
        raise InputError("has no rows", file=names.outcomes)
    place = places(table.ids, ends.ids)
    unknown = len(ends.ids) - int(np.sum(place >= 0))
    if unknown == len(ends.ids):
        raise InputError(f"no patient of it is in {names.scored or 'the scored table'}: is it the right file?",
                         column=ID, file=names.outcomes)  # fmt: skip
    if unknown and not spec.allow_unknown:
        raise InputError(
            f"{unknown:,} of {len(ends.ids):,} patients are not in {names.scored or 'the scored table'}; "
            "if that is as it should be (for example after opt-outs), say --allow-unknown",
            column=ID,
            file=names.outcomes,
        )
    found = happened(ends, spec)
    here = {name: _taken(values, place) for name, values in found.items()}
    known = place >= 0
    for values in here.values():
        known &= ~np.isnan(values)
    missing = with_risk & ~known
    if missing.any() and not spec.allow_missing:
        rows = np.flatnonzero(missing)
        raise InputError(
            f"{len(rows):,} of {int(with_risk.sum()):,} patients with a risk have no outcome in "
            f"{names.outcomes or 'the outcomes'}; they cannot count as free of it. If they were lost to follow-up, "
            "--time-column and --event-column make use of them; --allow-missing leaves them out",
            rows=rows[:5].tolist(),
            more=max(0, len(rows) - 5),
            file=names.scored,
        )
    chosen = with_risk & known
    if not chosen.any():
        raise InputError("no patient has both a risk and an outcome", file=names.scored)
    outcome = here["outcome"][chosen] == 1 if "outcome" in here else None
    time = event = competing = None
    if spec.time_column is not None:
        time, event = here["time"][chosen], here["event"][chosen] == 1
        competing = here["competing"][chosen] == 1 if "competing" in here else None
    _refuse_constant(spec, outcome, time, event, competing, names.outcomes)

    rows = np.flatnonzero(chosen)
    other = Table(patients, names.patients) if patients is not None else None
    groups, not_listed = _groupings(table, other, rows, spec)
    practices = None
    if PRACTICE in scored.column_names:
        practices = _labelled(table.column(PRACTICE).take(pa.array(rows)), "Practice")
    notices = []
    if not_listed:
        notices.append("Some patients with a score are not on the list given; their groups read 'not recorded'.")
    missing_groups = [title for name, (column, title) in GROUPS.items() if name not in groups]
    if missing_groups:
        notices.append(f"Not divided by {', '.join(missing_groups)}: no such column (a list of patients may have it).")
    return Joined(
        risk=risk[chosen],
        outcome=None if time is not None else outcome,
        time=time,
        event=event,
        competing=competing,
        groups=groups,
        practices=practices,
        counts={
            "scored": len(risk),
            "without_risk": int((~with_risk).sum()),
            "without_outcome": int(missing.sum()),
            "unknown": unknown,
            "not_listed": not_listed,
            "assessed": len(rows),
        },
        notices=tuple(notices),
    )


def happened(ends: Table, spec: Spec) -> dict[str, Floats]:
    """What happened, one value for each row of the outcomes; NaN where it is not known."""
    found: dict[str, Floats] = {}
    if spec.column is not None:
        found["outcome"] = ends.flags(spec.column, counts=True)
    if spec.time_column is None or spec.event_column is None:
        return found
    time = ends.numbers(spec.time_column, "a number of days")
    bad = (time < 0) | np.isinf(time)
    if bad.any():
        raise ends.fault("a time may not be negative or infinite", spec.time_column, bad)
    event = ends.flags(spec.event_column, counts=False)
    if "outcome" in found:
        early = (event == 1) & (time <= spec.horizon)
        differ = ~np.isnan(event) & ~np.isnan(time) & ~np.isnan(found["outcome"]) & ((found["outcome"] == 1) != early)
        if differ.any():
            raise ends.fault(
                f"says otherwise than {spec.time_column!r} and {spec.event_column!r} by day {spec.horizon:g}",
                str(spec.column), differ,
            )  # fmt: skip
        del found["outcome"]
    found.update(time=time, event=event)
    if spec.competing is not None:
        column, values = spec.competing
        text = ends.column(column).cast(pa.large_string())
        for value in values:
            if not pc.any(pc.equal(text, value)).as_py():
                raise ends.fault(f"holds no {value!r} in any row", column)
        hit = pc.is_in(text, value_set=pa.array(values, text.type))
        found["competing"] = hit.to_numpy(zero_copy_only=False).astype(np.float64)
    return found


def _refuse_constant(
    spec: Spec,
    outcome: npt.NDArray[np.bool_] | None,
    time: Floats | None,
    event: npt.NDArray[np.bool_] | None,
    competing: npt.NDArray[np.bool_] | None,
    file: str | None,
) -> None:
    if time is None or event is None:
        assert outcome is not None
        if not outcome.any() or outcome.all():
            who = "nobody" if not outcome.any() else "everybody"
            raise InputError(f"is constant: {who} has the outcome", column=spec.column, file=file)
        return
    early = event & (time <= spec.horizon)
    if not early.any():
        raise InputError(
            f"is constant: nobody has the event by day {spec.horizon:g}", column=spec.event_column, file=file
        )
    if early.all():
        raise InputError(
            f"is constant: everybody has the event by day {spec.horizon:g}", column=spec.event_column, file=file
        )
    other = np.zeros(len(time), bool) if competing is None else competing
    if not np.any((time >= spec.horizon) & ~early) and not np.any(other & ~early):
        raise InputError(
            f"nobody is followed to day {spec.horizon:g}; give a shorter --horizon", column=spec.time_column, file=file
        )


def places(wanted: pa.Array, among: pa.Array) -> npt.NDArray[np.int64]:
    """For each id its row among others, −1 if it is not there. Ids of numbers and of text compare as text."""
    if pa.types.is_integer(wanted.type) and pa.types.is_integer(among.type):
        kind = pa.int64() if pa.uint64() not in (wanted.type, among.type) else pa.uint64()
        try:
            wanted, among = wanted.cast(kind), among.cast(kind)
        except pa.ArrowInvalid:  # beyond 63 bits on one side, negative on the other
            wanted, among = wanted.cast(pa.large_string()), among.cast(pa.large_string())
    else:
        wanted, among = wanted.cast(pa.large_string()), among.cast(pa.large_string())
    if wanted.equals(among):
        return np.arange(len(wanted))
    found = pc.index_in(wanted, value_set=among).fill_null(-1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def _taken(values: Floats, place: npt.NDArray[np.int64]) -> Floats:
    return np.where(place >= 0, values[place], np.nan)


def _number(value: str | None) -> bool:
    try:
        return value is None or bool(float(value)) or True
    except ValueError:
        return False


def _groupings(
    table: Table, other: Table | None, rows: npt.NDArray[np.int64], spec: Spec
) -> tuple[dict[str, Grouping], int]:
    """The groups that the columns at hand give, for the chosen rows; and how many of these are not on the list."""
    at = pa.array(rows)
    not_listed = 0
    for one in (table, other):
        if one is not None:
            one.refuse_odd_flags(spec.by)
    place: npt.NDArray[np.int64] | None = None
    if other is not None:
        place = places(table.ids.take(at), other.ids)
        not_listed = int(np.sum(place < 0))
        if not_listed == len(rows):
            raise InputError("has none of the patients with a risk: is it the right list?", column=ID, file=other.name)

    def column(name: str) -> tuple[pa.Array, str | None] | None:
        if name in table.data.column_names:
            return table.column(name).take(at), table.name
        if other is not None and name in other.data.column_names:
            assert place is not None
            return other.column(name).take(pa.array(place, mask=place < 0)), other.name
        return None

    found: dict[str, Grouping] = {}
    for name, (source, title) in GROUPS.items():
        values = column(source)
        if values is not None:
            try:
                found[name] = _MAKERS[name](values[0], title)
            except InputError as error:
                raise error.located(values[1]) from None
    for name in spec.by:
        values = column(name)
        if values is None:
            raise InputError("is neither in the scored table nor on the list", column=name)
        if name not in found:
            grouping = _labelled(values[0], name.replace("_", " ").capitalize())
            if len(grouping.labels) > _MOST_LABELS:
                raise InputError(
                    f"has {len(grouping.labels):,} different values, too many to divide by (at most {_MOST_LABELS})",
                    column=name,
                    file=values[1],
                )
            found[name] = grouping
    return found, not_listed


def _cut(values: pa.Array, name: str) -> Floats:
    """A column of the patient table's numbers; NaN where null or implausible."""
    column = patient_schema().columns.get(name)
    if column is None:
        column = Column(name=name, group="", type="int", title=name, dtype=pa.int32())
    binding = bind_column(column, 0, values.type)
    converted = binding.convert(values) if binding.convert is not None else values
    numbers = np.array(converted.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    if column.minimum is not None and column.maximum is not None:
        numbers[~((numbers >= column.minimum) & (numbers <= column.maximum))] = np.nan
    return numbers


def _codes(values: Floats, edges: Sequence[float], labels: Sequence[str], title: str) -> Grouping:
    known = ~np.isnan(values)
    codes = np.where(known, np.digitize(np.where(known, values, 0), edges), len(labels))
    return Grouping(codes.astype(np.int32), (*labels, NOT_RECORDED), title)


def _age(values: pa.Array, title: str) -> Grouping:
    return _codes(_cut(values, "age"), [b[1] for b in _AGE_BANDS[:-1]], [b[2] for b in _AGE_BANDS], title)


def _quintile(values: pa.Array, title: str) -> Grouping:
    return _codes(_cut(values, "imd_decile"), [3, 5, 7, 9], _QUINTILES, title)


def _ltc(values: pa.Array, title: str) -> Grouping:
    return _codes(_cut(values, "ltc_count"), [1, 2, 3, 4, 5], _LTC_COUNTS, title)


def _category(values: pa.Array, name: str, *, group: Mapping[str, str] | None, title: str) -> Grouping:
    """A category of the patient table by its labels, or by groups of them; unknown labels are not recorded."""
    column = patient_schema()[name]
    binding = bind_column(column, 0, values.type)
    converted = binding.convert(values) if binding.convert is not None else values
    coded = converted.dictionary_encode()
    numbers = label_numbers(binding.spellings, coded.dictionary)
    labels = list(dict.fromkeys(group.values())) if group else list(column.labels)
    nowhere = len(labels)
    target = np.full(256, nowhere, dtype=np.int32)
    for i, label in enumerate(column.labels):
        target[i] = labels.index(group[label]) if group and label in group else nowhere if group else i
    null = labels.index(column.null_is) if column.null_is in labels else nowhere
    target[CODE_NULL] = null
    target[CODE_UNKNOWN] = null
    indices = np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False))
    by_entry = np.concatenate([target[numbers], [null]]).astype(np.int32)
    return Grouping(by_entry[indices], (*labels, NOT_RECORDED), title)


def _sex(values: pa.Array, title: str) -> Grouping:
    return _category(values, "sex", group=None, title=title)


def _ethnicity(values: pa.Array, title: str) -> Grouping:
    groups = {code: name for name, codes in _ETHNIC_GROUPS.items() for code in codes}
    return _category(values, "ethnicity", group=groups, title=title)


def _frailty(values: pa.Array, title: str) -> Grouping:
    labelled = _labelled(values, title)
    order = [f for f in (*patient_schema()["frailty"].labels, NOT_RECORDED) if f in labelled.labels]
    order += [label for label in labelled.labels if label not in order]
    new = np.array([order.index(label) for label in labelled.labels], dtype=np.int32)
    return Grouping(new[labelled.codes], tuple(order), title)


def _labelled(values: pa.Array, title: str) -> Grouping:
    """A column by its distinct values, in order; nulls and empty text are not recorded."""
    text = values.cast(pa.large_string())
    coded = text.dictionary_encode()
    entries = coded.dictionary.to_pylist()
    labels = [*sorted({e.strip() or NOT_RECORDED for e in entries} - {NOT_RECORDED}), NOT_RECORDED]
    place = {label: i for i, label in enumerate(labels)}
    by_entry = np.array([*(place[e.strip() or NOT_RECORDED] for e in entries), len(labels) - 1], dtype=np.int32)
    return Grouping(
        by_entry[np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False))], tuple(labels), title
    )


_MAKERS: Mapping[str, Any] = {
    "sex": _sex,
    "age": _age,
    "ethnicity": _ethnicity,
    "deprivation": _quintile,
    "ltc_count": _ltc,
    "frailty": _frailty,
    "place": _labelled,
}
