"""What a default adds is no reason: contributions that are listed are the same whatever the defaults are.

The plain reading of "rests on the record": change every default of a model, and what does not change does. Packs are
generated (inputs as numbers and labels, joined by `and`, `or`, `not`, in products, by stratum, kept within bounds), and
so are the rows, half of them without a record.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from nightly import seeds
from typer.testing import CliRunner

import popstrat
from popstrat import synthetic
from popstrat.cli import app

AS_OF = "2026-06-30"
NUMBERS = {
    "bmi": (15.0, 50.0),
    "alcohol_units_week": (0.0, 60.0),
    "haemoglobin": (80.0, 180.0),
    "platelets": (100.0, 600.0),
}
LABELS = {"smoking": ("never", "ex", "current"), "frailty": ("fit", "mild", "moderate", "severe")}
FLAGS = ("ckd", "copd", "statin", "diabetes")


def condition(rng: np.random.Generator, depth: int) -> str:
    """A rule of inputs and flags."""
    kind = rng.integers(0, 6 if depth else 3)
    if kind == 0:
        return str(rng.choice(FLAGS))
    if kind == 1:
        name = str(rng.choice([*NUMBERS]))
        low, high = NUMBERS[name]
        return f"{name} {rng.choice(['<', '<=', '>', '>='])} {low + (high - low) * rng.random():.1f}"
    if kind == 2:
        name = str(rng.choice([*LABELS]))
        return f'{name} {rng.choice(["==", "!="])} "{rng.choice(LABELS[name])}"'
    parts = [condition(rng, depth - 1) for _ in range(2)]
    return f"not ({parts[0]})" if kind == 3 else f"({parts[0]}) {'and' if kind == 4 else 'or'} ({parts[1]})"


def terms(rng: np.random.Generator) -> str:
    """Terms of every form; each input has one of its own, since one that no term uses is refused."""
    made = [f'{{ id = "own_{name}", value = "{name}", center = 1, coefficient = 0.01 }}' for name in NUMBERS]
    made += [
        f'{{ id = "own_{name}", when = \'{name} == "{labels[-1]}"\', coefficient = 0.4 }}'
        for name, labels in LABELS.items()
    ]
    made += [
        f"{{ id = \"rule_{i}\", when = '{condition(rng, 3)}', coefficient = {0.1 + i / 50:.2f} }}" for i in range(6)
    ]
    made += ['{ id = "curve", of = "bmi", powers = [0, 1], scale = 10, coefficients = [0.3, -0.2] }']
    made += [
        '{ id = "levels", of = "smoking", reference = "never", levels = { ex = 0.2, current = { a = 0.5, b = 0.1 } } }'
    ]
    made += ['{ id = "both", product = ["own_platelets", "copd"], coefficient = 0.2 }']
    return ",\n  ".join(made)


def pack(rng: np.random.Generator, written: str) -> str:
    """A model with those terms and defaults of chance."""
    inputs = []
    for name, (low, high) in NUMBERS.items():
        bounds = ", clip = [18, 45]" if name == "bmi" else ""
        inputs.append(f"{name} = {{ default = {low + (high - low) * rng.random():.2f}{bounds} }}")
    inputs += [f'{name} = {{ default = "{rng.choice(labels)}" }}' for name, labels in LABELS.items()]
    lines = "\n".join(inputs)
    return f"""
[pack]
id = "made"
version = "1"

[definition.score]
kind = "model"
draft = true
title = "Score"
version = "1"
source = "invented"
evidence = "assumption"
link = "identity"
intercept = 0.5
strata = {{ a = "age >= 50", b = "age < 50" }}
terms = [
  {written}
]
output = true

