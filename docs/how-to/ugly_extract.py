"""The made-up extract of docs/how-to/extract.md: a generated list, written the way that search tools write one.

    python docs/how-to/ugly_extract.py      # writes docs/how-to/extract.csv again

NHS numbers are of the range 999, which is never issued.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from popstrat import synthetic

PEOPLE, SEED, AS_OF = 400, 8, dt.date(2026, 6, 30)
FILE = Path(__file__).parent / "extract.csv"
Row = Mapping[str, Any]


def day(value: dt.date | None) -> str:
    return "NULL" if value is None else value.strftime("%d/%m/%Y")


def number(value: float | None, decimals: int = 0) -> str:
    return "NULL" if value is None else f"{value:.{decimals}f}"


def flag(name: str) -> Callable[[Row], str]:
    return lambda row: "Y" if row[name] else "N"


def pressure(row: Row) -> str:
    if row["systolic_bp"] is None or row["diastolic_bp"] is None:
        return ""
    return f"{row['systolic_bp']:.0f}/{row['diastolic_bp']:.0f}"


def percent(row: Row) -> str:
    """HbA1c in % (DCCT) from mmol/mol (IFCC), by the NGSP's master equation: % = 0.0915 IFCC + 2.15."""
    return "NULL" if row["hba1c"] is None else f"{0.0915 * row['hba1c'] + 2.15:.1f}"


def smoking(row: Row) -> str:
    if row["smoking"] == "never" and row["row"] % 12 == 0:
        return "E-cigarettes only"
    return {"never": "Never smoked", "ex": "Ex-smoker", "current": "Smoker"}.get(row["smoking"], "")


def nhs_number(row: Row) -> str:
    """Ten digits of the range 999 with their check digit, in the usual three groups."""
    for first in range(10):
        nine = f"999{row['row']:05d}{first}"
        check = 11 - sum((10 - i) * int(d) for i, d in enumerate(nine)) % 11
        if check != 10:
            digits = f"{nine}{check % 11}"
            return f"{digits[:3]} {digits[3:6]} {digits[6:]}"
    raise AssertionError


COLUMNS: dict[str, Callable[[Row], str]] = {
    "NHS Number": nhs_number,
    "Practice": lambda r: str(r["practice_code"]).lower() if r["row"] % 7 == 0 else r["practice_code"],
    "DOB": lambda r: day(r["date_of_birth"]),
    "Gender": lambda r: {"female": "Female", "male": "Male"}.get(r["sex"], "Not specified"),
    "Ethnic category": lambda r: r["ethnicity"] or "NULL",
    "IMD decile 2019": lambda r: number(r["imd_decile"]),
    "BP": pressure,
    "BP taken": lambda r: day(r["bp_date"]),
    "HbA1c %": percent,
    "Date of HbA1c": lambda r: day(r["hba1c_date"]),
    "eGFR": lambda r: "NULL" if r["egfr"] is None else ">90" if r["egfr"] > 90 else number(r["egfr"]),
    "Date of eGFR": lambda r: day(r["egfr_date"]),
    "BMI": lambda r: number(r["bmi"], 1).replace(".", ","),
    "eFI": lambda r: number(r["efi"], 3).replace(".", ","),
    "Smoking": smoking,
    "HTN": flag("hypertension"),
    "Diabetes": flag("diabetes"),
    "Heart failure": flag("heart_failure"),
    "AF": flag("atrial_fibrillation"),
    "CKD": flag("ckd"),
    "CHD": flag("chd"),
    "COPD": flag("copd"),
    "Asthma": flag("asthma"),
    "Statin": flag("statin"),
    "Anticoagulant": flag("anticoagulant"),
    "Emergency admissions 12m": lambda r: number(r["emergency_admissions_12m"]),
    "Usual GP": lambda r: "Dr A",
}


def main() -> None:
    people = synthetic.table(PEOPLE, seed=SEED, as_of=AS_OF, practices=2).to_pylist()
    with FILE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for i, person in enumerate(people):
            row = {"row": i, **person}
            writer.writerow([made(row) for made in COLUMNS.values()])


if __name__ == "__main__":
    main()
