"""Practice codes as whole numbers: a practice's index among those of the scored table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from popstrat.core.arrow import without_views

ELSEWHERE = -1
"""The index of a practice of which nobody was scored. As an index of an array it is its last entry: arrays by practice
have one entry more where rows of a lookup or of last month are counted."""


@dataclass(frozen=True)
class Practices:
    """Practice codes, each once; a practice's index is its place in ``codes``."""

    codes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {code: i for i, code in enumerate(self.codes)}

    def index(self, code: str) -> int:
        """The index of a code, `ELSEWHERE` if it is none of these."""
        return self._index.get(code, ELSEWHERE)

    def indices(self, column: pa.Array) -> NDArray[np.int32]:
        """The index of each row's code; `ELSEWHERE` where it is null or none of these."""
        return _indices(column, self.index)

    def coded(self, indices: pa.Array) -> pa.Array:
        """Indices as the codes that they stand for, as a dictionary of texts."""
        return pa.DictionaryArray.from_arrays(indices, pa.array(self.codes, pa.string()))


class Numbering:
    """Gives practices their indices in the order in which they are met."""

    def __init__(self) -> None:
        self._index: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._index)

    def indices(self, column: pa.Array) -> NDArray[np.int32]:
        """The index of each row's code, a new one for a new code."""
        return _indices(column, lambda code: self._index.setdefault(code, len(self._index)))

    def practices(self) -> Practices:
        """Those met so far."""
        return Practices(tuple(self._index))


def added(people: NDArray[np.int64], more: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts by practice and more of them, which may be of more practices."""
    more[: len(people)] += people
    return more


def _indices(column: pa.Array, index: Callable[[str], int]) -> NDArray[np.int32]:
    column = without_views(column)
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    table = np.array(
        [ELSEWHERE if c is None else index(str(c)) for c in coded.dictionary.to_pylist()] + [ELSEWHERE], np.int32
    )
    at = pc.fill_null(coded.indices.cast(pa.int64()), len(table) - 1)
    found: NDArray[np.int32] = table[np.asarray(at)]
    return found
