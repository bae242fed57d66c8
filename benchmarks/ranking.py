"""How well the default admission model ranks people whose risk comes from a rule that it does not know.

python benchmarks/ranking.py [--patients N] [--seed S] [--write docs/models/admission-12m.md]

On synthetic adults, outcomes are drawn from several invented hazards: the conditions weigh the same each, as in the
Cambridge score, or at random; age adds a line, a U, or nothing. Then age alone, the plain count of the conditions and
the default model rank the same people, from nothing but age, sex and 19 conditions. This says how much the ranking owes
to the choice of weights, and nothing of how well the model ranks real people: no real outcome is in it.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from report import write

import popstrat
from popstrat import synthetic

AS_OF = dt.date(2026, 6, 30)
SHARE = 0.075  # of adults have the outcome
CONDITIONS = (
    "hypertension", "depression", "chronic_pain", "asthma", "diabetes", "chd", "ckd", "atrial_fibrillation",
    "stroke_tia", "copd", "rheumatoid_arthritis", "cancer", "heart_failure", "dementia", "smi", "epilepsy", "obesity",
    "osteoporosis", "pad",
)  # fmt: skip
# Payne and others, CMAJ 2020;192:E107, general outcome; 0 for what is not among the 20
CAMBRIDGE = (
    0.08, 0.50, 0.92, 0.19, 0.75, 0.49, 0.53, 1.34, 0.80, 1.46, 0.43, 1.53, 1.18, 2.50, 0.64, 0.92, 0.0, 0.0, 0.0,
)  # fmt: skip
EACH = 0.45  # log hazard of a condition where all weigh the same
AGES = ("linear", "U-shaped", "flat")
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Adults:
    """Age and conditions (adults, 19), and what the three ways of ranking make of them."""

    age: Numbers
    flags: Numbers
    scores: Mapping[str, Numbers]


@dataclass(frozen=True)
class Outcome:
    """The areas under the ROC curve for one hazard, by way of ranking."""

    weights: str
    age: str
    areas: Mapping[str, float]


def adults(patients: int, seed: int) -> Adults:
    """The adults of a synthetic list, ranked by the built-in model from age, sex and the 19 conditions alone."""
    people = synthetic.table(patients, seed=seed, as_of=AS_OF).combine_chunks()
    age = popstrat.score(people.select(["patient_id", "practice_code", "sex", "date_of_birth"]), AS_OF)["age"]
    people = people.append_column("age", age).filter(pc.greater_equal(age, 18))
    people = people.select(["patient_id", "practice_code", "age", "sex", *CONDITIONS])
    risk = popstrat.score(people, AS_OF, pack="admission-12m")["admission_risk"]
    flags = np.stack([_numbers(pc.fill_null(people[name], False)) for name in CONDITIONS], axis=1)
    years = _numbers(people["age"])
    return Adults(years, flags, {"age": years, "count": flags.sum(axis=1), "default model": _numbers(risk)})


def _numbers(column: pa.ChunkedArray) -> Numbers:
    return np.asarray(column.to_numpy()).astype(np.float64)


def hazards(who: Adults, seed: int) -> Iterator[tuple[str, str, Numbers]]:
    """Log hazards, up to a constant: how the conditions weigh, what age does, and each adult's."""
    random = np.random.default_rng(seed)
    weights = {
        "equal": np.full(len(CONDITIONS), EACH),
        "Cambridge": EACH / 0.82 * np.array(CAMBRIDGE),
        **{f"random {i}": random.uniform(0, 2 * EACH, len(CONDITIONS)) for i in (1, 2, 3)},
    }
    ages = {
        "linear": 0.025 * who.age,
        "U-shaped": 0.9 * ((who.age - 45) / 30) ** 2,
        "flat": np.zeros(len(who.age)),
    }
    for name, weight in weights.items():
        for shape in AGES:
            yield name, shape, who.flags @ weight + ages[shape]


def drawn(log_hazard: Numbers, random: np.random.Generator) -> NDArray[np.bool_]:
    """Who has the outcome in a year: 1 − exp(−hazard), scaled so that the mean chance is `SHARE`."""
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _chance(log_hazard + middle).mean() < SHARE else (low, middle)
    return random.random(len(log_hazard)) < _chance(log_hazard + low)


def _chance(log_hazard: Numbers) -> Numbers:
    return np.asarray(-np.expm1(-np.exp(log_hazard)))


def area(score: Numbers, outcome: NDArray[np.bool_]) -> float:
    """The area under the ROC curve: how often who has the outcome ranks above who has not; ties count half."""
    _, place, many = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(many) - (many - 1) / 2)[place]
    with_it = int(outcome.sum())
    return float((rank[outcome].sum() - with_it * (with_it + 1) / 2) / (with_it * (len(outcome) - with_it)))


def compare(patients: int, seed: int) -> list[Outcome]:
    """Every hazard, with the areas of age, count and model. The same numbers and seed give the same areas."""
    who = adults(patients, seed)
    random = np.random.default_rng(seed)
    found = []
    for weights, shape, log_hazard in hazards(who, seed):
        outcome = drawn(log_hazard, random)
        found.append(Outcome(weights, shape, {name: area(score, outcome) for name, score in who.scores.items()}))
    return found


def table(found: Sequence[Outcome], patients: int, seed: int) -> str:
    """The areas as markdown."""
    names = list(found[0].areas)
    lines = [f"| conditions weigh | age adds | {' | '.join(names)} |", "|---|---|" + "--:|" * len(names)]
    for o in found:
        lines.append(f"| {o.weights} | {o.age} | {' | '.join(f'{o.areas[name]:.3f}' for name in names)} |")
    told = (
        f"Area under the ROC curve; adults of a synthetic list of {patients:,} (seed {seed}), {SHARE:.1%} with the "
        "outcome. `python benchmarks/ranking.py --write docs/models/admission-12m.md`"
    )
    return "\n".join([*lines, "", told])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--patients", type=int, default=250_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="a page with the markers `ranking`")
    given = parser.parse_args(arguments)
    text = table(compare(given.patients, given.seed), given.patients, given.seed)
    if given.write:
        write(given.write, {"ranking": text})
    else:
        print(text)


if __name__ == "__main__":
    main()
