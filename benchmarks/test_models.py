"""A large sex-specific survival model, in memory: 60 terms, of them four powers and 20 interactions, in two strata with
their own coefficients, centres and baselines; against NumPy, whose results it must share.

NumPy works each stratum out for the people in it only, in pieces that stay in the cache; popstrat checks the
plausibility of what it reads and hands out the key columns and the flags as well.
"""

# ruff: noqa: E501 (a term on a line)

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from measuring import CORES, Versus
from numpy.typing import NDArray

import popstrat

CONDITIONS = (
    "hypertension", "chronic_pain", "osteoarthritis", "diabetes", "depression", "ckd", "asthma", "atrial_fibrillation",
    "copd", "heart_failure", "dementia", "ibd", "rheumatoid_arthritis", "pad", "epilepsy", "bronchiectasis",
    "osteoporosis", "liver_cirrhosis", "parkinsons", "lupus", "multiple_sclerosis", "cancer", "smi", "anxiety",
    "alcohol_dependence", "falls", "venous_thromboembolism", "anticoagulant", "corticosteroid",
)  # fmt: skip
WITH_AGE = ("bmi.1", "systolic", *CONDITIONS[:8])  # each with both powers of age
GROUPS = {"south_asian": "HJK", "black": "MNP", "mixed": "DEFG", "other": "LRS"}
STRATA = ("women", "men")
USUAL = {"bmi": 27.0, "systolic_bp": 125.0}
CENTRES = {
    "age.1": (0.05, 0.04),
    "age.2": (4.5, 5.5),
    "bmi.1": (0.14, 0.13),
    "bmi.2": (0.13, 0.125),
    "systolic": (123, 128),
}
BASELINE = (0.97, 0.96)
_PIECE = 8_192
Weights = Mapping[str, tuple[float, float]]


def weights() -> dict[str, tuple[float, float]]:
    """A weight for each term and stratum; invented."""
    names = ["age.1", "age.2", "bmi.1", "bmi.2", "systolic", "smoking.ex", "smoking.current"]
    names += [f"ethnicity.{group}" for group in GROUPS]
    names += [*CONDITIONS, *(f"age.{i} × {other}" for other in WITH_AGE for i in (1, 2))]
    small = {"systolic": 0.1, **{name: 0.03 for name in names if name.endswith("× systolic")}}
    return {
        name: (
            round(small.get(name, 1) * (0.05 + 0.25 * abs(math.sin(i + 1))), 9),
            round(small.get(name, 1) * (0.05 + 0.25 * abs(math.cos(i + 1))), 9),
        )
        for i, name in enumerate(names)
    }


def text(found: Weights) -> str:
    """The model as a pack."""

    def both(values: tuple[float, float]) -> str:
        return "{ " + ", ".join(f"{name} = {value!r}" for name, value in zip(STRATA, values, strict=True)) + " }"

    def term(ident: str, body: str) -> str:
        return f'[[definition.risk.terms]]\nid = "{ident}"\n{body}\n'

    def powers(of: str, list_of_them: str) -> str:
        both_centres, both_weights = (
            ", ".join(both(table[f"{of}.{i}"]) for i in (1, 2)) for table in (CENTRES, found)
        )  # fmt: skip
        return f'of = "{of}"\npowers = {list_of_them}\nscale = 10\ncenter = [{both_centres}]\ncoefficients = [{both_weights}]'

    levels = ", ".join(
        f"{{ labels = {[*codes]!r}, id = {group!r}, coefficient = {both(found[f'ethnicity.{group}'])} }}"
        for group, codes in GROUPS.items()
    )
    terms = [
        term("age", powers("age", "[-2, 1]")),
        term("bmi", powers("bmi", "[-2, -2]")),
        term("systolic", f'value = "systolic_bp"\ncenter = {both(CENTRES["systolic"])}\ncoefficient = {both(found["systolic"])}'),
        term("smoking", f'of = "smoking"\nreference = "never"\nlevels = {{ ex = {both(found["smoking.ex"])}, current = {both(found["smoking.current"])} }}'),
        term("ethnicity", f'of = "ethnicity"\nreference = ["A", "B", "C", "Z", "99"]\nlevels = [{levels}]'),
        *(term(name, f'when = "{name}"\ncoefficient = {both(found[name])}') for name in CONDITIONS),
        *(
            term(f"age_{i}_{other}", f'product = ["age.{i}", "{other}"]\ncoefficient = {both(found[f"age.{i} × {other}"])}')
            for other in WITH_AGE
            for i in (1, 2)
        ),
    ]  # fmt: skip
    return f"""
[pack]
id = "bench"
version = "1"
title = "A large model, to be timed"

[definition.risk]
kind = "model"
draft = true
title = "Risk"
version = "1"
source = "Invented"
evidence = "assumption"
link = "survival"
baseline_survival = {both(BASELINE)}
eligible = "25 <= age <= 84"
output = true

[definition.risk.strata]
women = 'sex == "female"'
men = 'sex == "male"'

[definition.risk.inputs]
bmi = {{ default = {USUAL["bmi"]}, clip = [15, 50] }}
systolic_bp = {{ default = {USUAL["systolic_bp"]} }}
smoking = {{ default = "never" }}
ethnicity = {{ default = "Z" }}

{"".join(terms)}
"""


