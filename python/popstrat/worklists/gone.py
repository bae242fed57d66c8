"""Who was on the last list: whether somebody is still on it, and why others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.worklists.areas import Areas
from popstrat.worklists.best import Chosen
from popstrat.worklists.collect import ELSEWHERE, KEY, NOT_THERE, Collector
from popstrat.worklists.earlier import EarlierPeople
from popstrat.worklists.identities import Identities
from popstrat.worklists.known import Known
from popstrat.worklists.lists import GONE
from popstrat.worklists.sheet import one

NOT_SHOWN = "not named here, since they may be another practice's now"


@dataclass(frozen=True)
class Movers:
    """``still``: which of the chosen were on the last list of the same area; ``gone``: for each file the id and the
    reason of whoever is not on it any more; ``unnamed``: how many more are gone, of each file; ``nowhere``: how many
    were on a list of an area that has none now."""

    still: NDArray[np.bool_]
    gone: Mapping[int, Sequence[tuple[str, str]]]
    unnamed: Mapping[int, int]
    nowhere: int

    def count(self, file: int) -> int:
        """How many are gone from a file's lists."""
        return len(self.gone.get(file, ())) + self.unnamed.get(file, 0)


class Before:
    """The people of the last list who have a key now, ready to be looked for."""

    def __init__(self, people: EarlierPeople) -> None:
        self.people = people
        self.rows = people.known
        self.known = Known(people.keys.take(pa.array(self.rows)))


def movers(
    before: Before, chosen: Chosen, collector: Collector, areas: Areas, identities: Identities | None, shared: bool
) -> Movers:
    """Compare with the last list. Without a basis for sharing (not ``shared``) an NHS number is only told to the area
    that the person is still registered in."""
    names, people = areas.names(), before.people
    number_of = {name: i for i, name in enumerate(names)}
    keys = one(chosen.rows, KEY)
    rows = before.known.rows(keys)
    was_of = np.array([_list(people.areas[i], number_of) for i in before.rows], np.int32)
    there = rows >= 0
    still = there.copy()
    still[there] = (was_of[rows[there]] == -1) | (was_of[rows[there]] == chosen.at[there])
    on_now = np.zeros(len(before.rows), bool)
    on_now[rows[still]] = True
    first = before.known.rows(before.known.keys) == np.arange(len(before.rows))
    written = _written(before, identities)
    gone: dict[int, list[tuple[str, str]]] = {}
    unnamed: Counter[int] = Counter()
    nowhere = 0
    for row in np.flatnonzero(~on_now & first).tolist():
        then, now, outcome = int(was_of[row]), int(collector.before_at[row]), int(collector.before[row])
        number = then if then >= 0 else now if areas.asked.split is not None else 0
        if then == -2 or number < 0:
            nowhere += 1
            continue
        if then >= 0 and outcome != NOT_THERE and now != then:
            outcome = ELSEWHERE
        file = areas.file_of(number)
        if identities is not None and not shared and now != number:
            unnamed[file] += 1
            continue
        gone.setdefault(file, []).append((written[row], GONE[outcome]))
    without = len(people.keys) - len(before.rows)  # NHS numbers that the lookup does not have any more
    return Movers(still, gone, unnamed, nowhere + without)


def _list(area: str, number_of: Mapping[str, int]) -> int:
    """The list of an area of the last run: −1 if it was of no single area, −2 if there is none now."""
    return -1 if not area else number_of.get(area, -2)


def _written(before: Before, identities: Identities | None) -> list[str]:
    """How each person of the last list is written in the files of this one."""
    keys = before.known.keys
    found = keys.cast(pa.string()) if identities is None else identities.numbers_of(keys)
    return [text or "(no NHS number)" for text in found.to_pylist()]
