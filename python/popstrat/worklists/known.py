"""People found again by their keys: which row of a file has each key, for files that fit into memory."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from popstrat.scoring.unique_ids import hash_ids

_SEED = np.uint64(0)


class Known:
    """Keys of a file (whole numbers or plain text, none null), and where each stands."""

    def __init__(self, keys: pa.Array) -> None:
        hashes = hash_ids(keys, _SEED)
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._rows, self.keys = hashes[order], order, keys

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, keys: pa.Array) -> NDArray[np.int64]:
        """The first row that has each key, −1 where none has."""
        found = np.full(len(keys), -1, np.int64)
        if not len(self) or not len(keys):
            return found
        hashes = hash_ids(keys, _SEED)
        at = np.searchsorted(self._hashes, hashes)
        left = np.arange(len(keys))
        while len(left):  # once, but for keys that share a hash
            inside = at[left] < len(self)
            left = left[inside]
            left = left[self._hashes[at[left]] == hashes[left]]
            rows = self._rows[at[left]]
            same = np.asarray(pc.equal(self.keys.take(pa.array(rows)), keys.take(pa.array(left))))
            found[left[same]] = rows[same]
            left = left[~same]
            at[left] += 1
        return found

    def have(self, keys: pa.Array) -> NDArray[np.bool_]:
        """Which of these keys are there."""
        return self.rows(keys) >= 0

    def all_rows(self, keys: pa.Array) -> NDArray[np.int64]:
        """Every row whose key has the hash of one of these, each once; so at least all that have one of these keys."""
        hashes = np.unique(hash_ids(keys, _SEED))
        starts = np.searchsorted(self._hashes, hashes)
        ends = np.searchsorted(self._hashes, hashes, side="right")
        lengths = ends - starts
        offsets = np.repeat(starts - np.r_[0, np.cumsum(lengths)[:-1]], lengths) if len(starts) else starts
        return self._rows[np.arange(int(lengths.sum())) + offsets]
