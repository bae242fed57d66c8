"""Disclosure control of published figures: which counts are withheld, how the rest are rounded, and how coarse all
other figures must be. `rules`, whose names are imported from here, has the rules for one figure, `release` and `tables`
those for figures that add up, `audit` the exact programme that tests hold them against (scipy). The rooms above take
their figures through here before they publish."""

from popstrat.errors import ExposedError
from popstrat.privacy.disclosure.rules import ROUND_TO, SMALLEST, WIDTH, coarse, few, rounded, share_of, step

__all__ = [
    "ROUND_TO", "SMALLEST", "WIDTH", "ExposedError", "coarse", "few", "rounded", "share_of", "step",
]  # fmt: skip
