"""What the compiler may leave undone: its passes, and the optimisations that are woven into lowering.

Any choice gives programs with the same results to the last bit; the property tests hold that.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from popstrat.compiler.passes import PASSES, Pass


@dataclass(frozen=True)
class Options:
    """Which optimisations are made; by default all of them."""

    passes: tuple[Pass, ...] = PASSES
    """What is done to the list of operations, in this order."""
    sharing: bool = True
    """Equal subexpressions are worked out once, and planes that turn out equal are known to be."""
    intervals: bool = True
    """Where the result of arithmetic must lie is worked out, and checks that cannot fail are left out."""
    shorts: bool = True
    """Small whole numbers are worked out, and added up by models, in 16 bits."""
    differences: bool = True
    """The days between two date columns are compared in place, without a register."""
    lookups: bool = True
    """Numbers that take few values are looked up in a table."""
    reuse: bool = True
    """Registers are freed after the last use, and used again."""

    def without(self, *names: str) -> Options:
        """The same, but for some passes and switches. Raises KeyError for a name that none of them has."""
        for name in names:
            if name not in NAMES:
                raise KeyError(name)
        off: dict[str, Any] = {name: False for name in names if name in _SWITCHES}
        return replace(self, passes=tuple(p for p in self.passes if p.__name__ not in names), **off)


_SWITCHES = tuple(f.name for f in fields(Options) if f.name != "passes")
NAMES = (*(p.__name__ for p in PASSES), *_SWITCHES)
"""Every optional pass, and every switch."""
OPTIMISED = Options()
PLAIN = Options((), **dict.fromkeys(_SWITCHES, False))
"""The plainest program: no pass, no switch."""
