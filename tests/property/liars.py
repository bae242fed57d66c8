"""Tables that lie about themselves: offsets that fall or lead outside, indices that no dictionary has, views of other
buffers, counts of nulls that are wrong, rubbish under nulls, dictionaries that lie; and Arrow files with bytes changed.

    python tests/property/liars.py 0 1000          # the liars of these numbers
    python tests/property/liars.py 0 1000 files    # damaged files instead

Each is drawn from its number alone. What must come out: an `InputError` that names a column which lies, or the scored
table that the reference gives where what lies is an unknown label, on every instruction set. Whoever runs this reads
the last line to learn what happened, and, where there is none, which number ended the process.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from damaged_views import of_buffers
from generated import Table, bits, compare, score_at, table_of

import popstrat
from popstrat.core.soundness import exportable
from popstrat.engine import levels
from popstrat.errors import InputError
from popstrat.formats.registry import open_source
from popstrat.packs.patient_table import KEY_COLUMNS, PLACE_COLUMNS
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.unique_ids import check_unique

AS_OF = dt.date(2026, 6, 30)
SIZES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 95, 96, 97, 127, 128, 129, 191, 200)
PASSED_ON = (*KEY_COLUMNS, *PLACE_COLUMNS)
UNKNOWN = "no such label"
LABELS = ("sex", "frailty", "bp_setting", "smoking", "ethnicity", "diabetes_type")
Rng = np.random.Generator


class LiedError(Exception):
    """Something came out that is neither right nor a refusal."""


@cache
def scorer(profile: str = "direct-care") -> Scorer:
    return Scorer("london-2026", AS_OF, profile=profile)


def buffer(values: Any) -> pa.Buffer:
    """A copy with nothing after it, so that a sanitizer sees who reads on."""
    return pa.py_buffer(np.array(values))


def rebuilt(array: pa.Array, buffers: list[Any], nulls: int = -1) -> pa.Array:
    return of_buffers(array.type, len(array), buffers, nulls, array.offset)


def numbers_of(array: pa.Array, which: int, dtype: Any) -> Any:
    return np.frombuffer(array.buffers()[which] or b"", dtype).copy()


def valid_rows(array: pa.Array) -> Any:
    held = array.indices if pt.is_dictionary(array.type) else array
    bitmap = held.buffers()[0]
    if bitmap is None:
        return np.ones(len(array), bool)
    return np.unpackbits(np.frombuffer(bitmap, np.uint8), bitorder="little")[held.offset :][: len(array)].astype(bool)


def indices_of(array: pa.Array) -> Any:
    return numbers_of(array.indices, 1, array.type.index_type.to_pandas_dtype())


# -- lies: each gives the array, and what its rows then mean (None: it must be refused, if it is looked at) ------------


def false_offsets(array: pa.Array, rng: Rng) -> tuple[pa.Array, list[Any] | None]:
    """Offsets that fall, are negative or beyond the text, but for the first and the last row's."""
    large = pt.is_large_string(array.type)
    offsets = numbers_of(array, 1, np.int64 if large else np.int32)
    text = array.buffers()[2] or pa.py_buffer(b"")
    first, last = array.offset, array.offset + len(array)
    if last - first < 2:
        return array, array.to_pylist()
    odd = [-1, -8, -(2**31), 2**31 - 1, 2**30, text.size, text.size + 1, text.size - 7, text.size + 9, 0]
    odd += [2**62, -(2**63), 2**63 - 1] if large else []
    for at in rng.integers(first + 1, last, int(rng.integers(1, 4))):
        near = min(max(int(offsets[at]), -(2**30)), 2**30) + int(rng.integers(-40, 40))
        offsets[at] = rng.choice(odd) if rng.random() < 0.7 else near
    end = int(offsets[last])
    meant: list[Any] = []
    for row, there in enumerate(valid_rows(array)):
        start, stop = int(offsets[first + row]), int(offsets[first + row + 1])
        sound = 0 <= start <= stop <= end
        word = bytes(text[start:stop]).decode("utf-8", "replace") if sound and stop > start else ""
        meant.append(None if not there else word if sound else UNKNOWN)
    return rebuilt(array, [array.buffers()[0], buffer(offsets), text]), meant


