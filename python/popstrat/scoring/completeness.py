"""What a list lacks: columns that are absent or hold nothing, and those that hold far less than is to be expected.

What is to be expected of a column is so many values as people of these ages and sexes have (`packs.expected`), as last
month's run found, or of a date as there are values that it dates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from popstrat.packs.expected import expected
from popstrat.packs.patient_table import Column, Schema
from popstrat.scoring.tally import Tally

LEAST_EMPTY = 100
"""A column that holds nothing is warned of in a list of at least so many people; in fewer it may well be so."""
LEAST_ROWS = 1000
LEAST_EXPECTED = 20
"""A column is doubted in a list of at least so many people, and if at least so many values are expected. In a practice
with a fifth of the usual share four people would have a flag, and nobody by chance in one such practice of fifty."""
LEAST_SHARE = {"published": 1 / 3, "assumed": 1 / 5, "local": 0.0}
"""The share of the expected count below which a column is doubted, by what the expectation rests on: practices differ
by a factor of two or so in what registers publish, and more in the rest."""
LEAST_DATED = 1 / 3
"""The same of the dates of values that are there."""
LEAST_OF_LAST_MONTH = 1 / 2
"""The same of what last month's run found, for as many people."""
MOST_PEOPLE, MOST_TIMES = 0.5, 4
"""A flag that more than this share of people have is doubted where so many times fewer are expected: it is reversed, or
the list is one of such people."""
_CHANCE = 1e-4
_LEANER = 1.5
_NAMED = 12  # names in a warning


def far_below(count: float, expectation: float, share: float) -> bool:
    """Whether a count is below that share of what is expected, and by no chance: in a list that has only half as much
    again as that share, so few would come up less than once in ten thousand times (Chernoff's bound of a Poisson
    number)."""
    if expectation < LEAST_EXPECTED or count >= share * expectation:
        return False
    mean = _LEANER * share * expectation
    return count - mean + (count * math.log(mean / count) if count else 0) < math.log(_CHANCE)


@dataclass(frozen=True)
class Facts:
    """What is known of one file: columns that are not there (``absent``) or hold nothing (``empty``), date columns that
    hold nothing though what they date does (``undated``), flags that nobody has (``never_true``); what was counted in
    it (``tally``), and how many values are ``expected``."""

    name: str
    absent: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    undated: tuple[str, ...] = ()
    never_true: tuple[str, ...] = ()
    tally: Tally = field(default_factory=Tally)
    expected: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Column → how many are expected, and the share of it below which the column is doubted."""
    required: frozenset[str] = frozenset()
    """Columns of which the pack requires a record, so that it is never by chance that there is none."""
    empty_in_all: frozenset[str] = frozenset()
    """Columns that hold nothing in any file, and not by chance if all are taken together."""

    @property
    def rows(self) -> int:
        """The rows that were looked at: not those that a profile leaves out."""
        return self.tally.rows_out

    @cached_property
    def recorded(self) -> dict[str, int]:
        """How many values each column holds; of a flag, how many people have it."""
        return {**self.tally.recorded, **self.tally.true}

    @property
    def lacking(self) -> tuple[str, ...]:
        """The columns that are null for everybody, and by no chance where they are there."""
        return (*self.absent, *self.emptied, *(self.undated if self.rows >= LEAST_EMPTY else ()))

    @property
    def emptied(self) -> tuple[str, ...]:
        """The columns that hold nothing where something was to be expected."""
        if self.rows < LEAST_EMPTY:
            return tuple(c for c in self.empty if c in self.empty_in_all)
        known = self.expected
        some = {c for c in self.empty if c not in known or known[c][0] >= LEAST_EXPECTED}
        some |= self.empty_in_all | self.required
        return tuple(c for c in self.empty if c in some)

    def without(self, columns: Collection[str]) -> Facts:
        """The same, silent on these columns."""

        def other(names: Sequence[str]) -> tuple[str, ...]:
            return tuple(n for n in names if n not in columns)

        return replace(
            self,
            absent=other(self.absent),
            empty=other(self.empty),
            undated=other(self.undated),
            never_true=other(self.never_true),
            expected={name: of for name, of in self.expected.items() if name not in columns},
        )


@dataclass(frozen=True)
class Earlier:
    """What an earlier run of a list found: how many values each column held (of a flag, how many people had it) among
    so many ``rows``."""

    recorded: Mapping[str, int]
    rows: int


def facts(name: str, tally: Tally, absent: Iterable[str], people: NDArray[np.float64], schema: Schema) -> Facts:
    """What a tally says of the file of that name, whose ``people`` by sex and age band are known."""
    values, true, false = tally.recorded, tally.true, tally.false
    if not tally.rows_out:
        return Facts(name, tuple(absent), tally=tally)
    silent = [flag for flag, count in true.items() if not count and not false.get(flag)]
    says_false = any(false.values())
    nothing = {c for c, count in values.items() if not count}
    nothing |= {flag for flag in silent if says_false or not _judged_by_share(schema[flag])}
    empty = [c.name for c in schema if c.name in nothing]
    for age in (c for c in schema if c.completed_years_since):
        if values.get(age.name) or values.get(str(age.completed_years_since)):  # either will do
            empty = [n for n in empty if n not in (age.name, age.completed_years_since)]
    undated = tuple(n for n in empty if any(values.get(c) for c in schema[n].dates))
    return Facts(
        name,
        tuple(absent),
        tuple(n for n in empty if n not in undated),
        undated,
        tuple(n for n, count in true.items() if not count and n not in empty),
        tally,
        _expected([*values, *true], tally.rows_out, people, schema),
        frozenset(c.name for c in schema if c.required),
    )


def _judged_by_share(column: Column) -> bool:
    """Whether a column that holds nothing, where no flag is ever recorded as false, is a flag that nobody has: not
    where a record is required, nor where nothing says how many people would be expected to have the flag."""
    known = column.per_1000 > 0 or column.name in expected().columns
    return column.type == "bool" and known and not column.required


def _expected(
    columns: Iterable[str], rows: int, people: NDArray[np.float64], schema: Schema
) -> dict[str, tuple[float, float]]:
    """How many values are expected, by the age and sex of the people, or of a pack's own flag by its `per_1000`."""
    found, table = {}, expected().columns
    counts = expected().counts(people)
    for name in columns:
        if name in table:
            found[name] = counts[name], LEAST_SHARE[table[name].basis]
        elif schema[name].per_1000 and not schema[name].required:  # of which a record is expected of everybody
            found[name] = rows * schema[name].per_1000 / 1000, 0.0
    return found


