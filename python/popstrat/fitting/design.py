"""The terms of a model, worked out by popstrat's own engine, for every person the model is for.

What is fitted is what will be scored: a term's value here is the very expression that the linear predictor adds up.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.hashing import HASH
from popstrat.core.progress import Progress
from popstrat.errors import InputError, PackError
from popstrat.fitting.counts import rounded
from popstrat.fitting.outcomes import Followed, Outcomes, follow
from popstrat.fitting.typical import Typical, numbers, typical_of
from popstrat.lang import nodes as n
from popstrat.packs.column_map import NO_MAP, ColumnMap
from popstrat.packs.columns_read import read_columns
from popstrat.packs.definition import Definition, definition_of
from popstrat.packs.keys import notes
from popstrat.packs.model.parts import Model
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import ID
from popstrat.packs.plausibility import suspicions
from popstrat.packs.typed import column_node, label_cases
from popstrat.runs.through import run_through
from popstrat.scoring.scorer import Scorer

F64 = NDArray[np.float64]
Ints = NDArray[np.int64]

_LP, _STRATUM = "linear_predictor", "stratum"
_SAMPLE = 400_000  # rows that typical values are taken from


@dataclass
class _Growing:
    """One column of the design as it grows: the rows where it is not zero, and its values there."""

    rows: list[NDArray[np.int32]] = field(default_factory=list)
    values: list[F64] = field(default_factory=list)

    def add(self, values: F64, first: int) -> None:
        at = np.flatnonzero(values)
        self.rows.append((at + first).astype(np.int32))
        self.values.append(values[at])


@dataclass(frozen=True)
class Part:
    """The people of one stratum with a known outcome: term values (a SciPy CSC matrix), predictor, outcome, row."""

    name: str
    terms: tuple[str, ...]
    matrix: Any
    predictor: F64
    followed: Followed
    rows: Ints

    @property
    def people(self) -> int:
        return len(self.rows)

    @property
    def events(self) -> F64:
        """1 for an event, 0 for none, of everybody."""
        if self.followed.event is not None:
            return self.followed.event.astype(np.float64)
        assert self.followed.outcome is not None
        return self.followed.outcome


@dataclass(frozen=True)
class Design:
    """All that is fitted to. ``counts``: rows used, left out for opt-outs, eligible, without an outcome, unknown."""

    model: Model
    parts: tuple[Part, ...]
    typical: dict[str, Typical]
    counts: dict[str, int]
    inputs: list[dict[str, Any]]
    notices: tuple[str, ...]
    warnings: tuple[str, ...]


_LATE_DAYS = 180
"""A list whose newest record is so long before the as-of date is hardly of that date."""


def gather(
    inputs: Sequence[str | Path],
    pack: Pack,
    model_id: str,
    outcomes: Outcomes,
    *,
    as_of: dt.date,
    mapping: ColumnMap = NO_MAP,
    threads: int | None = None,
    encoding: str = "utf-8",
    terms: bool = True,
    allow_unknown: bool = False,
    allow_missing: bool = False,
    profile: str = "direct-care",
    progress: Progress | None = None,
) -> Design:
    """Read a list, work out the model's terms (``terms=False``: its linear predictor only) and join the outcomes.

    Raises `InputError` for what is wrong with the list or the outcomes, `PackError` for the pack.
    """
    warnings = _doubts(inputs, Scorer(pack, as_of, profile=profile), mapping, threads, encoding)
    scorer = Scorer(pack, as_of, profile=profile)
    model = scorer.resolved.models[model_id]
    columns, usual = _prepare(scorer, model, terms)
    growing = [_Growing() for _ in range(sum(name.startswith("x") for name in columns))]
    strata: list[NDArray[np.int8]] = []
    predictors: list[F64] = []
    positions: list[Ints] = []
    ids: list[pa.Array] = []
    samples: dict[str, list[Any]] = {name: [] for name in usual}
    at = seen = 0

    def put(batch: pa.RecordBatch) -> None:
        nonlocal at, seen
        ids.append(batch.column(batch.schema.get_field_index(ID)))
        lp = batch.column(batch.schema.get_field_index(_LP)).to_numpy(zero_copy_only=False)
        chosen = np.flatnonzero(~np.isnan(lp))
        predictors.append(lp[chosen])
        positions.append(chosen + seen)
        codes = np.zeros(len(chosen), np.int8)
        if len(model.strata) > 1:
            column = batch.column(batch.schema.get_field_index(_STRATUM))
            codes = column.indices.fill_null(0).to_numpy(zero_copy_only=False)[chosen].astype(np.int8)
        strata.append(codes)
        for i, column in enumerate(growing):
            values = batch.column(batch.schema.get_field_index(f"x{i}"))
            column.add(numbers(values)[chosen], at)
        if at < _SAMPLE:
            for name in usual:
                column = batch.column(batch.schema.get_field_index(f"u_{name}"))
                samples[name].append(column.take(pa.array(chosen)))
        at += len(chosen)
        seen += batch.num_rows

    record = run_through(
        inputs, scorer, put, mapping=mapping, threads=threads, encoding=encoding, progress=progress
    )  # fmt: skip
    if not at:
        raise InputError("nobody on the list is eligible for the model, so there is nothing to fit")
    followed, unknown = follow(outcomes, pa.chunked_array(ids), allow_unknown=allow_unknown)
    eligible = np.concatenate(positions)
    known = followed.known[eligible]
    opted_out = sum(record["rows"]["excluded_by_reason"].values())
    counts = {
        "list": seen,
        "opted_out": opted_out,
        "eligible": at,
        "unknown": unknown,
        "without_outcome": int(at - known.sum()),
    }
    if not known.any():
        raise InputError("nobody who is eligible for the model has an outcome", file=outcomes.name)
    if counts["without_outcome"] and not allow_missing:
        raise _without_outcome(eligible[~known], at, outcomes.name, record["inputs"])
    codes = np.concatenate(strata)
    whole = _matrix(growing, at) if growing else None
    growing.clear()
    lp = np.concatenate(predictors)
    parts = []
    typical = {}
    joined = {name: pa.chunked_array(found).combine_chunks() for name, found in samples.items()}
    for code, stratum in enumerate(model.strata):
        mine = codes == code
        here = np.flatnonzero(mine & known)
        if not len(here):
            raise InputError(f"nobody with an outcome is in the stratum {stratum.name!r}", file=outcomes.name)
        names, picked = _picked(model, code, columns)
        rows = eligible[here]
        parts.append(
            Part(
                stratum.name, names, whole[here][:, picked].tocsc() if whole is not None else None, lp[here],
                Followed(
                    known[here], None if followed.outcome is None else followed.outcome[rows],
                    None if followed.days is None else followed.days[rows],
                    None if followed.event is None else followed.event[rows],
                ), rows,
            )
        )  # fmt: skip
        sampled = len(next(iter(joined.values()))) if joined else 0
        typical[stratum.name] = typical_of(joined, np.flatnonzero(mine[:sampled]))
    inputs_told = [{"name": i["name"], "rows": i["rows"], HASH: i[HASH]} for i in record["inputs"]]
    notices = (*scorer.notices, *notes(record["ids"].get("respelt", {})), *outcomes.notes)
    return Design(model, tuple(parts), typical, counts, inputs_told, notices, warnings)


def _without_outcome(rows: Ints, eligible: int, outcomes: str, files: Sequence[dict[str, Any]]) -> InputError:
    """The error for people without an outcome: their rows, counted within the first file of the list that has some."""
    first = 0
    for file in files:
        here = rows[(rows >= first) & (rows < first + file["rows"])] - first
        if len(here):
            break
        first += file["rows"]
    return InputError(
        f"{len(rows):,} of {eligible:,} eligible patients have no outcome in {outcomes}; they cannot count as free of "
        "it. If they were lost to follow-up, --time-column and --event-column make use of them; --allow-missing "
        "leaves them out",
        rows=here[:5].tolist(),
        more=len(rows) - min(5, len(here)),
        file=str(file["name"]),
    )


def _doubts(
    inputs: Sequence[str | Path], scorer: Scorer, mapping: ColumnMap, threads: int | None, encoding: str
) -> tuple[str, ...]:
    """What `popstrat score` would warn of, found by scoring the list with the whole pack; counts rounded."""
    record = run_through(inputs, scorer, lambda batch: None, mapping=mapping, threads=threads, encoding=encoding)
    counted = record["quality"], record["recorded"], scorer.pack.schema, mapping.units
    coarse = suspicions(*counted, shown=lambda count: f"{rounded(count):,}")
    shown = dict(zip(suspicions(*counted), coarse, strict=True))
    told = [shown.get(text, text) for text in record["warnings"]]
    newest = record["newest_record_date"]
    late = 0 if newest is None else (scorer.as_of - dt.date.fromisoformat(newest)).days
    if late > _LATE_DAYS:
        what = (
            "no record counts as recent, everybody is older, and outcomes are counted from a day that is not the list's"
        )
        told.insert(0, f"--as-of {scorer.as_of} is {late} days after the newest record on the list ({newest}): {what}")
    return tuple(told)


def _prepare(scorer: Scorer, model: Model, terms: bool) -> tuple[dict[str, n.Node], list[str]]:
    """Make the scorer write what is needed here and nothing else: columns by name, and the raw inputs sampled."""
    resolved = scorer.resolved
    predictor = resolved.definitions[model.predictor]
    schema = scorer.pack.schema
    read = _read_by(scorer, predictor)
    for ident, definition in list(resolved.definitions.items()):
        resolved.definitions[ident] = replace(definition, output=None)
    resolved.tallies.clear()
    columns: dict[str, n.Node] = {_LP: predictor.node}
    if terms:
        for term in model.terms:
            for part in term.parts:
                if part is not None and part[0] not in columns.values():
                    columns[f"x{len(columns) - 1}"] = part[0]
    written = dict(columns)
    if len(model.strata) > 1:
        items = [(s.when, s.name) for s in model.strata if s.when is not None]
        written[_STRATUM] = label_cases(items, None, tuple(s.name for s in model.strata))
    usual = []
    for name in read:
        node = column_node(schema[name])
        if node is not None and node.type.kind in ("number", "bool", "category"):
            usual.append(name)
            written[f"u_{name}"] = node
    for name, node in written.items():
        ident = model.predictor if name == _LP else f"fit.{name}"
        body: dict[str, Any] = {"title": name, "version": "1", "output": name}
        if node.type.kind == "number":
            body["type"] = "float64"
        resolved.definitions[ident] = definition_of(
            ident, "expression", node, body, resolved.pack.schema, _fault, parent=model.id
        )
    return {name: node for name, node in columns.items() if name != _LP}, usual


def _fault(told: str, text: str) -> PackError:
    return PackError(f"{text}: {told}")


def _read_by(scorer: Scorer, predictor: Definition) -> list[str]:
    """Columns of the patient table that a definition reads."""
    resolved = scorer.resolved
    kept = dict(resolved.definitions)
    tallies = dict(resolved.tallies)
    resolved.tallies.clear()
    for ident, definition in kept.items():
        resolved.definitions[ident] = replace(definition, output=_LP if ident == predictor.id else None)
    found = [c.name for c in scorer.pack.schema if c.name in set(read_columns(resolved, scorer.pack.schema))]
    births = {c.completed_years_since for c in scorer.pack.schema if c.completed_years_since}
    ages = [c.name for c in scorer.pack.schema if c.completed_years_since]
    resolved.definitions.update(kept)
    resolved.tallies.update(tallies)
    return list(dict.fromkeys([*(ages if births & set(found) else []), *(c for c in found if c not in births)]))


def _picked(model: Model, code: int, columns: dict[str, n.Node]) -> tuple[tuple[str, ...], list[int]]:
    """The terms that a stratum has, and which column of the design holds each."""
    names, picked = [], []
    column_of = {id(node): int(name[1:]) for name, node in columns.items()}
    for term in model.terms:
        part = term.parts[code]
        if part is not None and columns:
            names.append(term.id)
            found = column_of.get(id(part[0]))
            picked.append(found if found is not None else next(int(k[1:]) for k, v in columns.items() if v == part[0]))
    return tuple(names), picked


def _matrix(columns: list[_Growing], rows: int) -> Any:
    from scipy import sparse

    lengths = [sum(len(part) for part in column.rows) for column in columns]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    data = np.concatenate([part for column in columns for part in column.values])
    indices = np.concatenate([part for column in columns for part in column.rows])
    return sparse.csc_matrix((data, indices, starts), shape=(rows, len(columns)))
