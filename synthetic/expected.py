"""How many people of an age and sex would be expected to have each flag and each record: `packs/expected.json`.

    python -m popstrat.synthetic.expected --write

makes it anew, out of synthetic lists, and so out of the sourced figures and stated assumptions of ``london.toml``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import popstrat.packs
from popstrat import synthetic
from popstrat.core.arrow import numbers, valid
from popstrat.core.dates import latest_birth_for
from popstrat.packs.expected import BAND_YEARS, BANDS, FILE, expected
from popstrat.packs.patient_table import Column, patient_schema
from popstrat.synthetic._parameters import london
from popstrat.synthetic._people import BLOCK, days

AS_OF = dt.date(2026, 6, 30)
SEEDS = range(1, 25)
"""A list of one block for each: places differ, and one list has few of them."""

NOT_COUNTED = ("identity", "use")
"""Groups whose columns are left out: keys, and counts of contacts, of which many extracts leave out the noughts."""
_LEFT_OUT = ("pcn_code", "neighbourhood", "place", "medicines_count", "bp_setting")  # for the same reasons

LOCAL = {
    "places differ many times over in": [
        "care_home", "extra_care_housing", "housebound", "homeless", "alcohol_dependence", "drug_dependence",
        "sickle_cell", "cystic_fibrosis", "type1_opt_out", "national_data_opt_out",
    ],
    "what is coded, and by whom, is a matter of local habit": [
        "chronic_pain", "falls", "complex_needs", "end_of_life", "palliative_care", "osteoporosis", "af_suspected",
        "cfs", "frailty", "efi", "cvd_risk_10y", "cvd_risk_date", "phq9_date", "gad7_date", "alcohol_units_week",
        "care_plan_date", "cga_date", "ld_check_date", "smi_check_date", "ndpp_referred_date", "ndpp_completed_date",
        "last_admission_date", "diabetes_type", "diabetes_onset_age", "sq_score", "non_hdl_baseline", "ezetimibe",
    ],
}  # fmt: skip
"""Columns of which no list is doubted that holds a few. Why → which."""
_UNEVEN = {"ckd"}  # published, and yet coded several times as often in one practice as in another

ABOUT = (
    "Of 1,000 people of each sex and five-year age band, how many have a flag recorded as true (counts: true), or any "
    "value recorded in a column (counts: recorded), on a London-like list as the generator draws it. For asking "
    "whether an extract is filled. Not a target, not an estimate for any place, and nothing to compare care with: "
    "places differ, and what rests on an assumption is right in its order of magnitude only."
)
BASES = {
    "published": "the overall share is that of a published register; its spread over ages is an assumption",
    "assumed": "an assumption, or a register that practices keep very unevenly",
    "local": "differs so much between places, or is so much a matter of habit, that only a total lack says anything",
}


def parameters_sha256() -> str:
    """The hash of the generator's figures, by which the table is known to be of them."""
    return hashlib.sha256(resources.files("popstrat.synthetic").joinpath("london.toml").read_bytes()).hexdigest()


def counted_columns() -> list[Column]:
    """The columns that the table has."""
    return [c for c in patient_schema() if c.group not in NOT_COUNTED and c.name not in _LEFT_OUT]


def basis(column: str) -> str:
    """What the figures of a column rest on: a key of `BASES`."""
    if any(column in names for names in LOCAL.values()):
        return "local"
    source = next((f["source"] for f in london().raw["flag"] if f["name"] == column), "assumption")
    return "assumed" if source.startswith("assumption") or column in _UNEVEN else "published"


def shares(seeds: range = SEEDS) -> dict[str, NDArray[np.float64]]:
    """Of each column the share, by sex (female, male) and age band, out of one block of people for each seed."""
    people = np.zeros((2, BANDS))
    found = {c.name: np.zeros((2, BANDS)) for c in counted_columns()}
    birthdays = np.array([days(latest_birth_for(BAND_YEARS * band, AS_OF)) for band in range(1, BANDS)])
    for seed in seeds:
        (block,) = synthetic.generate(BLOCK, seed=seed, as_of=AS_OF, threads=1)
        born = numbers(block.column("date_of_birth").view(pa.int32()))
        sex = numbers(block.column("sex").indices)
        band = (born[:, None] <= birthdays).sum(axis=1)
        cell, known = sex.astype(np.int64) * BANDS + band, sex < 2
        people += _by_cell(cell[known])
        for name, counts in found.items():
            column = block.column(name)
            here = np.asarray(column) if pa.types.is_boolean(column.type) else valid(column)
            counts += _by_cell(cell[known & here])
    return {name: counts / people for name, counts in found.items()}


def _by_cell(cells: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.bincount(cells, minlength=2 * BANDS).reshape(2, BANDS).astype(np.float64)


def table() -> dict[str, Any]:
    """The content of the file."""
    columns = {}
    types = {c.name: c.type for c in counted_columns()}
    for name, share in shares().items():
        female, male = ([float(f"{1000 * x:.3g}") for x in row] for row in share)
        counts = "true" if types[name] == "bool" else "recorded"
        columns[name] = {"counts": counts, "basis": basis(name), "female": female, "male": male}
    return {
        "about": ABOUT,
        "bases": BASES,
        "made_by": "python -m popstrat.synthetic.expected --write",
        "as_of": AS_OF.isoformat(),
        "people": BLOCK * len(SEEDS),
        "parameters_sha256": parameters_sha256(),
        "age_from": [BAND_YEARS * band for band in range(BANDS)],
        "per_1000": columns,
    }


def text() -> str:
    """The file, a line for each sex of a column."""
    content = table()
    lines = [
        f' "{key}": {json.dumps(value, ensure_ascii=False)},' for key, value in content.items() if key != "per_1000"
    ]
    columns = [
        f'  "{name}": {{"counts": "{c["counts"]}", "basis": "{c["basis"]}",\n   "female": {json.dumps(c["female"])},\n'
        f'   "male": {json.dumps(c["male"])}}}'
        for name, c in content["per_1000"].items()
    ]
    return "{\n" + "\n".join(lines) + '\n "per_1000": {\n' + ",\n".join(columns) + "\n }\n}\n"


def main() -> None:
    """Write the file into the sources, or say whether it is up to date with the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="make the file anew")
    if parser.parse_args().write:
        Path(popstrat.packs.__file__).with_name(FILE).write_text(text(), encoding="utf-8")
    elif expected().parameters_sha256 != parameters_sha256():
        raise SystemExit(f"packs/{FILE} is not of these figures: give --write")


if __name__ == "__main__":
    main()
