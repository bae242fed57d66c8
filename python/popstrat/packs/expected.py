"""How many people of a list would be expected to have each flag and each record, by age and sex (`expected.json`).

The file says what it is and is not, and `popstrat.synthetic.expected` makes it out of the generator's figures. It is
for asking whether an extract is filled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FILE = "expected.json"
BAND_YEARS = 5
BANDS = 19
"""Age bands of five years; the last is 90 and over."""
FEMALE, MALE = 0, 1

Basis = Literal["published", "assumed", "local"]


@dataclass(frozen=True)
class ExpectedShare:
    """Of one column: the share of people, by sex (female, male) and age band, who have the flag (``counts`` true) or a
    recorded value (``counts`` recorded), and what the figures rest on (`bases` of the file)."""

    counts: Literal["true", "recorded"]
    basis: Basis
    share: NDArray[np.float64]

    def count(self, people: NDArray[np.float64]) -> float:
        """How many are expected among so many people of each sex and age band (2 × `BANDS`)."""
        return float((self.share * people).sum())


@dataclass(frozen=True)
class Expected:
    """The table: columns, and the hash of the generator's figures that it was made of."""

    columns: Mapping[str, ExpectedShare]
    parameters_sha256: str

    def counts(self, people: NDArray[np.float64]) -> dict[str, float]:
        """As `ExpectedShare.count`, of every column."""
        counts = np.tensordot(self._shares, people, 2).tolist()
        return dict(zip(self.columns, counts, strict=True))

    @cached_property
    def _shares(self) -> NDArray[np.float64]:
        return np.stack([column.share for column in self.columns.values()])


@cache
def expected() -> Expected:
    """The table that popstrat comes with."""
    raw = json.loads(resources.files("popstrat.packs").joinpath(FILE).read_text(encoding="utf-8"))
    columns = {
        name: ExpectedShare(c["counts"], c["basis"], np.array([c["female"], c["male"]]) / 1000)
        for name, c in raw["per_1000"].items()
    }
    return Expected(columns, raw["parameters_sha256"])
