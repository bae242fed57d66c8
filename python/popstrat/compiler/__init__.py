"""The compiler: typed expressions → one program of the engine, lowered by what is lowered, then improved by passes.

May be imported from here: `compile_definitions`, `Compiled`, `Output`, `Options`, `OPTIMISED`, `PLAIN`, `PASSES`.
It knows patient tables and packs at an as-of date, and nothing of Arrow, files or people.
"""

from __future__ import annotations

from popstrat.compiler.options import OPTIMISED, PLAIN, Options
from popstrat.compiler.outputs import Output
from popstrat.compiler.passes import PASSES
from popstrat.compiler.program import Compiled, compile_definitions

__all__ = ["OPTIMISED", "PASSES", "PLAIN", "Compiled", "Options", "Output", "compile_definitions"]