class Peer:
    """The same in NumPy, from arrays made beforehand: whole years, numbers with their defaults, labels as codes."""

    def __init__(self, table: pa.Table, found: Weights, ages: pa.ChunkedArray) -> None:
        def labels(name: str, known: list[str]) -> NDArray[np.int8]:
            plain = table[name].cast(pa.string())
            return np.array(pc.fill_null(pc.index_in(plain, pa.array(known)), len(known))).astype(np.int8)

        self.weights = {name: np.array(pair) for name, pair in found.items()}
        self.age = np.array(pc.fill_null(ages, 0)).astype(np.float64)
        self.bmi, self.systolic = (
            np.array(pc.fill_null(table[name], usual)).astype(np.float64) for name, usual in USUAL.items()
        )
        self.sex = labels("sex", ["female", "male"])
        self.smoking = labels("smoking", ["never", "ex", "current"])
        self.ethnicity = labels("ethnicity", [c for codes in GROUPS.values() for c in codes])
        self.flags = {name: np.array(pc.fill_null(table[name], False)) for name in CONDITIONS}
        weights = [self.weights[f"ethnicity.{group}"] for group, codes in GROUPS.items() for _ in codes]
        self.by_ethnicity = np.array([*weights, np.zeros(2)]).T
        self.by_smoking = np.array(
            [np.zeros(2), self.weights["smoking.ex"], self.weights["smoking.current"], np.zeros(2)]
        ).T

    def risk(self) -> NDArray[np.float64]:
        """The risk to six places, NaN for who has none."""
        out = np.full(len(self.age), np.nan)
        for start in range(0, len(out), _PIECE):
            for stratum in (0, 1):
                whom = slice(start, start + _PIECE)
                here = (self.sex[whom] == stratum) & (self.age[whom] >= 25) & (self.age[whom] <= 84)
                rows = np.flatnonzero(here) + start
                out[rows] = self._stratum(rows, stratum)
        return out

    def _stratum(self, rows: NDArray[np.intp], stratum: int) -> NDArray[np.float64]:
        w = {name: pair[stratum] for name, pair in self.weights.items()}
        age, bmi = self.age[rows] / 10, np.clip(self.bmi[rows], 15, 50) / 10
        inverse = bmi**-2.0
        values = {
            "age.1": age**-2.0, "age.2": age, "bmi.1": inverse, "bmi.2": inverse * np.log(bmi),
            "systolic": self.systolic[rows],
        }  # fmt: skip
        lp = self.by_smoking[stratum][self.smoking[rows]] + self.by_ethnicity[stratum][self.ethnicity[rows]]
        for name, value in values.items():
            value -= CENTRES[name][stratum]
            lp += w[name] * value
        slopes = [np.full(len(rows), 0.0), np.full(len(rows), 0.0)]  # what each power of age is multiplied by
        for name in CONDITIONS:
            flag = self.flags[name][rows]
            lp += w[name] * flag
            if name in WITH_AGE:
                slopes[0] += w[f"age.1 × {name}"] * flag
                slopes[1] += w[f"age.2 × {name}"] * flag
        for name in ("bmi.1", "systolic"):
            slopes[0] += w[f"age.1 × {name}"] * values[name]
            slopes[1] += w[f"age.2 × {name}"] * values[name]
        lp += slopes[0] * values["age.1"] + slopes[1] * values["age.2"]
        return np.round(1 - BASELINE[stratum] ** np.exp(lp), 6)


@pytest.mark.parametrize("threads", sorted({1, CORES}))
def test_a_model_of_60_terms(table: pa.Table, tmp_path: Path, as_of: Any, threads: int, versus: Versus) -> None:
    found = weights()
    assert len(found) == 60
    path = tmp_path / "pack.toml"
    path.write_text(text(found), encoding="utf-8")
    scorer = popstrat.Scorer(path, as_of)
    assert len(scorer.resolved.models["risk"].terms) == 60
    peer = Peer(table, found, popstrat.score(table, as_of)["age"])

    def ours() -> pa.Table:
        return popstrat.score(table, as_of, pack=scorer.pack, threads=threads)

    risk, theirs = np.array(ours()["risk"].to_numpy(zero_copy_only=False)), peer.risk()
    assert np.array_equal(np.isnan(risk), np.isnan(theirs))
    assert np.isnan(risk).mean() < 0.6
    assert np.nanmax(np.abs(risk - theirs)) < 1.5e-6  # the last place may fall the other way
    assert np.nanmean(np.abs(risk - theirs) > 1e-9) < 1e-4
    outcome = versus(
        "model of 60 terms, two strata",
        ours,
        patients=len(table),
        threads=threads,
        peer=("NumPy", peer.risk),
        peer_threads=1,
    )
    if outcome is None or threads != CORES:
        return
    versus.note("model-rate", len(table) / outcome.seconds / 1e6, len(table))
    versus.note("model-processor-rate", CORES * len(table) / _processor_seconds(ours) / 1e6, len(table))


def _processor_seconds(call: Callable[[], object], turns: int = 9) -> float:
    """The median of what a call takes of all processors together: steadier than the clock where others are at work."""
    spent = []
    for _ in range(turns):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return statistics.median(spent)
