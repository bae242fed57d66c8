"""Places, neighbourhoods, networks and practices: who is nested in whom, how large, and how they differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PLACE_STREAM, _PRACTICE_STREAM, _EVEN_STREAM = 1 << 62, 1 << 62 | 1, 1 << 62 | 2
_LETTERS = "YXWVTSRQ"
_CODES = 9_999  # of each letter: the five digits run from 90001
MAX_PRACTICES = len(_LETTERS) * _CODES


def stream(seed: int, number: int) -> np.random.Generator:
    """An independent random stream: counter-based, keyed by seed and number, the same wherever it is made."""
    return np.random.Generator(np.random.Philox(key=seed | number << 64))


@dataclass(frozen=True)
class PlaceFigures:
    """What practices, networks, neighbourhoods and places are drawn from (see ``[places]`` and ``[people]``)."""

    raw: Mapping[str, Any]
    age_cdf: NDArray[np.float64]  # one row per age tilt, cumulative over single years
    tilts: NDArray[np.float64]
    ethnic_log_share: NDArray[np.float64]  # band × group
    ethnic_deprivation: NDArray[np.float64]
    decile_cuts: NDArray[np.float64]  # of a standard normal, most deprived first


@dataclass(frozen=True)
class Places:
    """Practices in list order. Patients ``start[k]`` to ``start[k + 1]`` are registered with practice ``k``.

    ``pcn``, ``neighbourhood`` and ``place`` hold for each practice the index into the names of that level.
    ``deprivation`` is a practice's mean on the scale on which people have variance 1 (``deprivation_variance`` of it
    between practices); ``tilt`` its row of the age tables; ``ethnic_cdf`` is practice × age band × group, cumulative;
    ``coding``, ``quality`` and ``ethnicity_recording`` are standard normal.
    """

    start: NDArray[np.int64]
    practice_codes: list[str]
    pcn_codes: list[str]
    neighbourhood_names: list[str]
    place_names: list[str]
    pcn: NDArray[np.int32]
    neighbourhood: NDArray[np.int32]
    place: NDArray[np.int32]
    deprivation: NDArray[np.float64]
    deprivation_variance: float
    tilt: NDArray[np.int64]
    ethnic_cdf: NDArray[np.float64]
    coding: NDArray[np.float32]
    quality: NDArray[np.float32]
    ethnicity_recording: NDArray[np.float32]


def _spread_evenly(rng: np.random.Generator, columns: int, rows: int) -> NDArray[np.float64]:
    """Standard normals that cover the distribution evenly however few rows are taken (an additive recurrence
    from a random start): a list of twenty practices then has nearly the mix of a list of two thousand."""
    root = 1.5
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (columns + 1))
    step = root ** -np.arange(1.0, columns + 1)
    points = (rng.random(columns) + np.arange(1, rows + 1)[:, None] * step) % 1.0
    inverse = NormalDist().inv_cdf
    return np.array([[inverse(min(max(u, 1e-9), 1 - 1e-9)) for u in row] for row in points.tolist()])


def _sizes(figures: PlaceFigures, draws: NDArray[np.float64]) -> NDArray[np.int64]:
    raw = figures.raw
    size = raw["practice_median"] * np.exp(raw["practice_sigma"] * draws)
    return np.asarray(np.clip(size, raw["practice_min"], raw["practice_max"]).astype(np.int64))


def _practice_draws(
    figures: PlaceFigures, patients: int, practices: int | None, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Random numbers (practice × what), nominal sizes, and how many of the patients each practice has.

    With ``practices`` unset, practices are drawn one after the other until the list is full, so a longer list
    starts with the practices of a shorter one; the remainder forms a practice of its own only if it is large
    enough to be one.
    """
    width = 1 + len(figures.ethnic_deprivation)
    rng = stream(seed, _PRACTICE_STREAM)
    if practices is not None:
        draws = rng.standard_normal((practices, width))
        nominal = _sizes(figures, draws[:, 0])
        # Rounding the running total, not each share, makes the sizes add up exactly.
        edge = np.floor(np.cumsum(nominal) / nominal.sum() * patients + 0.5).astype(np.int64)
        return draws, nominal, np.diff(edge, prepend=0)
    parts: list[NDArray[np.float64]] = []
    held = 0
    while held < patients or not parts:
        parts.append(rng.standard_normal((64, width)))
        held += int(_sizes(figures, parts[-1][:, 0]).sum())
    draws = np.concatenate(parts)
    nominal = _sizes(figures, draws[:, 0])
    end = np.cumsum(nominal)
    last = int(np.searchsorted(end, patients))  # the practice in which the list ends
    if last > 0 and patients - end[last - 1] < figures.raw["practice_min"]:
        last -= 1
    size = nominal[: last + 1].copy()
    size[last] = patients - (end[last - 1] if last else 0)
    return draws[: last + 1], nominal[: last + 1], size