def false_text(array: pa.Array, rng: Rng) -> tuple[pa.Array, list[Any] | None]:
    """Bytes that are no UTF-8."""
    valid, offsets, text = array.buffers()
    letters = np.frombuffer(text or b"", np.uint8).copy()
    if not len(letters):
        return array, array.to_pylist()
    letters[rng.integers(0, len(letters), 3)] = rng.choice([0x80, 0xC0, 0xFF, 0x00, 0xED])
    lies = rebuilt(array, [valid, offsets, buffer(letters)])
    raw = lies.view(pa.large_binary() if pt.is_large_string(array.type) else pa.binary()).to_pylist()
    return lies, [None if r is None else r.decode("utf-8", "replace") for r in raw]


def false_views(array: pa.Array, rng: Rng) -> tuple[pa.Array, list[Any] | None]:
    """Views of buffers that are not there, beyond their end, or of a negative length."""
    valid, views, *texts = array.buffers()
    words = np.frombuffer(views, np.int32).copy().reshape(-1, 4)
    row = array.offset + int(rng.integers(0, len(array)))
    words[row, 0] = int(rng.choice([-1, 13, 40, 2**31 - 1, -(2**31)]))
    words[row, 2] = int(rng.choice([0, 1, 7, -1, 2**31 - 1]))
    words[row, 3] = int(rng.choice([0, 1, -1, 2**30, 2**31 - 1]))
    texts = [t for t in texts if t is not None]
    lies = of_buffers(array.type, len(array), [valid, buffer(words), *texts], -1, array.offset)
    length, _, which, start = (int(x) for x in words[row])
    inside = 0 <= which < len(texts) and start >= 0 and start + length <= texts[which].size
    honest = not valid_rows(lies)[row - array.offset] or 0 <= length <= 12 or (length > 12 and inside)
    return lies, lies.to_pylist() if honest else None


def false_indices(array: pa.Array, rng: Rng) -> tuple[pa.Array, list[Any] | None]:
    """Indices that no entry of the dictionary has."""
    kind = array.type.index_type.to_pandas_dtype()
    info, indices, many = np.iinfo(kind), indices_of(array), len(array.dictionary)
    odd = [-1, -2, -128, many, many + 1, 15, 16, 17, 31, 32, 33, 127, 128, 255, 256, 300, info.min, info.max]
    odd = [x for x in odd if info.min <= x <= info.max]
    for at in rng.integers(array.offset, array.offset + len(array), int(rng.integers(1, 5))):
        indices[at] = odd[int(rng.integers(len(odd)))]
    return with_indices(array, indices)


def with_indices(array: pa.Array, indices: Any) -> tuple[pa.Array, list[Any]]:
    made = rebuilt(array.indices, [array.indices.buffers()[0], buffer(indices)])
    entries = array.dictionary.to_pylist()
    shown = indices[array.offset : array.offset + len(array)].tolist()
    meant = [
        None if not there else entries[i] if 0 <= i < len(entries) else UNKNOWN
        for i, there in zip(shown, valid_rows(array), strict=True)
    ]
    return pa.DictionaryArray.from_arrays(made, array.dictionary, safe=False), meant


def false_dictionary(array: pa.Array, rng: Rng) -> tuple[pa.Array, list[Any] | None]:
    """A dictionary whose own text lies."""
    lie = false_offsets if rng.random() < 0.5 else false_text
    entries, _ = lie(array.dictionary, rng)
    try:
        entries.validate(full=True)
    except pa.ArrowInvalid:
        return pa.DictionaryArray.from_arrays(array.indices, entries, safe=False), None
    shown = indices_of(array)
    return with_indices(pa.DictionaryArray.from_arrays(array.indices, entries, safe=False), shown)


def false_count(array: pa.Array, rng: Rng) -> tuple[pa.Array, list[Any] | None]:
    """A number of nulls that is wrong; 0 is left out, since Arrow then drops the bitmap itself."""
    count = int(rng.integers(1, len(array) + 1))
    held = array.indices if pt.is_dictionary(array.type) else array
    if held.buffers()[0] is None:
        return array, array.to_pylist()
    lies = rebuilt(held, held.buffers(), count)
    if pt.is_dictionary(array.type):
        lies = pa.DictionaryArray.from_arrays(lies, array.dictionary, safe=False)
    return lies, array.to_pylist()


