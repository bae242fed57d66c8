"""What is said of one patient, by the readable evaluator: what `many` says of all rows must be this, row by row."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from popstrat.lang import nodes as n
from popstrat.packs.evaluator import Patient, Reference
from popstrat.packs.model.parts import Model
from popstrat.packs.phrases import words
from popstrat.packs.resolved import Resolved
from popstrat.packs.sentences import DRIVERS, GROUPS, Piece, Sentence, Slot
from popstrat.reasons import wording
from popstrat.scoring.attribution import Listing

MOST_DRIVERS = 3
BETWEEN_DRIVERS = "; "
BETWEEN = ". "
"""Between two sentences of a group."""

_LISTED = 16  # of a model's largest contributions, of which those that raise the risk are told


@dataclass(frozen=True)
class Told:
    """A sentence of one patient: what it stands under and the definition that it is of (of a driver, the model)."""

    under: str
    definition: str
    text: str


class Drivers(Listing):
    """A model's largest contributions, as titles of those that raise the risk; ``called`` stands before them."""

    def __init__(self, resolved: Resolved, model: Model, called: str) -> None:
        super().__init__(resolved, model, _LISTED)
        self.called = called
        words = resolved.definitions[model.id].raw.get("called", {})
        self.titles = [str(words.get(term.id, term.title)) for term in model.terms]

    def of_patient(self, reference: Reference, patient: Patient) -> str | None:
        """Those of one patient, None for whoever has no score or whose risk nothing raises."""
        if reference.value(self.scored.node, patient) is not True:
            return None
        found: list[tuple[float, int]] = []
        for entry in self.entries:
            value = reference.value(entry.definition.node, patient)
            number = float(value) if isinstance(value, bool | int | float) else 0.0
            found.append((number if entry.amount is None else entry.amount * number, entry.term))
        found.sort(key=lambda item: (-abs(item[0]), item[1]))
        titles = [self.titles[term] for adds, term in found[:_LISTED] if adds > 0][:MOST_DRIVERS]
        return self.called + BETWEEN_DRIVERS.join(titles) if titles else None


def told_of(
    sentences: Sequence[Sentence], drivers: Sequence[Drivers], reference: Reference, patient: Patient
) -> tuple[Told, ...]:
    """The sentences that are told of a patient, group by group, each group's caveats at its end."""
    found: list[Told] = []
    for group in GROUPS:
        caveats: dict[str, str] = {}
        for sentence in (s for s in sentences if s.under == group):
            text = said(sentence, reference, patient)
            if text is not None:
                found.append(Told(group, sentence.definition, text))
                if sentence.caveat:
                    caveats.setdefault(sentence.caveat, sentence.definition)
        # in the order of the sentences that they go with, told or not, as for many
        every = dict.fromkeys(s.caveat for s in sentences if s.under == group)
        found += [Told(group, caveats[caveat], caveat) for caveat in every if caveat in caveats]
    for listing in drivers:
        text = listing.of_patient(reference, patient)
        if text is not None:
            found.append(Told(DRIVERS, listing.model.id, text))
    return tuple(found)


def said(sentence: Sentence, reference: Reference, patient: Patient) -> str | None:
    """A sentence of a patient, None if it is not told."""
    if reference.value(sentence.condition, patient) is not True:
        return None
    values = {id(slot): reference.value(slot.node, patient) for slot in sentence.slots()}
    precise: set[int] = set()
    for a, b in itertools.combinations((s for s in sentence.slots() if s.is_number), 2):
        x, y = values[id(a)], values[id(b)]
        if x is not None and y is not None and x != y and written(a, x) == written(b, y):
            precise |= {id(a), id(b)}
    return _joined(sentence.pieces, lambda slot: written(slot, values[id(slot)], id(slot) in precise))


def _joined(pieces: Sequence[Piece], text: Callable[[Slot], str | None]) -> str | None:
    """Pieces as one text, None where a value is lacking."""
    parts = []
    for piece in pieces:
        part = (
            piece if isinstance(piece, str) else text(piece) if isinstance(piece, Slot) else _joined(piece, text) or ""
        )
        if part is None:
            return None
        parts.append(part)
    return "".join(parts)


def written(slot: Slot, value: n.Value, precise: bool = False) -> str | None:
    """A value as it is written; None where it leaves out what it stands in."""
    if slot.style == "condition":
        return "" if value is True else None
    match value:
        case None:
            return None
        case dt.date():
            return wording.day(value)
        case bool():
            raise AssertionError("a condition is not written")
        case int() | float():
            return wording.percent(value, precise) if slot.style == "percent" else wording.number(value, precise)
    return words(value)
