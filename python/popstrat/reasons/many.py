"""What is said of many people at once: the engine says of whom and with what values, Arrow makes the texts.

Text is made only for the rows of which a sentence is told, and of each different value once, by the same functions as
for one patient (`one.written`).
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.dates import days, from_days
from popstrat.core.lazy import compute as pc
from popstrat.lang import nodes as n
from popstrat.packs.definition import Definition
from popstrat.packs.pack import Pack
from popstrat.packs.resolved import Resolved
from popstrat.packs.sentences import DRIVERS, GROUPS, Piece, Sentence, Slot
from popstrat.reasons.one import BETWEEN, BETWEEN_DRIVERS, MOST_DRIVERS, Drivers, written
from popstrat.scoring.attribution import Listing
from popstrat.scoring.bound import BoundScorer

_Lines = tuple[NDArray[np.int64], pa.Array]
"""Rows, ascending, each with a text."""


@dataclass
class Setting:
    """What a bound scorer has to know (`scoring.bound.Setting`), with the columns that sentences read."""

    pack: Pack
    as_of: dt.date
    resolved: Resolved
    columns: tuple[str, ...]
    profile: str = "direct-care"
    listings: tuple[Listing, ...] = ()
    besides: tuple[Definition, ...] = ()

    @property
    def stamp(self) -> None:
        return None

    @property
    def columns_counted(self) -> tuple[str, ...]:
        return self.columns

    @property
    def counting(self) -> Resolved:
        return self.resolved

    def bind(self, schema: pa.Schema, *, counted: bool = True) -> BoundScorer:
        return BoundScorer(self, schema, counted=counted)

    def checker(self, schema: pa.Schema) -> BoundScorer:
        return BoundScorer(self, schema, check_only=True)


def outputs_of(sentences: Sequence[Sentence], drivers: Sequence[Drivers]) -> list[Definition]:
    """What a program writes for sentences and drivers."""
    nodes = dict.fromkeys(node for s in sentences for node in (s.condition, *(slot.node for slot in s.slots())))
    return [*(_definition(str(i), node) for i, node in enumerate(nodes)), *_of_drivers(drivers)]


def _of_drivers(drivers: Sequence[Drivers]) -> list[Definition]:
    return [definition for listing in drivers for definition in listing.definitions]


def _definition(name: str, node: n.Node) -> Definition:
    dtype = {"bool": "bool", "category": "dictionary"}.get(node.type.kind, "float64")
    return Definition(f"sentence:{name}", "expression", node, name, "", "", "", name, dtype, {})


class Bound:
    """Sentences for lists of one schema: the engine's program, and what is made of what it writes."""

    def __init__(
        self, setting: Setting, told: Sequence[Sentence], drivers: Sequence[Drivers], schema: pa.Schema
    ) -> None:
        self.told, self.drivers, self.as_of = told, drivers, setting.as_of
        nodes = dict.fromkeys(
            node for s in told for node in (s.condition, *(self._written(slot) for slot in s.slots()))
        )
        self._places = {node: i for i, node in enumerate(nodes)}
        outputs = [*(_definition(str(i), node) for i, node in enumerate(nodes)), *_of_drivers(drivers)]
        self._count = len(outputs)
        self._scorer = BoundScorer(setting, schema, instead=outputs, counted=False)

    def _written(self, slot: Slot) -> n.Node:
        """What the engine writes of a value: of a date the days before the as-of date, since it writes no dates."""
        if slot.style != "date":
            return slot.node
        return n.Arithmetic(n.NUMBER, "", "-", n.Const(n.DATE, "", self.as_of), slot.node)

    def columns(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """The columns of text for a batch."""
        made: list[pa.Array] = []
        if self._count:  # a pack may have nothing to say
            scored = self._scorer.score(batch)[0]
            made = scored.columns[scored.num_columns - self._count :]
        rows, found = batch.num_rows, {}
        for group in GROUPS:
            here = [s for s in self.told if s.under == group]
            parts = [self._sentence(s, made) for s in here]
            found[group] = _together([*parts, *_caveats(here, parts, rows)], rows)
        parts, at = [], len(self._places)
        for listing in self.drivers:
            parts.append(_raising(listing, made[at : at + len(listing.definitions)], rows))
            at += len(listing.definitions)
        found[DRIVERS] = _together(parts, rows)
        return found

    def _sentence(self, sentence: Sentence, made: Sequence[pa.Array]) -> _Lines:
        """The rows of which a sentence is told, with its text."""
        rows = np.flatnonzero(made[self._places[sentence.condition]].to_numpy(zero_copy_only=False))
        if not len(rows):
            return rows, pa.array([], pa.string())
        at = pa.array(rows)
        values = {id(slot): made[self._places[self._written(slot)]].take(at) for slot in sentence.slots()}
        texts = {id(slot): self._texts(slot, values[id(slot)]) for slot in sentence.slots()}
        for slot, alike in _alike(sentence, values, texts):
            texts[id(slot)] = pc.if_else(alike, self._texts(slot, values[id(slot)], True), texts[id(slot)])
        found = _joined(sentence.pieces, texts)
        if isinstance(found, str):
            return rows, pa.repeat(found, len(rows))
        there = found.is_valid()
        return rows[there.to_numpy(zero_copy_only=False)], found.filter(there)

    def _texts(self, slot: Slot, values: pa.Array, precise: bool = False) -> pa.Array:
        """Values as text, null where they leave out what they stand in."""
        if slot.style == "condition":
            return pc.if_else(values, pa.scalar(""), pa.scalar(None, pa.string()))
        coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        entries = coded.dictionary.to_pylist()
        if slot.style == "date":
            entries = [from_days(days(self.as_of) - int(entry)) for entry in entries]
        return pa.array([written(slot, entry, precise) for entry in entries], pa.string()).take(coded.indices)


def _alike(
    sentence: Sentence, values: Mapping[int, pa.Array], texts: Mapping[int, pa.Array]
) -> Iterator[tuple[Slot, pa.Array]]:
    """The numbers of a sentence that would read like another one of it, which they are not; and in which rows."""
    masks: dict[int, tuple[Slot, pa.Array]] = {}
    for a, b in itertools.combinations((s for s in sentence.slots() if s.is_number), 2):
        same = pc.and_(pc.equal(texts[id(a)], texts[id(b)]), pc.not_equal(values[id(a)], values[id(b)]))
        alike = pc.fill_null(same, False)
        if pc.any(alike).as_py():
            for slot in (a, b):
                before = masks.get(id(slot))
                masks[id(slot)] = slot, alike if before is None else pc.or_(before[1], alike)
    yield from masks.values()


def _joined(pieces: Sequence[Piece], texts: Mapping[int, pa.Array]) -> Any:
    """Pieces as one text: of each row, null where a value is lacking; or one text for all rows."""
    parts: list[Any] = []
    for piece in pieces:
        if isinstance(piece, str):
            parts.append(piece)
        elif isinstance(piece, Slot):
            parts.append(texts[id(piece)])
        else:
            parts.append(pc.fill_null(_joined(piece, texts), ""))
    if all(isinstance(part, str) for part in parts):
        return "".join(parts)
    return pc.binary_join_element_wise(*parts, "", null_handling="emit_null")


def _caveats(sentences: Sequence[Sentence], parts: Sequence[_Lines], rows: int) -> Iterator[_Lines]:
    """What goes with sentences of a group wherever one of them is told, once a row."""
    for caveat in dict.fromkeys(s.caveat for s in sentences if s.caveat):
        told = np.zeros(rows, bool)
        for sentence, (where, _) in zip(sentences, parts, strict=True):
            if sentence.caveat == caveat:
                told[where] = True
        found = np.flatnonzero(told)
        yield found, pa.repeat(caveat, len(found))


def _raising(listing: Drivers, made: Sequence[pa.Array], rows: int) -> _Lines:
    """The rows that a model scores and whose risk something raises, each with what raises it most."""
    buffers: Any = [(array.buffers()[1], array.buffers()[0]) for array in made]
    listed = listing.column(buffers, rows)
    items = listed.flatten()
    row = np.repeat(np.arange(rows), pc.fill_null(pc.list_value_length(listed), 0).to_numpy(zero_copy_only=False))
    up = np.flatnonzero(items.field("amount").to_numpy() > 0)
    counts = np.bincount(row[up], minlength=rows)
    place = np.arange(len(up)) - np.repeat(np.cumsum(counts) - counts, counts)
    texts = pa.array(listing.titles, pa.string()).take(
        items.field("term").indices.take(pa.array(up[place < MOST_DRIVERS]))
    )
    found = np.flatnonzero(counts)
    joined = _by_row(texts, np.minimum(counts[found], MOST_DRIVERS), BETWEEN_DRIVERS)
    return found, pc.binary_join_element_wise(listing.called, joined, "") if listing.called else joined


def _together(parts: Sequence[_Lines], rows: int) -> pa.Array:
    """All that is told of each row, in the order of the parts; null for a row of which nothing is."""
    parts = [part for part in parts if len(part[0])]
    if not parts:
        return pa.nulls(rows, pa.string())
    row = np.concatenate([part[0] for part in parts])
    texts = pa.concat_arrays([part[1] for part in parts]).take(pa.array(np.argsort(row, kind="stable")))
    counts = np.bincount(row, minlength=rows)
    return pc.if_else(pa.array(counts > 0), _by_row(texts, counts, BETWEEN), pa.scalar(None, pa.string()))


def _by_row(texts: pa.Array, counts: NDArray[np.int64], between: str) -> pa.Array:
    """Texts, so many of each row after those of the one before, as one text a row."""
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), texts), between)