def rubbish_under_nulls(array: pa.Array, rng: Rng) -> tuple[pa.Array, list[Any] | None]:
    """Anything at all where the bitmap says null; that is no lie, and changes nothing."""
    held = array.indices if pt.is_dictionary(array.type) else array
    width = 0 if pt.is_boolean(held.type) or pt.is_null(held.type) else held.type.bit_width // 8
    if not width:
        return array, array.to_pylist()
    values = np.frombuffer(held.buffers()[1], np.uint8).copy()
    for row in np.flatnonzero(~valid_rows(array)):
        at = (held.offset + int(row)) * width
        values[at : at + width] = rng.integers(0, 256, width)
    lies = rebuilt(held, [held.buffers()[0], buffer(values)])
    if pt.is_dictionary(array.type):
        lies = pa.DictionaryArray.from_arrays(lies, array.dictionary, safe=False)
    return lies, array.to_pylist()


def lies_of(array: pa.Array) -> list[Callable[[pa.Array, Rng], tuple[pa.Array, list[Any] | None]]]:
    kind = array.type
    if pt.is_null(kind):
        return []
    if pt.is_dictionary(kind):
        return [false_indices, false_indices, false_dictionary, false_count, rubbish_under_nulls]
    if pt.is_string(kind) or pt.is_large_string(kind):
        return [false_offsets, false_offsets, false_text, false_count]
    if pt.is_string_view(kind):
        return [false_views, false_count]
    return [false_count, rubbish_under_nulls]


# -- what must come out ------------------------------------------------------------------------------------------------


def liar(number: int) -> tuple[str, list[str]]:
    """Make the table of this number and score it: (what came of it, which lies it holds)."""
    rng = np.random.default_rng(number)
    size = int(rng.choice(SIZES)) if rng.random() < 0.95 else int(rng.choice([4095, 4096, 4097]))
    if size < 1000:
        columns = () if rng.random() < 0.2 else tuple(rng.permutation([c.name for c in scorer().pack.schema])[:12])
    else:
        columns = tuple(rng.permutation(LABELS)[:2])
    table = table_of(rng, scorer().resolved, size, 1.0, float(rng.choice([0, 0.1, 0.5])), 0.1,
                     tuple({*columns, str(rng.choice(LABELS))}))  # fmt: skip
    batch = table.batch
    names = list(batch.schema.names)
    likely = [n for n in names if n in LABELS or n in ("patient_id", "practice_code")]
    told: dict[str, str] = {}
    arrays = dict(zip(names, batch.columns, strict=True))
    hopeless = set()
    for _ in range(int(rng.integers(1, 4))):
        name = str(rng.choice(likely if rng.random() < 0.7 else names))
        choices = lies_of(arrays[name])
        if name in told or not choices or not size:
            continue
        lie = choices[int(rng.integers(len(choices)))]
        arrays[name], meant = lie(arrays[name], rng)
        told[name] = lie.__name__
        if meant is None:
            hopeless.add(name)
        elif name in LABELS:
            for row, word in zip(table.rows, meant, strict=True):
                row[name] = word
        elif UNKNOWN in meant:
            hopeless.add(name)
    lying = replace(table, batch=pa.RecordBatch.from_arrays(list(arrays.values()), names=names))
    return judged(lying, told, hopeless, rng), sorted(told.values())


def judged(table: Table, told: dict[str, str], hopeless: set[str], rng: Rng) -> str:
    """What the engine makes of it, on every instruction set."""
    batch = table.batch
    try:
        bound = scorer().bind(batch.schema)
        if hopeless:
            bound.score(batch, threads=int(rng.choice([1, 2])))
        else:
            scored, _ = compare(scorer(), table, [c for c in told if c in PASSED_ON])
            exact = [bits(c) for c in answers(scored)]
            for level in levels():
                if [bits(c) for c in answers(score_at(bound, batch, level))] != exact:
                    raise LiedError(f"{level} gives another answer")
    except InputError as error:
        refused(error, told)
        elsewhere(batch, told, rng)
        return "refused"
    elsewhere(batch, told, rng)
    read = {c for c in hopeless if c in scorer().columns}
    if read:
        raise LiedError(f"{read} lies ({told}), and was scored")
    return "scored"


def answers(scored: pa.RecordBatch) -> list[pa.Array]:
    return [scored.column(name) for name in scored.schema.names if name not in PASSED_ON]


