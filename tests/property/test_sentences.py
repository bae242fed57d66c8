"""Sentences say what rules and record say: by the engine for many as by the evaluator for one, in every pack."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from popstrat import synthetic
from popstrat.lang import nodes as n
from popstrat.packs import DEFAULT_PACK
from popstrat.packs.evaluator import Reference
from popstrat.packs.reading import list_packs
from popstrat.packs.sentences import Piece, Slot
from popstrat.reasons.one import BETWEEN, said
from popstrat.reasons.sentences import COLUMNS, Sentences
from popstrat.scoring.scorer import Scorer

AS_OF = dt.date(2026, 6, 30)
ROWS = 300
SEEDS = range(1, 9)
PACKS = [p["id"] for p in list_packs()]


def people(seed: int) -> pa.RecordBatch:
    """Synthetic people; of an odd ``seed`` with more, and less, on record than people have, so that what seldom goes
    together does."""
    table = synthetic.table(ROWS, seed=seed, as_of=AS_OF, dirty=True).combine_chunks()
    chance = np.random.default_rng(seed)
    if seed % 2 == 0:
        return table.to_batches()[0]
    for i, name in enumerate(table.schema.names):
        field, column = table.schema.field(i), table.column(i).combine_chunks()
        if name in ("patient_id", "practice_code", "date_of_birth", "sex"):
            continue
        if pa.types.is_boolean(field.type):
            column = pc.or_kleene(column, pa.array(chance.random(ROWS) < chance.choice([0.02, 0.4])))
        else:
            mixed = np.where(chance.random(ROWS) < 0.5, chance.permutation(ROWS), np.arange(ROWS))
            column = column.take(pa.array(mixed, mask=chance.random(ROWS) < 0.15))
        if pa.types.is_date32(field.type):
            older = pc.subtract(column.cast(pa.int32()), pa.scalar(800, pa.int32())).cast(pa.date32())
            column = pc.if_else(pa.array(chance.random(ROWS) < 0.15), older, column)
        table = table.set_column(i, field, column)
    return table.combine_chunks().to_batches()[0]


def by_the_evaluator(sentences: Sentences, scorer: Scorer, batch: pa.RecordBatch) -> list[dict[str, str | None]]:
    there = [name for name in batch.schema.names if name in scorer.pack.schema]
    singles = {f.name for f in batch.schema if pa.types.is_float32(f.type)}
    reference = Reference(scorer.resolved, set(there), singles)
    found = []
    for row in batch.select(there).to_pylist():
        told = sentences.of_patient(reference, reference.patient(row))
        groups = {g: [t.text for t in told if t.under == g] for g in COLUMNS}
        found.append({g: BETWEEN.join(texts) if texts else None for g, texts in groups.items()})
    return found


@pytest.mark.parametrize("pack", PACKS)
def test_many_are_told_of_as_one_is(pack: str) -> None:
    scorer = Scorer(pack, AS_OF)
    sentences = Sentences(scorer)
    batch = people(len(pack))
    assert sentences.of_batch(batch).to_pylist() == by_the_evaluator(sentences, scorer, batch)


def shown(pieces: tuple[Piece, ...]) -> str:
    """A pattern that a sentence's text matches, with a group for each value."""
    found = ""
    for piece in pieces:
        if isinstance(piece, str):
            found += re.escape(piece)
        elif isinstance(piece, Slot):
            found += (
                "()"
                if piece.style == "condition"
                else r"(?:over |under )?(\d{1,2} [A-Z][a-z]+ \d{4}|-?[\d,.]*\d|[a-z ]+)%?"
            )
        else:
            found += f"(?:{shown(piece)})?"
    return found


def read(slot: Slot, text: str) -> Any:
    """What a person reads where a value stands."""
    if slot.style == "date":
        return dt.datetime.strptime(text, "%d %B %Y").date()
    if slot.style == "label":
        return text.replace(" ", "_")
    return float(text.replace(",", "")) / (100 if slot.style == "percent" else 1)


def close(slot: Slot, value: Any, found: Any) -> bool:
    if slot.style in ("date", "label"):
        return bool(value == found)
    step = 0.001 if slot.style == "percent" else 0.05 if abs(value) >= 10 else 0.005
    return abs(value - found) <= step * 1.001


@pytest.mark.parametrize("pack", PACKS)
def test_every_sentence_tells_its_rule(pack: str) -> None:
    """Where the rule holds the sentence is there, with the patient's cells and the rule's thresholds; elsewhere not."""
    scorer = Scorer(pack, AS_OF)
    sentences = Sentences(scorer)
    times = dict.fromkeys(range(len(sentences.sentences)), 0)
    for seed in SEEDS if pack == DEFAULT_PACK else SEEDS[:1]:
        batch = people(seed)
        there = [name for name in batch.schema.names if name in scorer.pack.schema]
        singles = {f.name for f in batch.schema if pa.types.is_float32(f.type)}
        reference = Reference(scorer.resolved, set(there), singles)
        for row in batch.select(there).to_pylist():
            patient = reference.patient(row)
            for i, sentence in enumerate(sentences.sentences):
                text = said(sentence, reference, patient)
                outside = [p for p in sentence.pieces if isinstance(p, Slot)]
                lacking = any((v := reference.value(s.node, patient)) is None or v is False for s in outside)
                holds = reference.value(sentence.condition, patient) is True
                assert (text is not None) == (holds and not lacking)
                if text is None:
                    continue
                times[i] += 1
                match = re.fullmatch(shown(sentence.pieces), text)
                assert match is not None, (sentence, text)
                for slot, cell in zip(sentence.slots(), match.groups(), strict=True):
                    if not cell:
                        continue
                    value = reference.value(slot.node, patient)
                    assert close(slot, value, read(slot, cell)), (text, value)
                    if isinstance(slot.node, n.Column) and slot.node.name in row and slot.node.name != "age":
                        given = row[slot.node.name]
                        assert close(slot, given if slot.style != "label" else value, read(slot, cell)), text
                    if isinstance(slot.node, n.Const):
                        assert slot.node.name in scorer.resolved.parameters
    if pack == DEFAULT_PACK:  # of others, places and ages that these people have not are told of
        assert not [sentences.sentences[i].pieces for i, count in times.items() if not count]
