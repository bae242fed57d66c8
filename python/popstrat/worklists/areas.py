"""Areas, lists and files: which of the people of LIST a run is for, which list each is on, and which file that is in.

A list has a capacity, a file holds one list or several. With a number as capacity a file holds one list; with a share
(``P%``) it holds one for each place, since the share is of each place's registered people.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from math import ceil

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.packs.keys import READERS, Kind
from popstrat.packs.patient_table import PRACTICE
from popstrat.upload.practices import ELSEWHERE, Numbering
from popstrat.worklists.best import NO_LIMIT

PLACE = "place"
LEVELS: Mapping[str, str] = {"practice": PRACTICE, "neighbourhood": "neighbourhood", PLACE: PLACE}
"""What an area may be → the column that says in which one somebody is registered."""
_MOST = 10_000_000


@dataclass(frozen=True)
class Capacity:
    """How many people a list takes: a ``number``, or a ``share`` of each place's registered people, in per cent."""

    number: int | None = None
    share: Decimal | None = None

    def of(self, people: int) -> int:
        """How many of a place with so many registered people, rounded up."""
        if self.share is not None:
            return ceil(people * self.share / 100)
        return NO_LIMIT if self.number is None else self.number

    def __str__(self) -> str:
        if self.share is not None:
            return f"{self.share}%"
        return "everybody" if self.number is None else f"{self.number:,}"


def parse_capacity(text: str | int | None) -> Capacity:
    """What ``--capacity`` says: ``60``, ``1.5%``, or nothing for no limit. Raises `InputError` for anything else."""
    if text is None:
        return Capacity()
    given = str(text).strip()
    try:
        if given.endswith("%"):
            share = Decimal(given[:-1].strip())
            if not (share.is_finite() and 0 < share <= 100):
                raise ValueError
            return Capacity(share=share.normalize() + 0)
        number = int(given)
        if not 0 < number <= _MOST:
            raise ValueError
    except (ValueError, InvalidOperation):
        raise InputError(
            f"--capacity needs a number of people such as 60, or a share such as 1.5%, not {given[:40]!r}"
        ) from None
    return Capacity(number=number)


@dataclass(frozen=True)
class Asked:
    """For which areas: ``names`` of a ``level`` (none for everybody), a file each of those of ``split``, if given."""

    level: str | None = None
    names: tuple[str, ...] = ()
    split: str | None = None
    capacity: Capacity = field(default_factory=Capacity)

    @property
    def by_place(self) -> bool:
        """Whether each place has a list of its own."""
        return self.capacity.share is not None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of places that are needed."""
        levels = [self.level, self.split, PLACE if self.by_place else None]
        return tuple(dict.fromkeys(LEVELS[level] for level in levels if level is not None))


def asked_areas(given: Mapping[str, Sequence[str]], split: str | None, capacity: Capacity) -> Asked:
    """What ``--place``, ``--neighbourhood``, ``--practice`` and ``--split`` ask for together. Raises `InputError`."""
    named = {level: tuple(dict.fromkeys(_name(level, n) for n in names)) for level, names in given.items() if names}
    if len(named) > 1:
        raise InputError(f"{' and '.join(f'--{level}' for level in named)}: give areas of one kind")
    level, names = next(iter(named.items()), (None, ()))
    if split is not None and split not in LEVELS:
        raise InputError(f"--split is by {', '.join(LEVELS)}, not {split[:40]!r}{suggest(split, LEVELS)}")
    if capacity.share is not None:
        other = next((f"--{o}" for o in (level,) if o not in (None, PLACE)), None)
        if split not in (None, PLACE):
            other = f"--split {split}"
        if other is not None:
            raise InputError(f"--capacity {capacity} is of each place's registered people: with {other} give a number")
    return Asked(level, names, split, capacity)


def _name(level: str, text: str) -> str:
    kind: Kind = "code" if level == "practice" else "name"
    found = READERS[kind](text)
    if not isinstance(found, str):
        raise InputError(f"--{level}: {text[:60]!r} is not the name of one")
    return found


class Areas:
    """The lists and files of a run, numbered as their people are met."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self._level = Numbering()  # areas of the level that is asked for
        self._files, self._lists, self._practices = Numbering(), Numbering(), Numbering()
        self._wanted = frozenset(asked.names)
        self._practices_of: dict[int, set[int]] = {}
        self.without = 0
        """How many of those asked for have no area by which lists are made."""

    def lists(self, scored: pa.RecordBatch) -> NDArray[np.int32]:
        """The list that each row could be on, −1 for those that are not asked for or have no area."""
        inside = np.ones(scored.num_rows, bool)
        if self.asked.level is not None:
            at = self._level.indices(scored.column(LEVELS[self.asked.level]))
            table = np.array([code in self._wanted for code in self._level.practices().codes] + [False])
            inside = table[at]  # −1 is the last
        by = PLACE if self.asked.by_place else self.asked.split
        found = np.zeros(scored.num_rows, np.int32)
        if by is not None:
            found = self._lists.indices(scored.column(LEVELS[by]))
        self.without += int((inside & (found == ELSEWHERE)).sum())
        found = np.where(inside, found, ELSEWHERE).astype(np.int32)
        self._note_practices(scored, found)
        return found

    def _note_practices(self, scored: pa.RecordBatch, at: NDArray[np.int32]) -> None:
        practice = self._practices.indices(scored.column(PRACTICE))
        here = at >= 0
        pairs = np.unique(at[here].astype(np.int64) << 32 | practice[here].astype(np.int64))
        for pair in pairs.tolist():
            self._practices_of.setdefault(self.file_of(pair >> 32), set()).add(pair & 0xFFFFFFFF)

    def file_of(self, number: int) -> int:
        """The file that a list is in."""
        return number if self.asked.split is not None else 0

    def names(self) -> tuple[str, ...]:
        """What each list is of; "" where there is one list of all."""
        by = PLACE if self.asked.by_place else self.asked.split
        return ("",) if by is None else self._lists.practices().codes

    def practices(self, file: int) -> tuple[str, ...]:
        """The practices whose people a file could hold."""
        codes = self._practices.practices().codes
        return tuple(sorted(codes[i] for i in self._practices_of.get(file, ())))

    def check_met(self, file: str) -> None:
        """Raise `InputError` if nobody is registered in an area that was asked for."""
        met = self._level.practices().codes
        for name in self.asked.names:
            if name not in met:
                raise InputError(
                    f"--{self.asked.level}: nobody is registered in {name!r}{suggest(name, met)}", file=file
                )


def refuse_absent(asked: Asked, names: Collection[str], file: str) -> None:
    """Raise `InputError` if LIST has not the columns that the areas need."""
    for column in asked.columns:
        if column not in names:
            why = (
                "is needed for --capacity in %"
                if asked.by_place and column == PLACE
                else "is needed for the areas asked for"
            )
            raise InputError(f"{why}, and LIST has no such column", column=column, file=file)
