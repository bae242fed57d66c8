"""What is usual among people, and made-up people made from it: the reference patients of a fitted model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.errors import InputError
from popstrat.lang import nodes as n
from popstrat.packs.evaluator import Reference
from popstrat.packs.pack import Pack

F64 = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Typical:
    """What is usual among the people of one stratum: three quantiles of numbers, shares of flags and labels."""

    quantiles: dict[str, tuple[float, float, float]]
    shares: dict[str, float]
    labels: dict[str, list[str]]


def typical_of(samples: Mapping[str, pa.Array], rows: Ints) -> Typical:
    """What is usual in some rows of the columns sampled."""
    quantiles, shares, labels = {}, {}, {}
    for name, array in samples.items():
        column = array.take(pa.array(rows))
        if pa.types.is_boolean(column.type):
            shares[name] = float(np.mean(numbers(column))) if len(column) else 0.0
        elif pa.types.is_dictionary(column.type):
            counted = column.drop_null().value_counts().to_pylist()
            labels[name] = [c["values"] for c in sorted(counted, key=lambda c: (-c["counts"], str(c["values"])))]
        else:
            values = numbers(column)
            values = values[~np.isnan(values)]
            if len(values) >= 100:  # the quantiles of a few are the values of some
                low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
                quantiles[name] = (float(low), float(middle), float(high))
    return Typical(quantiles, shares, labels)


def numbers(column: pa.Array) -> F64:
    """A column as doubles; flags as 1 and 0, their nulls as 0."""
    if pa.types.is_boolean(column.type):
        column = column.fill_null(False).cast(pa.uint8())
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def made_up(pack: Pack, model: str, typical: Mapping[str, Typical], as_of: dt.date) -> list[dict[str, Any]]:
    """Made-up people: typical values, then low and high ones with the conditions that the model knows."""
    resolved = pack.at(as_of)
    entries: list[dict[str, Any]] = []
    for stratum, usual in typical.items():
        at = f", {stratum}" if stratum else ""
        flags = sorted(usual.shares, key=lambda name: (-usual.shares[name], name))
        tries = [
            (f"made up: typical values, nothing recorded{at}", 1, 0, []),
            (f"made up: low values, the two commonest conditions{at}", 0, 1, flags[:2]),
            (f"made up: high values, every other condition{at}", 2, 0, flags[::2]),
            (f"made up: high values, the remaining conditions{at}", 2, 2, flags[1::2]),
            (f"made up: typical values, every condition{at}", 1, 1, flags),
        ]
        for title, level, label, having in tries:
            patient = _patient(pack, usual, level, label, having)
            if not patient:
                continue
            reference = Reference(resolved, set(patient))
            known = reference.patient(patient)
            result = reference.output(resolved.definitions[model], known)
            predictor = reference.output(resolved.definitions[f"{model}.linear_predictor"], known)
            expected: dict[str, n.Value] = {model: "null" if result is None else result}
            if predictor is not None:
                expected[f"{model}.linear_predictor"] = round(float(predictor), 9)  # type: ignore[arg-type]
            for horizon in resolved.models[model].horizons[1:]:
                later = reference.output(resolved.definitions[horizon.definition], known)
                expected[horizon.definition] = "null" if later is None else later
            entries.append({"title": title, "patient": patient, "expected": expected, "tolerance": 1e-6})
    scored = [e for e in entries if e["expected"][model] != "null"]
    if len(scored) < 3:
        raise InputError("cannot make up three people for whom the model gives a result: look at its `eligible`")
    return entries


def _patient(pack: Pack, usual: Typical, level: int, label: int, having: list[str]) -> dict[str, Any]:
    patient: dict[str, Any] = {}
    for name, values in usual.quantiles.items():
        column = pack.schema[name]
        whole = pa.types.is_integer(column.dtype)
        value = float(f"{round(values[level]):.3g}") if whole else float(f"{values[level]:.2g}")
        value = min(max(value, column.minimum or value), column.maximum or value)
        patient[name] = round(value) if whole else value
    for name, labels in usual.labels.items():
        if labels:
            patient[name] = labels[min(label, len(labels) - 1)]
    patient.update(dict.fromkeys(having, True))
    return patient
