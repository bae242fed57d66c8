"""What people of an area are divided by: groupings, and the groups of each, as rules over the patient table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, product

from popstrat.core.text import suggest
from popstrat.errors import ExpressionError, InputError
from popstrat.lang import nodes as n
from popstrat.metrics.figures import Groups
from popstrat.metrics.rows import AGE_BANDS, SEPARATOR, UNKNOWN, Grouping, Level
from popstrat.packs.ages import Ages
from popstrat.packs.definition import Definition
from popstrat.packs.resolve import expression
from popstrat.packs.resolved import Resolved
from popstrat.packs.typed import label_cases

_STARTS = [*(start for _, start in AGE_BANDS), None]
_ETHNICITY = {
    "white": ("A", "B", "C"),
    "mixed": ("D", "E", "F", "G"),
    "asian": ("H", "J", "K", "L"),
    "black": ("M", "N", "P"),
    "other": ("R", "S"),
}
"""The broad groups of the 2001 categories; Chinese (R) is in the last, not stated (Z) and not known (99) in none."""
_RULES: dict[str, list[tuple[str, str]]] = {
    Grouping.SEX: [(sex, f'sex == "{sex}"') for sex in ("female", "male", "intersex")],
    Grouping.AGE_BAND: [
        (label, f"age >= {start}" if end is None else f"{start} <= age < {end}")
        for (label, _), (start, end) in zip(AGE_BANDS, pairwise(_STARTS), strict=True)
    ],
    Grouping.ETHNICITY: [
        (label, "ethnicity in {" + ", ".join(map(repr, codes)) + "}") for label, codes in _ETHNICITY.items()
    ],
    Grouping.IMD_QUINTILE: [(str(q), f"{2 * q - 1} <= imd_decile <= {2 * q}") for q in range(1, 6)],
    Grouping.ETHNICITY_DETAILED: [
        (code, f'ethnicity == "{code}"') for codes in (*_ETHNICITY.values(), ("Z", "99")) for code in codes
    ],
}
_EVERY = (Grouping.SEX, Grouping.AGE_BAND, Grouping.ETHNICITY, Grouping.IMD_QUINTILE)
DEFAULT: dict[Level, tuple[str, ...]] = {
    Level.PRACTICE: (Grouping.SEX,),
    Level.PCN: (Grouping.SEX, Grouping.AGE_BAND),
    Level.NEIGHBOURHOOD: _EVERY,
    Level.PLACE: _EVERY,
    Level.ICB: _EVERY,
}
"""By what people are divided at each level, besides not at all, unless something is said. Rates are standardised over
the ages of a PCN."""


def parts(grouping: str) -> tuple[str, ...]:
    """What a grouping is put together of; nothing for everybody together."""
    return () if grouping == Grouping.NONE else tuple(grouping.split(SEPARATOR))


def definitions(resolved: Resolved, groupings: Iterable[str]) -> dict[str, Definition]:
    """Of each part of the groupings the definition that gives everybody's group, or null.

    A part is one of `Grouping`, or any label or condition of the pack. Raises `InputError` for what is neither.
    """
    found = dict.fromkeys(part for grouping in groupings for part in parts(grouping))
    return {part: _definition(resolved, part) for part in found}


def _definition(resolved: Resolved, part: str) -> Definition:
    if part in _RULES:
        rules = _RULES[part]
        items = [(expression(resolved, when), label) for label, when in rules]
        node = label_cases(items, UNKNOWN, (*dict(rules), UNKNOWN))
    else:
        node = _of_pack(resolved, part)
    column = f"group by {part}"
    return Definition(column, "expression", node, part, "", "", "", column, "dictionary", {})


def _of_pack(resolved: Resolved, name: str) -> n.Node:
    """A label or a condition of the pack, as labels."""
    labelled = [c.name for c in resolved.pack.schema if c.type in ("bool", "category")]
    known = [*map(str, _RULES), *resolved.definitions, *labelled]
    try:
        node = expression(resolved, name) if name.isidentifier() else None
    except ExpressionError:
        node = None
    if node is None:
        raise InputError(f"--group-by: there is no grouping, definition or column {name!r}{suggest(name, known)}")
    if node.type.kind == "bool":
        return label_cases([(node, "yes")], "no", ("yes", "no"))
    if node.type.kind != "category":
        raise InputError(f"--group-by: {name!r} is {node.type}, and people are divided by labels or conditions")
    return node


def never(of: dict[str, Definition], conditions: Sequence[n.Node], ages: Ages) -> Iterator[tuple[str, str]]:
    """The groups that by their ages nobody is in of whom all the conditions hold: each part with its label."""
    of_whom = ages.of(conditions)
    if of_whom == ages.every:
        return
    for part, definition in of.items():
        if isinstance(definition.node, n.Cases):
            for condition, label in definition.node.items:
                if isinstance(label, n.Const) and not of_whom & ages.of([condition]):
                    yield part, str(label.value)


def labels(definition: Definition) -> tuple[str, ...]:
    """The groups of a part, that of people without one last."""
    own = definition.node.type.labels
    if definition.title in _RULES:
        return own
    return (*own, UNKNOWN if UNKNOWN not in own else "no record")


def groups(grouping: str, of: dict[str, Definition]) -> Groups:
    """A grouping with its groups; of several parts, the first part's moves slowest."""
    if grouping == Grouping.NONE:
        return Groups(grouping, (None,))
    several: Sequence[tuple[str, ...]] = [*product(*(labels(of[part]) for part in parts(grouping)))]
    return Groups(grouping, tuple(SEPARATOR.join(one) for one in several))