Inputs = Callable[[Collection[str]], Sequence[str]]
"""The inputs of a model that nobody has where these columns hold nothing."""


def remarks(
    files: Sequence[Facts],
    schema: Schema,
    models: Mapping[str, tuple[Inputs, Inputs]],
    earlier: Earlier | None = None,
) -> list[str]:
    """Warnings of what the files lack. ``models`` says of each model's output for which inputs its defaults stand in
    then, and without which there is no result."""
    whole = _merged(files)
    files = [replace(f, empty_in_all=frozenset(whole.emptied)) for f in files]
    found = [
        f"absent columns count as null for everybody{where}: {_listed(names)}"
        for names, where, _ in _by_files(files, lambda f: f.absent)
    ]
    found += [
        f"empty columns count as null for everybody{where}: {_listed(names)}"
        for names, where, _ in _by_files(files, lambda f: f.emptied)
    ]
    for output, (defaulted, needed) in models.items():
        for names, where, _ in _by_files(files, partial(_lacked, needed)):
            found.append(f"{output}: nobody{where} gets a result, which needs {_listed(names)}")
        for names, where, _ in _by_files(files, partial(_stood_in_for, defaulted, needed)):
            found.append(
                f"{output}: everybody{where} takes the model's default for {_listed(names)}; such scores are too "
                "alike, and often too low"
            )
    for names, where, _ in _by_files(files, lambda f: f.undated):
        for name in names:
            dated = " or ".join(schema[name].dates)
            found.append(f"{name} is null for everybody{where}, though {dated} holds values: none counts as recent")
    told = {name for f in files for name in (*f.absent, *f.emptied, *f.undated)}
    for names, where, alike in _alike(files, lambda f: f.never_true):
        rows = sum(f.rows for f in alike)
        if nobody := [n for n in names if rows >= LEAST_ROWS and _together(alike, n)[1] >= LEAST_EXPECTED]:
            found.append(f"true for nobody of {rows:,} people{where}: {_listed(nobody)}; are these columns filled?")
            told.update(nobody)
    for names, where, alike in _alike(files, partial(_few, schema)):
        found += [_few_told(name, where, alike, schema) for name in names]
        told.update(names)
    if len(files) > 1:  # of which each by itself may be too small to tell
        few = [name for name in _few(schema, whole) if name not in told]
        found += [_few_told(name, "", files, schema) for name in few]
        told.update(few)
    for names, where, alike in _alike(files, partial(_most_people, schema)):
        for name in names:
            count, expectation = _together(alike, name)
            people = f"{sum(f.rows for f in alike):,} people of these ages"
            found.append(
                f"{name} is true for {count:,} people{where}, of about {expectation:,.0f} expected in {people}: is it "
                "reversed, or is this a list of such people?"
            )
    if earlier is not None:
        found += [sentence for name, sentence in _fallen(whole, earlier) if name not in told]
    return found


