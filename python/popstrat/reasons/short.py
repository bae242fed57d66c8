"""The short of it: five lines in plain words, and the order in which the rest is told: by what there is to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from popstrat.packs.definition import Definition
from popstrat.packs.sentences import DRIVERS
from popstrat.reasons.findings import Explanation, Finding
from popstrat.reasons.one import BETWEEN, Told
from popstrat.reasons.sentences import COLUMNS

_TO_DO = ("undiagnosed", "not_at_target", "missing_treatment", "due", "why", "risk", DRIVERS, "situation")
"""The groups of sentences, those first that ask for something."""


def in_order(definitions: Sequence[Definition], told: Iterable[Told]) -> list[Definition]:
    """Definitions as they are told of: by the first group in which there is a sentence of them, the others last."""
    first = {t.definition: group for group in reversed(_TO_DO) for t in told if t.under == group}
    return sorted(definitions, key=lambda d: _TO_DO.index(first[d.id]) if d.id in first else len(_TO_DO))


def short(explanation: Explanation) -> tuple[tuple[str, str], ...]:
    """Five lines: who this is, why they are looked at, the risk and what raises it, what was found, and what to do."""
    told = explanation.told
    years = "Age not known" if explanation.age is None else f"{explanation.age} years"
    who = f"{years}, {explanation.sex}" if explanation.sex else years
    drivers = [f"Raised most by: {text}" for text in _texts(told, DRIVERS)]
    return (
        ("Person", _line([who, *_texts(told, "situation")])),
        ("Why", _line(_texts(told, "why"), "No reason by these definitions.")),
        ("Risk", _line([*_texts(told, "risk"), *drivers], "No score.")),
        (
            "Found",
            _line(_texts(told, "undiagnosed", "not_at_target"), "Nothing undiagnosed or off target in this list."),
        ),
        ("To do", _line(_texts(told, "missing_treatment", "due"), "Nothing missing or due in this list.")),
    )


def grouped(explanation: Explanation) -> tuple[tuple[str, tuple[str, ...], tuple[Finding, ...]], ...]:
    """What was found by what there is to do: a heading, its sentences, and the findings that they are of, each once; at
    the end those of which nothing is said."""
    left = list(explanation.findings)
    made = []
    for group in _TO_DO:
        told = [t for t in explanation.told if t.under == group]
        of = {t.definition for t in told}
        here = tuple(finding for finding in left if finding.id in of)
        left = [finding for finding in left if finding.id not in of]
        if told:
            made.append((COLUMNS[group], tuple(t.text for t in told), here))
    if left:
        made.append(("All else", (), tuple(left)))
    return tuple(made)


def _texts(told: Iterable[Told], *groups: str) -> list[str]:
    return [t.text for group in groups for t in told if t.under == group]


def _line(texts: Sequence[str], otherwise: str = "") -> str:
    return f"{BETWEEN.join(texts)}." if texts else otherwise
