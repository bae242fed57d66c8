"""Every id of every file, as it was read back, followed to where it came from: the lookup and LIST, both read anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from popstrat.errors import InputError
from popstrat.packs.keys import as_read
from popstrat.packs.patient_table import ID, PRACTICE
from popstrat.privacy import nhs_numbers
from popstrat.runs.input_files import InputFile
from popstrat.upload.lookup import NUMBER, LookupFile, lookup_columns
from popstrat.upload.patient_keys import KeyRule
from popstrat.upload.read_back import refuse_twice
from popstrat.worklists.read_ids import Ids

_KEYS = (ID, PRACTICE)


@dataclass(frozen=True)
class Written:
    """A file as it was read back, and what should be in it: keys and practices, in its order."""

    name: str
    ids: Ids
    keys: pa.Array
    practices: pa.Array


def trace(written: Sequence[Written], lookup: LookupFile | None, files: Sequence[InputFile], keys: KeyRule) -> None:
    """Raise `InputError` unless each file names, in its order, those it should; by NHS number, unless each number
    belongs, by the lookup, to that key alone, and is of the practice that LIST has for the key."""
    for file in written:
        refuse_twice(file.ids.ids, file.name)
        if len(file.ids.ids) != len(file.keys):
            raise InputError(
                f"has {len(file.ids.ids):,} people, and {len(file.keys):,} should be on it", file=file.name
            )
    if lookup is None:
        for file in written:
            if file.ids.kind != ID or not file.ids.ids.equals(file.keys.cast(pa.string())):
                raise InputError("has other people than it should have", file=file.name)
        return
    wanted = pa.concat_arrays([_numbers(file) for file in written])
    by_number = _by_number(wanted, lookup, keys)
    practices = _practices(pa.concat_arrays([file.keys for file in written]), files, keys)
    for file in written:
        at = pc.index_in(_numbers(file), value_set=by_number["number"])
        if at.null_count:
            raise InputError("has an NHS number that is not in the lookup", file=file.name)
        if not by_number["key"].take(at).equals(file.keys):
            raise InputError("has the NHS number of somebody else, by the lookup", file=file.name)
        of_list = practices["practice"].take(pc.index_in(file.keys, value_set=practices["key"]))
        for theirs in (by_number["practice"].take(at), of_list):
            if not theirs.equals(file.practices):
                raise InputError("has somebody of another practice", file=file.name)


def _numbers(file: Written) -> pa.Array:
    numbers, states = nhs_numbers.check(file.ids.ids)
    if (states != nhs_numbers.PASSED).any():
        raise InputError("has something that is not an NHS number where one should be", file=file.name)
    return pa.array(numbers, pa.int64())


def _by_number(wanted: pa.Array, lookup: LookupFile, keys: KeyRule) -> dict[str, pa.Array]:
    """The rows of the lookup that have one of these NHS numbers, which each must have once."""
    found: dict[str, list[pa.Array]] = {"number": [], "key": [], "practice": []}
    for _, data in lookup_columns(lookup, (NUMBER, ID, PRACTICE)):
        numbers = pa.array(nhs_numbers.check(data[NUMBER])[0], pa.int64())
        here = pc.is_in(numbers, value_set=wanted)
        found["number"].append(numbers.filter(here))
        found["key"].append(keys.cast(data[ID]).filter(here))
        found["practice"].append(_text(data[PRACTICE]).filter(here))
    joined = {name: _joined(parts, name, keys) for name, parts in found.items()}
    if pc.count_distinct(joined["number"]).as_py() != len(joined["number"]):
        raise InputError("has an NHS number of the lists more than once", file=lookup.name)
    return joined


def _practices(wanted: pa.Array, files: Sequence[InputFile], keys: KeyRule) -> dict[str, pa.Array]:
    """The practice that LIST has for each of these keys."""
    found: dict[str, list[pa.Array]] = {"key": [], "practice": []}
    for file in files:
        for batch in file.source.batches(file.plan.wanted(_KEYS)):
            data = file.plan.apply(batch, _KEYS)
            key = keys.cast(as_read(data.column(0), "key", ID).column)
            here = pc.is_in(key, value_set=wanted)
            found["key"].append(key.filter(here))
            found["practice"].append(_text(as_read(data.column(1), "code", PRACTICE).column).filter(here))
        file.source.check_unchanged()
    return {name: _joined(parts, name, keys) for name, parts in found.items()}


def _text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.large_string())
    return column.cast(pa.string())


def _joined(parts: Sequence[pa.Array], name: str, keys: KeyRule) -> pa.Array:
    kind = {"number": pa.int64(), "key": keys.type, "practice": pa.string()}[name]
    return pa.concat_arrays([part.cast(kind) for part in parts]) if parts else pa.array([], kind)
