"""Optional passes: each takes a list of operations and gives one that does the same for less.

A pass may be left out, and any subset of them runs in this order; what is needed for correctness is no pass. Imported
from here: `PASSES`, `Pass`. A pass may leave operations in any order: they are put in order before they get registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from popstrat.compiler.operations import Operation
from popstrat.compiler.passes.drop_unused import drop_unused
from popstrat.compiler.passes.fold_planes import fold_planes
from popstrat.compiler.passes.gather_numbers import gather_numbers
from popstrat.compiler.passes.join_chains import join_chains
from popstrat.compiler.passes.write_early import write_early

Pass = Callable[[Sequence[Operation]], list[Operation]]

PASSES: tuple[Pass, ...] = (drop_unused, join_chains, write_early, fold_planes, gather_numbers)
