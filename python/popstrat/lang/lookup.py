"""Lookups: a number for each label of a category, or for each of several whole numbers, used in rules like a function.

A lookup becomes a first match over what it is asked for, so that nothing behind the parser knows of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from popstrat.core.text import suggest
from popstrat.errors import ExpressionError
from popstrat.lang import nodes as n

_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")


@dataclass(frozen=True)
class Lookup:
    """A number for each label, or for each whole number that is written under `values`: the one that stands there, or
    else `otherwise`; `null_is` where there is no label and no number."""

    values: Mapping[str, int | float]
    otherwise: int | float | None = None
    null_is: int | float | None = None

    def of(self, item: n.Node, name: str, text: str) -> n.Node:
        """The number for what a category or a number is; null where that is null and there is no `null_is`, and for a
        number that does not stand in `values` if there is no `otherwise`.

        Raises `ExpressionError` for something other than a category or a number, for a label that the category cannot
        hold, for one that has no number, and for a number where `values` has labels.
        """
        missing = _number(self.null_is)
        if item.type.kind == "null":
            return n.Const(missing.type, text, missing.value)
        if item.type.kind == "number":
            return self._of_number(item, name, text)
        if item.type.kind != "category":
            raise ExpressionError(f"{name}() takes a category or a whole number, and {item.text!r} is {item.type}")
        if isinstance(item, n.Const):  # of a constant, only the label that it is
            self._known((str(item.value),), item, name)
            alone = _number(self.values.get(str(item.value), self.otherwise))
            return n.Const(alone.type, text, alone.value)
        labels = item.type.labels
        for label in self.values:
            if label not in labels:
                told = f"{name} has a number for {label!r}, which is not a label of {item.text}"
                raise ExpressionError(f"{told}{suggest(label, labels)}: it has {', '.join(labels)}")
        self._known(labels, item, name)
        items = tuple(
            (n.IsIn(n.BOOL, f"{item.text} in {{{', '.join(some)}}}", item, tuple(some)), _number(number))
            for number, some in _by_number(labels, lambda label: self.values.get(label, self.otherwise)).items()
        )
        return n.Cases(n.NUMBER, text, items, missing)

    def _of_number(self, item: n.Node, name: str, text: str) -> n.Node:
        """The number for a whole number; one that does not stand in `values`, a fraction among them, is any other."""
        label = next((label for label in self.values if not _WHOLE.fullmatch(label) or label == "-0"), None)
        if label is not None:
            told = f"{name}() has a number for {label!r}, and {item.text!r} is a number"
            raise ExpressionError(f"{told}: its `values` have to be of whole numbers, such as 0 and 1")
        if isinstance(item, n.Const):
            found = next((v for k, v in self.values.items() if int(k) == item.value), self.otherwise)
            alone = _number(found)
            return n.Const(alone.type, text, alone.value)
        items: list[tuple[n.Node, n.Node]] = []
        if self.null_is != self.otherwise:
            items.append((n.IsNull(n.BOOL, f"{item.text} is null", item), _number(self.null_is)))
        for number, some in _by_number(tuple(self.values), self.values.get).items():
            same = [n.Compare(n.BOOL, f"{item.text} == {k}", "==", item, n.Const(n.NUMBER, k, int(k))) for k in some]
            shown = f"{item.text} in {{{', '.join(some)}}}"
            items.append((same[0] if len(same) == 1 else n.Or(n.BOOL, shown, tuple(same)), _number(number)))
        return n.Cases(n.NUMBER, text, tuple(items), _number(self.otherwise))

    def _known(self, labels: tuple[str, ...], item: n.Node, name: str) -> None:
        if self.otherwise is None and (lost := [label for label in labels if label not in self.values]):
            told = f"{name} has no number for {', '.join(map(repr, lost))} of {item.text}"
            raise ExpressionError(f"{told}: list every label in its `values`, or say `otherwise`")


def _by_number(labels: tuple[str, ...], number: Callable[[str], int | float | None]) -> dict[int | float, list[str]]:
    """The labels that have the same number together."""
    numbers: dict[int | float, list[str]] = {}
    for label in labels:
        found = number(label)
        if found is not None:
            numbers.setdefault(found, []).append(label)
    return numbers


def _number(value: int | float | None) -> n.Const:
    return n.Const(n.NULL, "null", None) if value is None else n.Const(n.NUMBER, repr(value), value)
