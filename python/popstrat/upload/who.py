"""Whose key a few NHS numbers are, by the lookup: for looking at single patients, not for files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.errors import InputError
from popstrat.packs.patient_table import ID
from popstrat.privacy import nhs_numbers
from popstrat.upload.lookup import NUMBER, LookupFile, lookup_columns


def keys_of(lookup: LookupFile, numbers: Sequence[str]) -> list[str]:
    """The key of each NHS number, in the order asked for.

    Raises `InputError`, which says only which of the numbers it is about, for a text that is no NHS number, one that
    the lookup does not have, and one that is not surely one key's: in several rows, or of a key that is in several.
    """
    wanted, states = nhs_numbers.check(pa.array(numbers, pa.string()))
    _refuse(states != nhs_numbers.PASSED, "is not an NHS number", None)
    found: list[list[str]] = [[] for _ in numbers]
    for _, data in lookup_columns(lookup, (NUMBER, ID)):
        theirs, good = nhs_numbers.check(data[NUMBER])
        for row in np.flatnonzero(np.isin(theirs, wanted) & (good == nhs_numbers.PASSED)).tolist():
            for i in np.flatnonzero(wanted == theirs[row]).tolist():
                found[i].append(str(data[ID][row].as_py()))
    _refuse(np.array([not keys for keys in found]), "is not in the lookup", lookup)
    _refuse(np.array([len(keys) > 1 for keys in found]), "is in the lookup more than once", lookup)
    keys = [one for (one,) in found]
    times = dict.fromkeys(keys, 0)
    for _, data in lookup_columns(lookup, (ID,)):
        for key in data[ID].cast(pa.string()).filter(_among(data[ID], keys)).to_pylist():
            times[key] += 1
    _refuse(np.array([times[key] > 1 for key in keys]), "is of a key that is in the lookup more than once", lookup)
    return keys


def _among(ids: pa.Array, keys: Sequence[str]) -> pa.Array:
    from popstrat.core.lazy import compute as pc

    return pc.is_in(ids.cast(pa.string()), value_set=pa.array(keys, pa.string()))


def _refuse(wrong: NDArray[np.bool_], problem: str, lookup: LookupFile | None) -> None:
    if wrong.any():
        number = int(np.flatnonzero(wrong)[0]) + 1
        which = f"number {number} of those asked for" if len(wrong) > 1 else "the number asked for"
        raise InputError(f"{which} {problem}", file=None if lookup is None else lookup.name)
