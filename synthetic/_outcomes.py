"""What happens to the people of a list in the following year: a first unplanned admission, or what ends follow-up.

The hazards are a pack, ``outcomes.toml``, and popstrat's own engine works them out. Here, times are drawn from them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.errors import InputError, PackError
from popstrat.formats import Rechunker
from popstrat.frames.sources import as_table
from popstrat.packs.load import load_pack
from popstrat.packs.pack import Pack
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.scorer import Scorer
from popstrat.synthetic._people import BLOCK, Draw

FOLLOW_UP = 365
"""Days of follow-up."""

_OUTCOMES, _UNSEEN = 3, 4  # purposes of random streams; see `Draw`
_MODELS = ("admission", "death", "leaving")
_VARIANCE = "unseen_variance"
_REASONS = pa.array(["died", "left"])
_F64 = NDArray[np.float64]

OUTCOME_SCHEMA = pa.schema(
    [
        pa.field("patient_id", pa.int64(), nullable=False),
        pa.field("admitted_12m", pa.bool_()),
        pa.field("days", pa.int16(), nullable=False),
        pa.field("event", pa.bool_(), nullable=False),
        pa.field("censoring", pa.dictionary(pa.int8(), pa.string())),
    ]
)
"""The columns of `outcomes`; ``patient_id`` has the type that the list's has."""


@cache
def _stated() -> Pack:
    with resources.as_file(resources.files("popstrat.synthetic").joinpath("outcomes.toml")) as path:
        return load_pack(path)


def outcomes(data: Any, *, seed: int = 0, as_of: dt.date, hazards: str | Path | Pack | None = None) -> pa.Table:
    """Draw the year after ``as_of`` for every person of a list, from the hazards stated in ``outcomes.toml``.

    Args:
        data: a patient table (anything with ``__arrow_c_stream__``), or an iterable of its record batches.
        seed: the same seed, list and date give the same outcomes, however the list is cut into batches.
            They are drawn by position in the list, so a part of a list has outcomes of its own.
        as_of: the list's date, on which the year begins.
        hazards: another pack to draw from (name, path or `Pack`), with the models ``admission``, ``death`` and
            ``leaving``, each giving ln(hazard per year), and the parameter ``unseen_variance``: for trying a
            fit against a truth of your own. It may extend the stated one.

    Returns:
        One row a person, in order (`OUTCOME_SCHEMA`): ``patient_id``; ``admitted_12m``: true if admitted within 365
        days, false if not and followed to the end, **null if they died or left first**; ``days`` to whichever came
        first, 1 to 365; ``event``: true if that was an admission (never null); ``censoring``: ``died``, ``left``, or
        null for an admission or a full year.

    Raises:
        InputError: the table is at fault, or the seed. PackError: ``hazards`` is.
    """
    batches = outcome_batches(_batches(data), seed=seed, as_of=as_of, hazards=hazards)
    made = list(batches)
    return pa.Table.from_batches(made, made[0].schema if made else OUTCOME_SCHEMA)


def outcome_batches(
    batches: Iterable[pa.RecordBatch], *, seed: int = 0, as_of: dt.date, hazards: str | Path | Pack | None = None
) -> Iterator[pa.RecordBatch]:
    """As `outcomes`, in batches of 65,536 people (the last may be shorter); nothing for nobody."""
    if not 0 <= seed < 1 << 64:
        raise InputError(f"a seed is a whole number from 0 to 2^64 - 1, not {seed}")
    return _drawn(batches, _Hazards(_stated() if hazards is None else load_pack(hazards), as_of), seed)


def _drawn(batches: Iterable[pa.RecordBatch], hazards: _Hazards, seed: int) -> Iterator[pa.RecordBatch]:
    blocks = Rechunker(BLOCK)
    number = 0
    for batch in batches:
        for block in blocks.add(batch):
            yield hazards.draw(block, seed, number)
            number += 1
    last = blocks.rest()
    if last is not None:
        yield hazards.draw(last, seed, number)


def _batches(data: Any) -> Iterable[pa.RecordBatch]:
    if isinstance(data, pa.RecordBatch | pa.Table | Mapping) or hasattr(data, "__arrow_c_stream__"):
        batches: list[pa.RecordBatch] = as_table(data).to_batches()
        return batches
    if isinstance(data, Iterable):
        return data
    raise InputError(f"a table or record batches are needed, not {type(data).__name__}")


class _Hazards:
    """The stated hazards on one date."""

    def __init__(self, pack: Pack, as_of: dt.date) -> None:
        self._scorer = Scorer(pack, as_of)
        written = {d.output for d in self._scorer.resolved.outputs}
        for name in _MODELS:
            if name not in written:
                raise PackError(f"{pack.sources[0].name}: needs a model {name!r} with `output = true`")
        variance = self._scorer.resolved.parameters.get(_VARIANCE)
        if variance is None or not isinstance(variance.value, int | float) or not 0 <= variance.value <= 10:
            raise PackError(f"{pack.sources[0].name}: needs the parameter {_VARIANCE!r}, a number from 0 to 10")
        self.variance = float(variance.value)

    def draw(self, batch: pa.RecordBatch, seed: int, block: int) -> pa.RecordBatch:
        """Outcomes of one block of people, `BLOCK` rows or fewer."""
        rows = batch.num_rows
        bound: BoundScorer = self._scorer.bind(batch.schema)
        scored = bound.score(batch)[0]
        per_year = [_hazard(scored.column(name), name) for name in _MODELS]
        draw = Draw(seed, block, _OUTCOMES)
        admission, death, leaving = (draw.exponential().astype(np.float64)[:rows] / hazard for hazard in per_year)
        if self.variance:
            admission /= Draw(seed, block, _UNSEEN).gamma(1.0 / self.variance)[:rows] * self.variance
        ended = np.minimum(death, leaving)
        event = (admission <= ended) & (admission < 1.0)
        lost = ~event & (ended < 1.0)
        first = np.minimum(np.minimum(admission, ended), 1.0)
        days = np.clip(np.ceil(first * FOLLOW_UP), 1, FOLLOW_UP).astype(np.int16)
        reason = pa.array((leaving < death).astype(np.int8), mask=~lost)
        ids = batch.column(batch.schema.get_field_index("patient_id"))
        columns = [
            ids,
            pa.array(event, mask=lost),
            pa.array(days),
            pa.array(event),
            pa.DictionaryArray.from_arrays(reason, _REASONS),
        ]
        schema = OUTCOME_SCHEMA.set(0, pa.field("patient_id", ids.type, nullable=False))
        return pa.RecordBatch.from_arrays(columns, schema=schema)


def _hazard(log_hazard: pa.Array, name: str) -> _F64:
    if log_hazard.null_count:
        rows = np.flatnonzero(log_hazard.is_null().to_numpy(zero_copy_only=False))
        raise InputError(f"the hazard {name!r} cannot be worked out", rows=rows.tolist())
    return np.asarray(np.exp(log_hazard.to_numpy(zero_copy_only=False)))