def _group(sizes: NDArray[np.int64], full: int) -> NDArray[np.int32]:
    """Index of the group of each unit, units being taken in order and a group closing once it holds ``full``."""
    out = np.empty(len(sizes), dtype=np.int32)
    group, held = 0, 0
    for i, size in enumerate(sizes.tolist()):
        if held >= full:
            group, held = group + 1, 0
        out[i] = group
        held += size
    return out


def _code(number: int) -> str:
    return f"{_LETTERS[number // _CODES]}{90_001 + number % _CODES}"


def _named(names: list[str], number: int) -> str:
    return names[number % len(names)] + (f" {number // len(names) + 1}" if number >= len(names) else "")


def draw_places(figures: PlaceFigures, patients: int, practices: int | None, seed: int) -> Places:
    """Draw the practices of a list of ``patients`` people (``practices`` of them, or as many as fit)."""
    raw = figures.raw
    draws, nominal, size = _practice_draws(figures, patients, practices, seed)
    # Groups are formed on nominal sizes: a small list spread over many practices keeps the structure of a large one.
    pcn = _group(nominal, raw["pcn_patients"])
    pcn_size = np.bincount(pcn, weights=nominal).astype(np.int64)
    quarter_of_pcn = _group(pcn_size, raw["neighbourhood_patients"])
    quarter_size = np.bincount(quarter_of_pcn, weights=pcn_size).astype(np.int64)
    place_of_quarter = _group(quarter_size, raw["place_patients"])
    quarter = quarter_of_pcn[pcn]
    place = place_of_quarter[quarter]
    n_places = int(place[-1]) + 1
    n_groups = len(figures.ethnic_deprivation)
    place_draws = stream(seed, _PLACE_STREAM).standard_normal((n_places, n_groups))
    place_need = _spread_evenly(stream(seed, _EVEN_STREAM), 1, n_places)[:, 0]
    practice_need, practice_tilt, coding, quality, recording = _spread_evenly(
        stream(seed, _EVEN_STREAM + 1), 5, len(size)
    ).T

    share = raw["deprivation_share"]
    deprivation = math.sqrt(share["place"]) * place_need[place] + math.sqrt(share["practice"]) * practice_need
    age_tilt = raw["age_tilt"]["spread"] * practice_tilt + raw["age_tilt"]["deprivation"] * deprivation
    tilt = np.abs(figures.tilts[None, :] - age_tilt[:, None]).argmin(axis=1)

    spread = raw["ethnicity_spread"]
    log_share = (
        figures.ethnic_log_share[None, :, :]
        + (spread["place"] * place_draws[place] + spread["practice"] * draws[:, 1:])[:, None, :]
        + (figures.ethnic_deprivation * deprivation[:, None])[:, None, :]
    )
    ethnic = np.exp(log_share)
    ethnic_cdf = np.cumsum(ethnic / ethnic.sum(axis=2, keepdims=True), axis=2)
    ethnic_cdf[:, :, -1] = 1.0

    names, quarters = raw["names"], raw["quarters"]
    first_quarter = np.searchsorted(place_of_quarter, np.arange(n_places))
    return Places(
        start=np.concatenate([[0], np.cumsum(size)]).astype(np.int64),
        practice_codes=[_code(i) for i in range(len(size))],
        pcn_codes=[f"U{90_001 + i:05d}" if i < 9_999 else f"U{i:05d}" for i in range(int(pcn[-1]) + 1)],
        neighbourhood_names=[
            f"{_named(names, int(p))} {_named(quarters, i - int(first_quarter[p]))}"
            for i, p in enumerate(place_of_quarter)
        ],
        place_names=[_named(names, i) for i in range(n_places)],
        pcn=pcn,
        neighbourhood=quarter,
        place=place,
        deprivation=deprivation,
        deprivation_variance=share["place"] + share["practice"],
        tilt=tilt,
        ethnic_cdf=ethnic_cdf,
        coding=coding.astype(np.float32),
        quality=quality.astype(np.float32),
        ethnicity_recording=recording.astype(np.float32),
    )