def refused(error: InputError, told: dict[str, str]) -> None:
    if error.column not in told:
        raise LiedError(f"{error} is refused, where {told} lie")


def elsewhere(batch: pa.RecordBatch, told: dict[str, str], rng: Rng) -> None:
    """Other ways in: each gives something, or refuses."""
    table = pa.Table.from_batches([batch.slice(0, batch.num_rows // 2), batch])
    ways: list[Callable[[], object]] = [
        lambda: check_unique(batch.column("patient_id")),
        lambda: Scorer("london-2026", AS_OF, contributions=2).score_batch(batch),
        lambda: popstrat.score(table, AS_OF),
        lambda: popstrat.contributions(batch, AS_OF),
        lambda: scorer().checker(batch.schema).score(batch),
        lambda: list(scorer().score_batches([batch])),
        lambda: scorer("secondary-use").score_batch(with_opt_outs(batch, rng)),
    ]
    try:
        ways[int(rng.integers(len(ways)))]()
    except InputError as error:
        if error.column not in {*told, "patient_id"}:  # ids are repeated in `table`
            raise LiedError(f"{error} is refused, where {told} lie") from None


def with_opt_outs(batch: pa.RecordBatch, rng: Rng) -> pa.RecordBatch:
    for name in ("type1_opt_out", "national_data_opt_out"):
        if name in batch.schema.names and pa.types.is_null(batch.schema.field(name).type):  # which the profile refuses
            batch = batch.drop_columns([name])
        if name not in batch.schema.names:
            batch = batch.append_column(name, pa.array(rng.random(batch.num_rows) < 0.3))
    return batch


# -- files -------------------------------------------------------------------------------------------------------------


def damaged(number: int, folder: Path) -> tuple[str, list[str]]:
    """Write a sound file, change a few of its bytes, read and score it."""
    rng = np.random.default_rng(number)
    table = table_of(rng, scorer().resolved, int(rng.choice([5, 64, 300])), 0.3, 0.2, 0.0)
    path = folder / "list.arrow"
    stream = rng.random() < 0.3
    compression = [None, None, "lz4", "zstd"][int(rng.integers(4))]
    options = pa.ipc.IpcWriteOptions(compression=compression)
    batch = pa.record_batch([exportable(c) for c in table.batch.columns], schema=table.batch.schema)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(path, batch.schema, options=options) as out:
        for _ in range(int(rng.integers(1, 3))):
            out.write_batch(batch)
    content = bytearray(path.read_bytes())
    way = ["byte", "byte", "word", "cut", "swap"][int(rng.integers(5))]
    for _ in range(int(rng.choice([1, 2, 8]))):
        at = int(rng.integers(0, len(content) - 8))
        if way == "byte":
            content[at] = int(rng.integers(0, 256))
        elif way == "word":
            content[at : at + 4] = int(rng.choice([0, 2**31 - 1, 2**32 - 1, 2**30, 2**31])).to_bytes(4, "little")
        elif way == "swap":
            other = int(rng.integers(0, len(content) - 8))
            content[at : at + 8], content[other : other + 8] = content[other : other + 8], content[at : at + 8]
    if way == "cut":
        del content[int(rng.integers(1, len(content))) :]
    path.write_bytes(content)
    try:
        source = open_source([path]).files[0]
        batches = list(source.batches(source.schema.names))
        for batch in batches:
            batch.validate(full=True)
        wanted = [c for c in scorer().columns if c in source.schema.names]
        bound = scorer().bind(pa.schema([source.schema.field(c) for c in wanted]))
        for batch in source.batches(wanted):
            check_unique(batch.column(wanted.index("patient_id")))
            bound.score(batch)[0].validate(full=True)
    except InputError as error:
        if str(error).count("\n"):
            raise LiedError("a message of several lines") from error
        return "refused", [way]
    return "read", [way]


def main() -> None:
    start, stop = int(sys.argv[1]), int(sys.argv[2])
    came, lies, ways = Counter[str](), Counter[str](), {"tables": liar, "files": damaged}
    of_files = sys.argv[3:] == ["files"]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(start, stop):
            print(number, file=sys.stderr, flush=True)
            what, told = damaged(number, Path(folder)) if of_files else ways["tables"](number)
            came[what] += 1
            lies.update(told)
    print(json.dumps({"came": came, "lies": lies, "levels": levels()}))


if __name__ == "__main__":
    main()
