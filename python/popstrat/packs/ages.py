"""At which ages conditions can hold: what a rule says by itself, whoever is on the list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from popstrat.lang import nodes as n
from popstrat.packs.evaluator import Patient, Reference
from popstrat.packs.resolved import Resolved

_AGE = "age"
_OLDEST = 130


class Ages:
    """The ages at which conditions of a pack can hold, by those of them that ask for the age alone; others may hold at
    any. An age that is not known is none of them."""

    def __init__(self, resolved: Resolved) -> None:
        self.every = frozenset(range(_OLDEST + 1))
        self._resolved, self._reference = resolved, Reference(resolved, {_AGE})
        self._found: dict[n.Node, frozenset[int]] = {}

    def of(self, conditions: Sequence[n.Node]) -> frozenset[int]:
        """At which ages all of them can hold."""
        found = self.every
        for condition in self._flat(conditions):
            found &= self._alone(condition)
        return found

    def _alone(self, condition: n.Node) -> frozenset[int]:
        if condition not in self._found:
            self._found[condition] = self.every
            if {part.name for part in condition.walk() if isinstance(part, n.Column)} == {_AGE}:
                own = self._reference
                true = (age for age in self.every if own.value(condition, Patient({_AGE: age}, [])) is True)
                self._found[condition] = frozenset(true)
        return self._found[condition]

    def _flat(self, conditions: Iterable[n.Node]) -> Iterator[n.Node]:
        """What must hold for all conditions to hold, definitions in full."""
        for condition in conditions:
            match condition:
                case n.And(items=items):
                    yield from self._flat(items)
                case n.Named(id=name):
                    yield from self._flat([self._resolved.definitions[name].node])
                case _ if not any(isinstance(part, n.Named) for part in condition.walk()):
                    yield condition
