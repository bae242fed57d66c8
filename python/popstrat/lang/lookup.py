"""Lookups: a number for each label of a category, used in rules like a function.

A lookup becomes a first match over the labels of what it is asked for, so that nothing behind the parser knows of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from popstrat.core.text import suggest
from popstrat.errors import ExpressionError
from popstrat.lang import nodes as n


@dataclass(frozen=True)
class Lookup:
    """A number for each label: the one that `values` has, or else `otherwise`; `null_is` where there is no label."""

    values: Mapping[str, int | float]
    otherwise: int | float | None = None
    null_is: int | float | None = None

    def of(self, item: n.Node, name: str, text: str) -> n.Node:
        """The number for what a category holds; null where that is null and there is no `null_is`.

        Raises `ExpressionError` for something other than a category, for a label that the category cannot hold, and for
        one that has no number.
        """
        missing = _number(self.null_is)
        if item.type.kind == "null":
            return n.Const(missing.type, text, missing.value)
        if item.type.kind != "category":
            raise ExpressionError(f"{name}() takes a category, and {item.text!r} is {item.type}")
        if isinstance(item, n.Const):  # of a constant, only the label that it is
            self._known((str(item.value),), item, name)
            found = _number(self.values.get(str(item.value), self.otherwise))
            return n.Const(found.type, text, found.value)
        labels = item.type.labels
        for label in self.values:
            if label not in labels:
                told = f"{name} has a number for {label!r}, which is not a label of {item.text}"
                raise ExpressionError(f"{told}{suggest(label, labels)}: it has {', '.join(labels)}")
        self._known(labels, item, name)
        numbers: dict[int | float, list[str]] = {}  # labels with the same number together
        for label in labels:
            found = self.values.get(label, self.otherwise)
            if found is not None:
                numbers.setdefault(found, []).append(label)
        items = tuple(
            (n.IsIn(n.BOOL, f"{item.text} in {{{', '.join(some)}}}", item, tuple(some)), _number(number))
            for number, some in numbers.items()
        )
        return n.Cases(n.NUMBER, text, items, missing)

    def _known(self, labels: tuple[str, ...], item: n.Node, name: str) -> None:
        if self.otherwise is None and (lost := [label for label in labels if label not in self.values]):
            told = f"{name} has no number for {', '.join(map(repr, lost))} of {item.text}"
            raise ExpressionError(f"{told}: list every label in its `values`, or say `otherwise`")


def _number(value: int | float | None) -> n.Const:
    return n.Const(n.NULL, "null", None) if value is None else n.Const(n.NUMBER, repr(value), value)