def _fallen(whole: Facts, earlier: Earlier) -> Iterator[tuple[str, str]]:
    """The columns that hold a fraction of what they held in an earlier run, and the warning. Nobody's list is half
    another one in a month for any other reason."""
    now = whole.recorded
    for name, count in earlier.recorded.items() if min(whole.rows, earlier.rows) >= LEAST_ROWS else ():
        if name in now and far_below(now[name], count * whole.rows / earlier.rows, LEAST_OF_LAST_MONTH):
            told = f"{name} holds {now[name]:,} values for {whole.rows:,} people, and {count:,} for {earlier.rows:,} in"
            yield name, f"{told} the earlier run: is it filled?"


def _few(schema: Schema, file: Facts) -> list[str]:
    """The columns of a file that hold something, and far less than is expected by age and sex or by what they date."""
    found = []
    for name, count in file.recorded.items():
        if not count or file.rows < LEAST_ROWS:
            continue
        expectation, share = file.expected.get(name, (0.0, 0.0))
        dated = _dated(name, file, schema)
        if far_below(count, expectation, share) or far_below(count, dated, LEAST_DATED):
            found.append(name)
    return found


def _most_people(schema: Schema, file: Facts) -> list[str]:
    """The flags that most people of a file have, though few would be expected to."""
    if file.rows < LEAST_ROWS:
        return []
    # not of what differs many times over between places, as where a list is that of a care home
    expected_of = {n: file.expected[n][0] for n in file.tally.true if n in file.expected and file.expected[n][1]}
    return [
        name
        for name, expectation in expected_of.items()
        if file.recorded[name] > MOST_PEOPLE * file.rows and expectation < file.recorded[name] / MOST_TIMES
    ]


def _dated(name: str, file: Facts, schema: Schema) -> int:
    """How many values there are at least that a date column dates."""
    return max((file.recorded.get(c, 0) for c in schema[name].dates), default=0) if name in schema else 0


def _few_told(name: str, where: str, files: Sequence[Facts], schema: Schema) -> str:
    count, expectation = _together(files, name)
    dated = sum(_dated(name, f, schema) for f in files)
    what = "is true for" if schema[name].type == "bool" else "holds"
    if far_below(count, dated, LEAST_DATED):
        values = " or ".join(schema[name].dates)
        return f"{name} holds {count:,} dates{where}, and {values} {dated:,} values: is it filled?"
    unit = "people" if schema[name].type == "bool" else "values"
    people = f"{sum(f.rows for f in files):,} people of these ages"
    return f"{name} {what} {count:,} {unit}{where}, of about {expectation:,.0f} expected in {people}: is it filled?"


def _merged(files: Sequence[Facts]) -> Facts:
    """What several files hold together."""
    if len(files) == 1:
        return files[0]
    shares = {name: share for f in files for name, (_, share) in f.expected.items()}
    return Facts(
        "",
        empty=tuple(c for c in files[0].empty if all(c in f.empty for f in files)) if files else (),
        tally=sum((f.tally for f in files), Tally()),
        expected={name: (_together(files, name)[1], share) for name, share in shares.items()},
        required=files[0].required if files else frozenset(),
    )


def _together(files: Sequence[Facts], name: str) -> tuple[int, float]:
    """How many values several files have and are expected to have."""
    return sum(f.recorded.get(name, 0) for f in files), sum(f.expected.get(name, (0.0, 0.0))[0] for f in files)


def _lacked(inputs: Inputs, file: Facts) -> Sequence[str]:
    return inputs(file.lacking)


def _stood_in_for(defaulted: Inputs, needed: Inputs, file: Facts) -> Sequence[str]:
    return () if needed(file.lacking) else defaulted(file.lacking)


def _by_files(files: Sequence[Facts], names: Callable[[Facts], Sequence[str]]) -> Iterator[tuple[list[str], str, int]]:
    """The names that all files have in common, and those that only some have, with words for which and their rows."""
    for found, where, alike in _alike(files, names):
        yield found, where, sum(f.rows for f in alike)


def _alike(
    files: Sequence[Facts], names: Callable[[Facts], Sequence[str]]
) -> Iterator[tuple[list[str], str, Sequence[Facts]]]:
    """The names that all files have in common, and those that only some have, with words for which, and these."""
    of = {id(f): names(f) for f in files}
    common = [n for n in of[id(files[0])] if all(n in of[id(f)] for f in files)] if files else []
    if common:
        yield common, "", files
    others: dict[tuple[str, ...], list[Facts]] = {}
    for file in files:
        if rest := tuple(n for n in of[id(file)] if n not in common):
            others.setdefault(rest, []).append(file)
    for rest, alike in others.items():
        yield list(rest), f" in {_listed([f.name for f in alike])}", alike


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
