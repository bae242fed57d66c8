"""Where the columns of an extract belong in the patient table: what is certain, and what a person has to look at."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from popstrat.errors import looks_like_number
from popstrat.packs.column_map import our_name
from popstrat.packs.patient_table import Schema
from popstrat.packs.spellings import Spelling, Unreadable, folded, value
from popstrat.runs.map_contents import Held, contradiction
from popstrat.runs.map_names import Likeness, Names, parts_of

PRESSURES = ("systolic_bp", "diastolic_bp")
_BOTH = re.compile(r"\s*\d{2,3}\s*([/\\|-])\s*\d{2,3}\s*")
_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_BEYOND = re.compile(r"\s*[<>≤≥]=?\s*\d+(?:\.\d+)?\s*")
_ASKED = 4  # columns that one of ours is asked about


@dataclass(frozen=True)
class Pair:
    """A column that holds both blood pressures, and what stands between them."""

    theirs: str
    between: str


@dataclass(frozen=True)
class Doubt:
    """A column that looks like one of ours, and why that is not certain. ``between`` is what parts a pair."""

    ours: str
    theirs: str
    why: str
    between: str = ""

    @property
    def asked(self) -> str:
        """The question, as a comment on its line."""
        return f"   # looks like {self.ours}? {self.why}"


@dataclass
class Places:
    """What is certain, our name → the extract's; a pair of pressures; what is doubtful; and the columns without a place
    whose name is like that of a column that has one."""

    placed: dict[str, str] = field(default_factory=dict)
    pair: Pair | None = None
    doubtful: list[Doubt] = field(default_factory=list)
    near: dict[str, str] = field(default_factory=dict)

    @property
    def there(self) -> dict[str, str]:
        """Our columns that have a place, and the extract's column that each is read from."""
        return self.placed | (dict.fromkeys(PRESSURES, self.pair.theirs) if self.pair else {})


def find_places(held: Mapping[str, Held], schema: Schema) -> Places:
    """The place of each column of an extract, by its name and by what it holds."""
    found, names = Places(), Names(schema)
    left = [n for n in held if not looks_like_number(n)]
    for name in left:
        ours = our_name(name, schema.columns)
        if ours in schema and (ours not in found.placed or name == ours):
            found.placed[ours] = name
    left = [n for n in left if n not in found.placed.values()]
    pairs = _pairs(held, left, names) if {*PRESSURES} <= {*schema.columns} else []
    likes = {n: _likes(n, held[n], names) for n in left if n not in {pair.theirs for pair, _ in pairs}}
    for ours in schema.columns:
        if ours not in found.placed:
            _settle(ours, likes, found, [n for n in left if n in likes])
    _settle_pairs(pairs, found)
    for birth, age in ((c.completed_years_since, c.name) for c in schema if c.completed_years_since):
        if age in found.placed and birth in found.placed:  # the date wins, and says more
            likes.pop(found.placed.pop(age), None)
    used = {*found.there.values(), *(doubt.theirs for doubt in found.doubtful)}
    for name, ones in likes.items():
        if name not in used and ones:
            found.near[name] = ones[0].ours
    found.placed = {ours: found.placed[ours] for ours in schema.columns if ours in found.placed}
    return found


def has_commas(held: Held) -> bool:
    """Whether a column's numbers have a decimal comma. What parts thousands is followed by three digits each time."""
    strange = [
        t.strip()
        for t in held.filled
        if isinstance(value(t, "float", Spelling()), Unreadable) and not _BEYOND.fullmatch(t)
    ]
    commas = bool(strange) and all(_COMMA.fullmatch(t) for t in strange)
    return commas and not all(_THOUSANDS.fullmatch(t) for t in strange)


def _likes(name: str, held: Held, names: Names) -> list[Likeness]:
    """The columns of ours that a column is like, as far as it may be them by what it holds."""
    found = []
    for like in names.of(name):
        why = contradiction(names.schema[like.ours], held, has_commas(held))
        if not why:
            found.append(like)
        elif like.level < 3 and not like.more:  # the name is right, so that a person had better look
            found.append(Likeness(like.ours, 2, why))
    return found


def _settle(ours: str, likes: Mapping[str, list[Likeness]], found: Places, order: Sequence[str]) -> None:
    """Give a column of ours its place, if one of the extract's is certain, or else ask."""
    used = {*found.placed.values()}
    candidates = [(n, like) for n in order if n not in used for like in likes[n] if like.ours == ours]
    parts = parts_of(ours, order)
    several = len({*parts.values()}) > 1
    if several:
        both = ", ".join(f'"{n}"' for n in parts)
        asked = dict.fromkeys(parts, f"it is true where any of {both} is: make one column of them")
    else:
        listed = {n for n, like in candidates if like.level < 2}
        asked = dict.fromkeys((n for n in parts if n not in listed), "it may be a part only of what is meant")
    certain = sorted(
        ((like.level, n) for n, like in candidates if not like.doubt and n not in asked), key=lambda x: x[0]
    )
    first = [n for level, n in certain if level == certain[0][0]]
    if first and (certain[0][0] == 0 or len(first) == 1):
        found.placed[ours] = first[0]
        return
    doubts = {n: f"{', '.join(o for o in first if o != n)} does, too" for n in first}
    doubts |= {n: like.doubt for n, like in candidates if like.doubt}
    for name, why in list((doubts | asked).items())[:_ASKED]:
        found.doubtful.append(Doubt(ours, name, why))


def _pairs(held: Mapping[str, Held], order: Sequence[str], names: Names) -> list[tuple[Pair, Likeness | None]]:
    """The columns that hold both blood pressures, each with what its name says."""
    found = []
    for name in order:
        filled = held[name].filled
        both = Counter[str]()
        for text, count in filled.items():
            if match := _BOTH.fullmatch(text):
                both[match.group(1)] += count
        if both and "date" not in folded(name):
            between, most = both.most_common(1)[0]
            if most > sum(filled.values()) / 2:
                found.append((Pair(name, between), names.of_pair(name)))
    return found


def _settle_pairs(pairs: Sequence[tuple[Pair, Likeness | None]], found: Places) -> None:
    if any(ours in found.placed for ours in PRESSURES):
        found.near |= {pair.theirs: PRESSURES[0] for pair, _ in pairs}
        return
    certain = sorted((like.level, i) for i, (_, like) in enumerate(pairs) if like is not None and not like.doubt)
    first = [i for level, i in certain if level == certain[0][0]]
    if len(first) == 1:
        found.pair = pairs[first[0]][0]
        found.near |= {pair.theirs: PRESSURES[0] for i, (pair, _) in enumerate(pairs) if i != first[0]}
        return
    for i, (pair, like) in enumerate(pairs):
        if i in first:
            others = ", ".join(pairs[j][0].theirs for j in first if j != i)
            why = f"{others} does, too"
        else:
            why = like.doubt if like else "it holds two numbers each, and its name does not say of what"
        found.doubtful.append(Doubt(PRESSURES[0], pair.theirs, why, pair.between))