[definition.score.inputs]
{lines}
"""


def people(rng: np.random.Generator, size: int) -> pa.Table:
    """A list in which half of what is not a flag has no record."""
    columns: dict[str, list[object]] = {
        "patient_id": [*range(1, size + 1)], "practice_code": ["Y90001"] * size, "sex": ["female"] * size,
        "age": [int(x) for x in rng.integers(18, 90, size)],
    }  # fmt: skip
    half = lambda values: [v if rng.random() < 0.5 else None for v in values]  # noqa: E731
    for name, (low, high) in NUMBERS.items():
        columns[name] = half((low + (high - low) * rng.random(size)).round(1).tolist())
    for name, labels in LABELS.items():
        columns[name] = half(rng.choice(labels, size).tolist())
    for name in FLAGS:
        columns[name] = [bool(x) for x in rng.random(size) < 0.5]
    return pa.table(columns)


def sound(files: list[Path], written: str, rng: np.random.Generator) -> bool:
    """Whether the packs hold no rule of chance that is the same for everybody."""
    try:
        for file in files:
            file.write_text(pack(rng, written))
            popstrat.Scorer(file, AS_OF)
    except popstrat.PackError as error:
        if "patient" in str(error):
            return False
        raise
    return True


@pytest.mark.parametrize("seed", seeds(5, 12))
def test_what_is_listed_does_not_rest_on_defaults(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    files = [tmp_path / f"{i}.toml" for i in range(3)]
    while not sound(files, terms(rng), rng):
        pass
    table = people(rng, 300)
    listed = [
        popstrat.score(table, AS_OF, pack=file, contributions=64)["score_contributions"].to_pylist() for file in files
    ]
    assert listed[0] == listed[1] == listed[2]
    every = [popstrat.contributions(table, AS_OF, pack=file) for file in files]
    told = [t.drop_columns(["defaults", "linear_predictor"]) for t in every]
    assert told[0].equals(told[1])
    assert told[0].equals(told[2])
    for one in every:
        terms_there = one.column_names[one.column_names.index("start") : -1]
        amounts = np.column_stack([one[name].to_numpy() for name in terms_there])
        assert (amounts.sum(axis=1) == one["linear_predictor"].to_numpy()).all()
    # and whoever has a record of everything has everything listed
    full = [i for i, row in enumerate(table.to_pylist()) if None not in row.values()]
    assert all(every[0]["defaults"][i].as_py() == 0 for i in full)
    assert any(every[0]["defaults"].to_pylist())


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    """Each input of the built-in risk left out in turn, and all at once: no term of it is anybody's reason."""
    table = synthetic.table(1_000, seed=3, as_of=dt.date(2026, 6, 30))
    inputs = {
        "alcohol_units_week": ("alcohol_some", "alcohol_heavy"), "smoking": "smoking", "imd_decile": "deprivation",
        "ethnicity": "ethnicity",
        "bmi": ("underweight", "bmi_40"), "haemoglobin": "anaemia", "platelets": "platelets_high",
        "emergency_admissions_12m": "admissions",
    }  # fmt: skip
    for gone in [*([name] for name in inputs), [*inputs]]:
        left = table.drop_columns(gone)
        found = popstrat.score(left, AS_OF, contributions=64)["admission_risk_contributions"].to_pylist()
        reasons = {item["term"] for row in found if row for item in row}
        assert reasons
        for name in gone:
            assert not any(term.startswith(inputs[name]) for term in reasons), (name, reasons)


def test_explain_says_that_it_is_the_default(tmp_path: Path) -> None:
    """The sum has all its terms, and those that rest on a default are marked."""
    table = synthetic.table(50, seed=3, as_of=dt.date(2026, 6, 30)).drop_columns(["alcohol_units_week"])
    adult = next(i for i, d in enumerate(table["date_of_birth"].to_pylist()) if d.year < 2000)
    from pyarrow import parquet

    parquet.write_table(table, tmp_path / "list.parquet")
    who = str(table["patient_id"][adult].as_py())
    result = CliRunner().invoke(
        app, ["explain", str(tmp_path / "list.parquet"), "--as-of", AS_OF, "--patient", who], env={"COLUMNS": "160"}
    )
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if "-0.19" in line)
    assert "no record: the default" in line
