"""How close the synthetic list comes to published shares.

python benchmarks/fidelity.py [--patients N] [--seed S] [--as-of DATE] [--write docs/synthetic.md]

Prints "figure | target (source) | generated" and, with --write, puts the table between the markers of that file.
All but the last rows work on the generated table alone, with NumPy: they share no code with the scorer, so that each
can be held against the other. The last rows score the list with the built-in pack.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

import popstrat
from popstrat import synthetic

BEGIN, END = "<!-- fidelity: begin -->", "<!-- fidelity: end -->"
Array = NDArray[Any]

QOF = "QOF 2019/20, London"
NCL = "North Central London, 2025/26"
REGISTERS = [
    ("atrial_fibrillation", 0, 1.12), ("asthma", 0, 4.91), ("cancer", 0, 2.12), ("chd", 0, 1.93), ("ckd", 18, 2.40),
    ("copd", 0, 1.13), ("dementia", 0, 0.51), ("depression", 18, 8.14), ("diabetes", 17, 6.70), ("epilepsy", 18, 0.54),
    ("heart_failure", 0, 0.54), ("hypertension", 0, 10.92), ("learning_disability", 0, 0.39), ("smi", 0, 1.09),
    ("obesity", 18, 8.37), ("osteoporosis", 50, 0.54), ("pad", 0, 0.32), ("palliative_care", 0, 0.30),
    ("rheumatoid_arthritis", 16, 0.55), ("stroke_tia", 0, 1.07),
]  # fmt: skip
GRADIENTS = [
    ("copd", 2.62, 1.51), ("depression", 13.75, 10.69), ("diabetes", 8.53, 5.84), ("obesity", 13.20, 8.45),
    ("smi", 1.18, 0.72), ("atrial_fibrillation", 1.78, 2.33),
]  # fmt: skip
LONG_TERM = [
    "hypertension", "chronic_pain", "osteoarthritis", "diabetes", "depression", "ckd", "asthma", "chd", "obesity",
    "atrial_fibrillation", "stroke_tia", "copd", "heart_failure", "dementia", "ibd", "rheumatoid_arthritis", "pad",
    "epilepsy", "bronchiectasis", "osteoporosis", "sarcoidosis", "liver_cirrhosis", "parkinsons", "lupus",
    "multiple_sclerosis", "sickle_cell", "cystic_fibrosis",
]  # fmt: skip
SERIOUS = [
    "diabetes", "chd", "stroke_tia", "heart_failure", "atrial_fibrillation", "copd", "ckd", "dementia", "cancer", "smi",
    "epilepsy", "rheumatoid_arthritis", "parkinsons", "multiple_sclerosis", "liver_cirrhosis", "pad", "ibd",
    "bronchiectasis", "lupus", "sickle_cell", "cystic_fibrosis",
]  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """One line of the table. ``tolerance`` is relative (None: shown, not held to); ``generated`` may be NaN."""

    name: str
    target: float | None
    source: str
    generated: float
    tolerance: float | None = None

    @property
    def off(self) -> float:
        """Relative distance from the target."""
        return abs(self.generated / self.target - 1) if self.target else 0.0


class People:
    """A generated table as NumPy arrays: floats with NaN for null, booleans, label strings; dates as days back."""

    def __init__(self, table: pa.Table, as_of: dt.date) -> None:
        self._table, self._as_of = table, as_of
        self._seen: dict[str, Array] = {}
        born = table["date_of_birth"]
        before = pc.less(
            pc.add(pc.multiply(pc.month(as_of), 100), pc.day(as_of)),
            pc.add(pc.multiply(pc.month(born), 100), pc.day(born)),
        )
        self.age: Array = np.array(pc.subtract(pc.subtract(as_of.year, pc.year(born)), pc.cast(before, pa.int64())))
        self.adult: Array = self.age >= 18
        self.ltc: Array = np.sum([self[name] for name in LONG_TERM], axis=0)

    def __getitem__(self, name: str) -> Array:
        if name not in self._seen:
            column = self._table[name].combine_chunks()
            if pa.types.is_date32(column.type):
                days = np.array(column.cast(pa.int32()).cast(pa.float64()))
                self._seen[name] = (self._as_of - dt.date(1970, 1, 1)).days - days
            elif pa.types.is_boolean(column.type):
                self._seen[name] = column.to_numpy(zero_copy_only=False)
            elif pa.types.is_dictionary(column.type):
                if isinstance(column, pa.ChunkedArray):
                    column = column.combine_chunks()
                self._seen[name] = np.asarray(column.cast(pa.string()).fill_null("").to_numpy(zero_copy_only=False))
            else:
                self._seen[name] = np.array(column.cast(pa.float64()))
        return self._seen[name]

    def recent(self, date: str, months: int = 12) -> Array:
        year = self._as_of.year - months // 12
        day = 28 if (self._as_of.month, self._as_of.day) == (2, 29) else self._as_of.day
        return np.asarray(self[date] <= (self._as_of - self._as_of.replace(year=year, day=day)).days)

    @property
    def frailty(self) -> Array:
        """0 fit … 3 severe, −1 unknown: from the CFS, else the code, else the eFI."""
        cfs, code, efi = self["cfs"], self["frailty"], self["efi"]
        out = np.full(len(efi), -1)
        known = ~np.isnan(efi)
        out[known] = np.searchsorted(np.array([0.12, 0.24, 0.36], dtype=np.float32), efi[known].astype(np.float32))
        for i, label in enumerate(("fit", "mild", "moderate", "severe")):
            out[code == label] = i
        known = ~np.isnan(cfs)
        out[known] = np.searchsorted([3, 5, 6], cfs[known])
        return out


def share(of: Array, among: Array) -> float:
    """% of ``among`` who are in ``of``."""
    n = int(np.count_nonzero(among))
    return 100 * int(np.count_nonzero(of & among)) / n if n else float("nan")


def figures(people: People) -> Iterator[Figure]:
    """Every figure, in the order of the table."""
    p, age, adult = people, people.age, people.adult
    everyone = np.ones(len(age), dtype=bool)

    england = "England, April 2020; London is younger"
    for least, percent in ((16, 81.9), (18, 79.7), (50, 36.4), (65, 17.5)):
        yield Figure(f"aged {least} and over, %", percent, england, share(age >= least, everyone))
    yield Figure("women among adults, %", 50.4, "OpenSAFELY, England", share(p["sex"] == "female", adult), 0.02)
    missing = np.isin(p["ethnicity"], ["", "Z", "99"])
    yield Figure("ethnicity missing or not stated, %", 29.6, "OpenSAFELY, England", share(missing, everyone))
    yield Figure("deprivation missing, %", 1.1, "OpenSAFELY", share(np.isnan(p["imd_decile"]), everyone), 0.10)

    for name, least, percent in REGISTERS:
        label = f"{name.replace('_', ' ')}, %" + (f" of {least}+" if least else "")
        yield Figure(label, percent, QOF, share(p[name], age >= least), 0.08 if percent > 1 else 0.15)
    deprived, spared = p["imd_decile"] <= 2, p["imd_decile"] >= 9
    for name, most, least_ in GRADIENTS:
        ratio = share(p[name], deprived) / share(p[name], spared)
        yield Figure(f"{name.replace('_', ' ')}: most to least deprived, ratio", most / least_,
                     "QOF 2019/20, England, deciles 1 and 10; here 1-2 and 9-10", ratio)  # fmt: skip

    two = p.ltc >= 2
    yield Figure("2+ conditions, % of adults", 27.2, "Cassell 2018, England, 36 conditions", share(two, adult))
    for low, high, percent in ((45, 64, 30.4), (65, 84, 64.9), (85, 120, 81.5)):
        label = f"2+ conditions, % of {low}-{high}" if high < 100 else f"2+ conditions, % of {low}+"
        yield Figure(label, percent, "Barnett 2012, Scotland, 40 conditions",
                     share(two, (age >= low) & (age <= high)), 0.20)  # fmt: skip
    yield Figure("3+ conditions, % of 18-64", None, "-", share(p.ltc >= 3, adult & (age < 65)))
    serious = np.any([p[name] for name in SERIOUS], axis=0) | (p["asthma"] & (p["medicines_count"] > 0))
    yield Figure("a serious condition, % of adults", 22.5, "20-25, design aim", share(serious, adult), 0.12)
    dying = p["end_of_life"] | p["palliative_care"]
    yield Figure("end of life or palliative, % of adults", 0.6, "0.5-0.7, design aim", share(dying, adult), 0.2)

    old, frailty = age >= 65, p.frailty
    for i, (label, split) in enumerate((("fit", 50), ("mild", 35), ("moderate", 12), ("severe", 3))):
        yield Figure(f"frailty at 65+: {label}, % of those known", split, "usual split at the eFI's cuts",
                     share(frailty == i, old & (frailty >= 0)), 0.25)  # fmt: skip
    yield Figure("any frailty at 65+, %", 43.7, "RCGP RSC", share(frailty > 0, old))
    yield Figure("CFS recorded at 65+, %", None, "-", share(~np.isnan(p["cfs"]), old))

    measured = p["hypertension"] & p.recent("bp_date")
    home = np.where(p["bp_setting"] == "home", 5, 0)
    limit = np.where(age >= 80, 150, 140)
    target = (p["systolic_bp"] <= limit - home) & (p["diastolic_bp"] <= 90 - home) & measured
    for label, who, rate in (("under 80", age < 80, 73.8), ("80 and over", age >= 80, 84.2)):
        yield Figure(f"hypertension at target, {label}, % of diagnosed", rate, NCL,
                     share(target, p["hypertension"] & who), 0.04)  # fmt: skip
        yield Figure(f"the same, % of those with a recent reading ({label})", None, "-", share(target, measured & who))
    raised = (p["systolic_bp"] >= 140 - home) | (p["diastolic_bp"] >= 90 - home)
    unseen = adult & ~p["hypertension"] & raised & p.recent("bp_date", 24)
    yield Figure("raised BP in 24 months, no diagnosis, % of adults", None, "-", share(unseen, adult))
    yield Figure("the same, % of diagnosed and undiagnosed together", 29, "true rate, ONS 2015-19; seen: fewer",
                 share(unseen, (p["hypertension"] & adult) | unseen))  # fmt: skip

    diabetic, frail = p["diabetes"] & (age >= 17), frailty >= 2
    recent = p.recent("hba1c_date")
    yield Figure("HbA1c 58 or less, % of diagnosed, not frail", 59.5, NCL,
                 share((p["hba1c"] <= 58) & recent, diabetic & ~frail), 0.05)  # fmt: skip
    yield Figure("HbA1c 75 or less, % of diagnosed, frail", 83.1, NCL,
                 share((p["hba1c"] <= 75) & recent, diabetic & frail), 0.06)  # fmt: skip
    unseen = adult & ~p["diabetes"] & (p["hba1c"] >= 48) & p.recent("hba1c_date", 24) & ~p["pregnant"]
    yield Figure("HbA1c 48 or more in 24 months, no diagnosis, % of adults", 5, "true rate, HSE 2022; seen: fewer",
                 share(unseen, adult))  # fmt: skip

    score = (p["heart_failure"].astype(int) + p["hypertension"] + 2 * (age >= 75) + ((age >= 65) & (age < 75))
             + p["diabetes"] + 2 * p["stroke_tia"] + (p["chd"] | p["pad"]) + (p["sex"] == "female"))  # fmt: skip
    yield Figure("AF with CHA2DS2-VASc 2 or more on anticoagulant, %", 89.6, NCL,
                 share(p["anticoagulant"], p["atrial_fibrillation"] & (score >= 2)), 0.04)  # fmt: skip
    yield Figure("AF suspected, % of adults", None, "-", share(p["af_suspected"], adult))
    kidney, acr = p["ckd"], p["acr"]
    indicated = kidney & ((acr >= 70) | ((acr >= 30) & p["hypertension"]) | ((acr >= 3) & p["diabetes"]))
    yield Figure("CKD on RAS inhibitor where indicated, %", 72.9, NCL, share(p["ras_inhibitor"], indicated), 0.08)
    yield Figure("CKD on statin, %", 73.3, NCL, share(p["statin"], kidney), 0.06)
    unseen = (adult & ~kidney & (p["egfr"] < 60) & (p["egfr_previous"] < 60) & p.recent("egfr_date", 24)
              & (p["egfr_previous_date"] - p["egfr_date"] >= 90) & ~p["pregnant"])  # fmt: skip
    yield Figure("two low eGFR, no diagnosis, % of adults", None, "-", share(unseen, adult))
    together = (kidney & adult) | unseen
    yield Figure("the same, % of diagnosed and undiagnosed together", None, "-", share(unseen, together))

    usual = "usual figure"
    yield Figure("HbA1c without diabetes, median", 37, usual, float(np.nanmedian(p["hba1c"][adult & ~diabetic])))
    yield Figure("HbA1c with diabetes, median", 53, usual, float(np.nanmedian(p["hba1c"][diabetic])))
    yield Figure("BMI of adults, mean", 27.6, usual, float(np.nanmean(p["bmi"][adult])))
    for name, label, year, mean in (("systolic_bp", "systolic", 30, 120.0), ("systolic_bp", "systolic", 75, 135.0),
                                    ("egfr", "eGFR", 70, 70.0)):  # fmt: skip
        near = np.abs(age - year) <= 2
        yield Figure(f"{label} near {year}, mean", mean, usual, float(np.nanmean(p[name][near])))
    yield Figure("recent BP, % of adults", None, "-", share(p.recent("bp_date"), adult))
    yield Figure("recent BP, % of diagnosed hypertension", None, "-", share(p.recent("bp_date"), p["hypertension"]))
    asked = adult & (p["smoking"] != "")
    yield Figure("smoking now, % of adults with a record", None, "-", share(p["smoking"] == "current", asked))
    yield Figure("medicines, mean at 65+", None, "-", float(p["medicines_count"][old].mean()))

    admitted = p["emergency_admissions_12m"]
    hes = "England 2017/18, all ages"
    yield Figure("emergency admissions per 1,000 people", 108, hes, 1000 * float(admitted.mean()), 0.15)
    yield Figure("one or more, % of adults", 5.6, "BMJ Open 2013;3:e003482", share(admitted > 0, adult), 0.15)
    base = share(admitted > 0, adult & (p.ltc == 0))
    for n, ratio in ((1, 7.0), (2, 9.5), (3, 14.5), (4, 29.1), (5, 30.7)):
        here = adult & ((p.ltc == n) if n < 5 else (p.ltc >= 5))
        yield Figure(f"admitted with {n}{'+' if n == 5 else ''} conditions, ratio to none", ratio / 3.9,
                     "a list of 8,027 adults", share(admitted > 0, here) / base, 0.35)  # fmt: skip
    fit = share(admitted > 0, old & (frailty == 0))
    for i, (label, ratio) in enumerate((("mild", 1.64), ("moderate", 2.45), ("severe", 3.16)), start=1):
        yield Figure(f"admitted at 65+, {label} frailty, ratio to fit", ratio, "Age Ageing 2019;48:665, adjusted",
                     share(admitted > 0, old & (frailty == i)) / fit)  # fmt: skip
    grown = np.sort(admitted[adult])[::-1]
    top = 100 * float(grown[: len(grown) // 100].sum() / grown.sum())
    yield Figure("admissions of the top 1% of adults, % of all", None, "-", top)
    for name, a_year in (("ae_attendances", 0.40), ("gp_appointments", 5.0), ("outpatient_attendances", 1.5)):
        yield Figure(f"{name.replace('_', ' ')} a person", a_year, "assumption", float(p[f"{name}_12m"].mean()))
    for name, percent in (("type1_opt_out", 3.8), ("national_data_opt_out", 5.4)):
        yield Figure(f"{name.replace('_', ' ')}, %", percent, "assumption", share(p[name], everyone), 0.12)


NWL = "North West London, WSIC"
GROUPS = {"specialist_end_of_life": 0.7, "high": 2.9, "rising": 0.6, "stable": 19.0, "well": 77.0}


def scored_figures(table: pa.Table, as_of: dt.date) -> Iterator[Figure]:
    """What the built-in pack makes of the list: the adult risk groups and the admission risk."""
    scored = popstrat.score(table, as_of=as_of)
    adult = scored.filter(pc.greater_equal(scored["age"], 18))
    groups = adult["nwl_risk_group"].cast(pa.string())
    for label, target in GROUPS.items():
        share_of_adults = 100 * pc.mean(pc.equal(groups, label)).as_py()
        yield Figure(f"scored: NWL group {label.replace('_', ' ')}, % of adults", target, NWL, share_of_adults, 0.15)
    risk = "BMJ Open 2013;3:e003482"
    yield Figure(
        "scored: admission risk, mean of adults, %", 5.6, risk, 100 * pc.mean(adult["admission_risk"]).as_py(), 0.1
    )
    by_age = adult.append_column("band", pc.min_element_wise(pc.divide(adult["age"], 10), 9))
    means = by_age.group_by("band").aggregate([("admission_risk", "mean")]).sort_by("band").to_pylist()
    for row in means:
        band = f"{10 * row['band']}s" if row["band"] < 9 else "90 and over"
        yield Figure(
            f"scored: admission risk, mean, {band.replace('10s', '18 and 19')}, %",
            None,
            "-",
            100 * row["admission_risk_mean"],
        )


def number(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def as_table(found: list[Figure]) -> str:
    lines = ["| figure | target (source) | generated |", "|---|---|---|"]
    for f in found:
        target = f"{number(f.target)} ({f.source})" if f.target is not None else "–"
        lines.append(f"| {f.name} | {target} | {number(f.generated)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--patients", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--as-of", type=dt.date.fromisoformat, default=dt.date(2026, 6, 30))
    parser.add_argument("--write", type=Path, help="put the table between the markers of this file")
    args = parser.parse_args()
    table = synthetic.table(args.patients, seed=args.seed, as_of=args.as_of)
    text = as_table([*figures(People(table, args.as_of)), *scored_figures(table, args.as_of)])
    print(text)
    if args.write:
        page = args.write.read_text(encoding="utf-8")
        head, rest = page.split(BEGIN, 1)
        tail = rest.split(END, 1)[1]
        note = f"{args.patients:,} people, seed {args.seed}, as of {args.as_of}:"
        args.write.write_text(f"{head}{BEGIN}\n{note}\n\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
