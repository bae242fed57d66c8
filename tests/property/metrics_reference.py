"""Figures counted plainly: a person at a time by the readable evaluator, into a dictionary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from popstrat.packs.evaluator import Patient, Reference
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.resolved import Resolved

Key = tuple[str, str, str, str, str | None]
"""Metric, level, area, grouping, group."""
Counts = dict[Key, tuple[int, int, int]]
"""Numerator, denominator, and the squares of events (of people the numerator)."""

AGES = {"0-4": (0, 4), "5-17": (5, 17), "18-39": (18, 39), "40-64": (40, 64), "65-74": (65, 74), "75-84": (75, 84)}
ETHNICITY = {**dict.fromkeys("ABC", "white"), **dict.fromkeys("DEFG", "mixed"), **dict.fromkeys("HJKL", "asian"),
             **dict.fromkeys("MNP", "black"), **dict.fromkeys("RS", "other")}  # fmt: skip
COLUMNS = {"place": "place", "neighbourhood": "neighbourhood", "pcn": "pcn_code", "practice": "practice_code"}


def group(reference: Reference, patient: Patient, name: str) -> str:
    """Which group of a grouping a person is in."""
    if "+" in name:
        return "+".join(group(reference, patient, part) for part in name.split("+"))
    match name:
        case "sex":
            sex = reference.column("sex", patient)
            return str(sex) if sex in ("female", "male", "intersex") else "unknown"
        case "age_band":
            age = reference.column("age", patient)
            if not isinstance(age, int):
                return "unknown"
            return next((label for label, (low, high) in AGES.items() if low <= age <= high), "85+")
        case "ethnicity":
            return ETHNICITY.get(str(reference.column("ethnicity", patient)), "unknown")
        case "imd_quintile":
            decile = reference.column("imd_decile", patient)
            return "unknown" if decile is None else str((int(float(str(decile))) + 1) // 2)
        case _:
            value = reference.named(name, patient)
            return ("yes" if value else "no") if isinstance(value, bool) else str(value or "unknown")


def counted(
    resolved: Resolved, rows: Sequence[Mapping[str, Any]], singles: Collection[str], groupings: Sequence[str]
) -> Counts:
    """Every figure that somebody is in the area and group of."""
    columns = set(rows[0]) if rows else set()
    reference = Reference(resolved, columns, set(singles))
    metrics = [d for d in resolved.definitions.values() if KINDS[d.kind].counted and "not_computable" not in d.raw]
    found: dict[Key, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        patient = reference.patient(row)
        areas = {"icb": "all"} | {level: str(row[c]) for level, c in COLUMNS.items() if row.get(c) is not None}
        groups = {"none": None} | {name: group(reference, patient, name) for name in groupings}
        for metric in metrics:
            of_whom = all(reference.value(part, patient) is True for part in metric.eligible)
            value = reference.named(metric.id, patient)
            events = 0 if value is None or not of_whom else int(value)  # type: ignore[arg-type]
            for level, area in areas.items():
                for name, label in groups.items():
                    figure = found[metric.id, level, area, name, label]
                    figure[0] += events
                    figure[1] += of_whom
                    figure[2] += events * events
    return {key: (a, b, c) for key, (a, b, c) in found.items()}
