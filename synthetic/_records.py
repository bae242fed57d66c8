"""What is on record about them: measurements and their dates, treatment, and use of services."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.synthetic._parameters import F32, Model, Recency, f32, probit
from popstrat.synthetic._people import BLOCK, Bools, Cells, Draw, People, Values, days

I32 = NDArray[np.int32]


@dataclass
class _Latest:
    """When the latest record was made: days back, and whether there is one."""

    back: I32
    present: Bools


def chance(model: Model, people: People, name: str) -> F32:
    """Chance of being on a medicine, probit scale, before the particular rules of each."""
    medicine = model.medicines[name]
    found = np.full(BLOCK, medicine.base, dtype=np.float32)
    for flag, rate in medicine.flags:
        np.maximum(found, rate, out=found, where=people.flag[flag])
    return found


def taken(people: People, draw: Draw, level: F32) -> Bools:
    """Who is on a medicine that has this chance (probit scale): more often the engaged, nobody under 16."""
    score = np.float32(0.25) * people.score["engagement"] + np.float32(0.968) * draw.normal()
    return np.asarray((score + level > 0) & (people.age >= 16))


class Records:
    """Draws the record columns of one block of people; ``hba1c`` and ``bmi`` say when these were last measured."""

    hba1c: _Latest
    bmi: _Latest

    def __init__(self, model: Model, draw: Draw, people: People, as_of: dt.date, cells: Cells) -> None:
        self.model, self.draw, self.people, self.cells = model, draw, people, cells
        self.as_of = days(as_of)
        raw = model.raw["records"]
        self.pace = np.exp(
            np.float32(raw["engagement"]) * people.score["engagement"] + np.float32(raw["practice"]) * people.quality
        )
        control = model.raw["control"]
        engagement, practice = control["engagement"], control["practice"]
        # Standard normal, but for the small effect of deprivation: how well treated conditions are controlled.
        self._left = np.float32((1 - engagement**2 - practice**2) ** 0.5)
        self._inclined = (
            np.float32(engagement) * people.score["engagement"]
            + np.float32(practice) * people.quality
            + np.float32(control["deprivation"]) * people.deprivation
        )

    def draw_all(self) -> None:
        self._blood_pressure()
        self._hba1c()
        self._kidney()
        self._bmi()
        self._habits()
        self._blood_count()
        self._risk_score()
        self._medicines()
        self._lipids()
        self._questionnaires()
        self._use()

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _values(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.model.raw["values"][name]
        return found

    def _curve(self, ages: Any, values: Any) -> F32:
        return self.model.by_age(ages, values)[self.people.age]

    def _latest(self, recency: Recency) -> _Latest:
        mean = recency.by_age[self.people.age]
        for name, least in recency.flags:
            np.minimum(mean, least, out=mean, where=self.people.flag[name])
        for name, times in recency.unnoticed:
            np.multiply(mean, times, out=mean, where=self.people.undiagnosed[name])
        back = self.draw.exponential() * mean * self.pace
        horizon = self.model.raw["records"]["horizon"]
        whole = np.minimum(back, horizon + 1).astype(np.int32)
        return _Latest(whole, (whole <= horizon) & (whole <= self.people.age_days))

    def _put_date(self, name: str, latest: _Latest) -> None:
        dated = latest.present & (self.draw.uniform() >= self.model.raw["records"]["undated"])
        self.cells.put(name, self.as_of - latest.back, dated)

    def _controlled(self, share: Values) -> Bools:
        """At target with probability ``share`` (per person), more often in the engaged and in good practices."""
        return np.asarray(self._inclined + self._left * self.draw.normal() + share > 0)

    def _at_random(self, share: F32) -> Bools:
        return self.draw.uniform() < share

    # -- measurements -------------------------------------------------------------------------------------------------

    def _blood_pressure(self) -> None:
        people, draw = self.people, self.draw
        raw, control = self._values("bp"), self.model.raw["control"]
        entry = self.model.raw["records"]["bp"]
        latest = self._latest(self.model.recency["bp"])
        diagnosed, unnoticed = people.flag["hypertension"], people.undiagnosed["hypertension"]
        old = people.age >= 80
        target = np.where(old, np.float32(150), np.float32(140))

        systolic = self._curve(raw["systolic_ages"], raw["systolic"])
        systolic += np.float32(raw["systolic_sd"]) * draw.normal()
        systolic += np.where(people.female, np.float32(0), np.float32(raw["male"]))
        systolic += np.float32(raw["per_bmi_sd"]) * people.score["obesity"]
        diastolic = np.float32(0.42) * systolic + np.float32(24) + np.float32(5.5) * draw.normal()
        diastolic -= np.float32(0.12) * np.maximum(people.age - 50, 0).astype(np.float32)

        share = np.where(old, np.float32(probit(control["bp_80_and_over"])), np.float32(probit(control["bp"])))
        at_target = diagnosed & self._controlled(share)
        raised = (diagnosed & ~at_target) | unnoticed
        size = np.abs(draw.normal())
        more = draw.exponential()
        np.subtract(target, np.float32(raw["treated_spread"]) * size, out=systolic, where=at_target)
        above = np.where(unnoticed, np.float32(raw["undiagnosed_mean"]), np.float32(raw["above_mean"])) * more
        threshold = np.where(unnoticed, np.float32(140), target + 1)
        isolated = raised & self._at_random(np.full(BLOCK, raw["isolated_diastolic"], dtype=np.float32))
        np.add(threshold, above, out=systolic, where=raised & ~isolated)
        np.subtract(threshold, 1 + np.float32(6) * size, out=systolic, where=isolated)
        too = isolated | (raised & self._at_random(np.full(BLOCK, control["diastolic_too"], dtype=np.float32)))
        np.add(np.float32(91), np.float32(0.5) * above, out=diastolic, where=too)
        np.minimum(diastolic, 90, out=diastolic, where=at_target)

        home = self._at_random(np.where(diagnosed, entry["home_hypertension"], entry["home"]).astype(np.float32))
        five = np.where(home, 5, 0)
        upper = np.clip(np.floor(systolic), 66, 245).astype(np.int16) - five
        lower = np.minimum(np.clip(np.floor(diastolic), 36, 140).astype(np.int16) - five, upper - 12)
        # No setting on record is the common way of saying "clinic".
        stated = home | self._at_random(np.full(BLOCK, 0.6, dtype=np.float32))
        self.cells.put("systolic_bp", upper.astype(np.int16), latest.present)
        self.cells.put("diastolic_bp", lower.astype(np.int16), latest.present)
        self.cells.put("bp_setting", home.astype(np.int8), latest.present & stated)
        self._put_date("bp_date", latest)

    def _hba1c(self) -> None:
        people, draw = self.people, self.draw
        raw, control = self._values("hba1c"), self.model.raw["control"]
        latest = self.hba1c = self._latest(self.model.recency["hba1c"])
        diagnosed, unnoticed = people.flag["diabetes"], people.undiagnosed["diabetes"]
        value = np.float32(raw["mean"]) + np.float32(raw["sd"]) * draw.normal()
        value += np.float32(raw["per_bmi_sd"]) * people.score["obesity"]
        value += np.float32(raw["per_decade"] / 10) * (people.age - 45).astype(np.float32)
        value = np.clip(value, 20, 47)
        more, within = draw.exponential(), draw.uniform()
        np.add(48, np.float32(raw["undiagnosed_mean"]) * more, out=value, where=unnoticed)
        frail = people.frail
        target = np.where(frail, np.float32(75), np.float32(58))
        share = np.where(frail, np.float32(probit(control["hba1c_frail"])), np.float32(probit(control["hba1c"])))
        reached = self._controlled(share)
        reach = np.where(frail, np.float32(1.7), np.float32(1)) * np.float32(raw["at_target_range"])
        np.subtract(target, reach * within, out=value, where=diagnosed & reached)
        np.add(target + 1, np.float32(raw["above_mean"]) * more, out=value, where=diagnosed & ~reached)
        self.cells.put("hba1c", np.minimum(np.floor(value), 165).astype(np.float32), latest.present)
        self._put_date("hba1c_date", latest)

    def _kidney(self) -> None:
        people, draw = self.people, self.draw
        raw, entry = self._values("egfr"), self.model.raw["records"]["egfr"]
        latest = self._latest(self.model.recency["egfr"])
        diagnosed, unnoticed = people.flag["ckd"], people.undiagnosed["ckd"]
        value = np.float32(raw["start"]) + np.float32(raw["sd"]) * draw.normal()
        value -= np.float32(raw["per_year"]) * np.maximum(people.age - 40, 0).astype(np.float32)
        # Without kidney disease a low value is rare: what would fall below 60 is mostly mirrored to above it.
        low = value < 60
        mirrored = low & self._at_random(np.full(BLOCK, 0.9, dtype=np.float32))
        np.add(60, (60 - value) * np.float32(0.5), out=value, where=mirrored)
        stage = np.float32(raw["ckd_start"]) - np.float32(raw["ckd_per_sd"]) * people.above["ckd"]
        np.add(stage, np.float32(raw["ckd_sd"]) * draw.normal(), out=value, where=diagnosed)
        fall = draw.exponential()
        np.subtract(np.float32(59.9), np.float32(raw["undiagnosed_mean"]) * fall, out=value, where=unnoticed)
        value = np.floor(np.clip(value, 6, 140))

        gap_mean = np.full(BLOCK, entry["gap_days"], dtype=np.float32)
        for name, mean in f32(entry["gap_flags"]):
            np.minimum(gap_mean, mean, out=gap_mean, where=people.flag[name])
        gap = 1 + np.minimum(draw.exponential() * gap_mean, 4_000).astype(np.int32)
        slow = unnoticed & self._at_random(np.full(BLOCK, entry["gap_undiagnosed_share"], dtype=np.float32))
        gap[slow] += entry["gap_undiagnosed"]
        back = latest.back + gap
        horizon = self.model.raw["records"]["horizon"]
        before = _Latest(back, latest.present & (back <= horizon) & (back <= people.age_days))
        previous = value + np.float32(raw["yearly_fall"] / 365) * gap.astype(np.float32) + 4 * draw.normal()
        np.minimum(previous, np.float32(59.5), out=previous, where=unnoticed)
        well = ~diagnosed & ~unnoticed & (value < 60)
        np.maximum(previous, np.float32(60), out=previous, where=well)
        self.cells.put("egfr", value.astype(np.float32), latest.present)
        self._put_date("egfr_date", latest)
        self.cells.put("egfr_previous", np.floor(np.clip(previous, 5, 145)).astype(np.float32), before.present)
        self._put_date("egfr_previous_date", before)

        raw = self._values("acr")
        log = np.float32(raw["log_median"]) + np.float32(raw["log_sd"]) * draw.normal()
        for name in ("diabetes", "ckd"):
            np.add(log, np.float32(raw[name]), out=log, where=people.flag[name])
        known = self.model.raw["records"]["acr"]
        share = np.full(BLOCK, known["base"], dtype=np.float32)
        for name, at_least in f32(known["flags"]):
            np.maximum(share, at_least, out=share, where=people.flag[name])
        acr = np.round(np.minimum(np.exp(log), 900), 1).astype(np.float32)
        self.cells.put("acr", acr, self._at_random(share) & (people.age >= 12))

    def _bmi(self) -> None:
        people, draw = self.people, self.draw
        raw = self.model.raw["obesity"]
        latest = self.bmi = self._latest(self.model.recency["bmi"])
        adult = people.age >= 18
        bmi = 30 * np.exp(np.float32(raw["log_bmi_per_sd"]) * np.where(adult, people.above["obesity"], np.float32(0)))
        child = raw["child_median"]
        median = self._curve(child["ages"], child["bmi"])
        np.multiply(median, np.exp(np.float32(raw["child_log_sd"]) * draw.normal()), out=bmi, where=~adult)
        rounded = np.round(np.clip(bmi, 11, 75), 1).astype(np.float32)
        # Rounding must not carry anyone across the threshold by which the register is defined.
        rounded[adult & (people.above["obesity"] <= 0) & (rounded >= 30)] = 29.9
        self.cells.put("bmi", rounded, latest.present | people.flag["obesity"])

    def _habits(self) -> None:
        people, draw = self.people, self.draw
        smoking = np.where(people.flag["current_smoker"], 2, np.where(people.flag["former_smoker"], 1, 0))
        known = self.model.raw["records"]["smoking"]
        recorded = draw.uniform() * 100 < self._curve(known["ages"], known["percent"])
        self.cells.put("smoking", smoking.astype(np.int8), recorded)

        raw, known = self._values("alcohol"), self.model.raw["records"]["alcohol"]
        abstain = np.full(len(self.model.ethnic_codes), raw["abstain_percent"], dtype=np.float32)
        for code, more in raw["abstain_more"].items():
            abstain[self.model.ethnic_codes.index(code)] += more
        units = np.exp(np.float32(raw["log_median"]) + np.float32(raw["log_sd"]) * draw.normal())
        units[draw.uniform() * 100 < abstain[people.ethnic]] = 0
        dependent = people.flag["alcohol_dependence"]
        np.multiply(raw["dependence_mean"], draw.exponential(), out=units, where=dependent)
        recorded = draw.uniform() * 100 < self._curve(known["ages"], known["percent"])
        self.cells.put("alcohol_units_week", np.minimum(units, 300).astype(np.int16), recorded)

    def _blood_count(self) -> None:
        people, draw = self.people, self.draw
        raw = self._values("blood_count")
        latest = self._latest(self.model.recency["blood_count"])
        centre = np.where(people.female, np.float32(raw["haemoglobin_female"]), np.float32(raw["haemoglobin_male"]))
        centre[people.age < 14] = 126
        centre += np.float32(raw["haemoglobin_per_decade_from_70"] / 10) * np.maximum(people.age - 70, 0)
        haemoglobin = centre + np.float32(raw["haemoglobin_sd"]) * draw.normal()
        platelets = np.float32(raw["platelets"]) + np.float32(raw["platelets_sd"]) * draw.normal()
        for values, shifts in ((haemoglobin, "haemoglobin_flags"), (platelets, "platelets_flags")):
            for name, shift in f32(raw[shifts]):
                np.add(values, shift, out=values, where=people.flag[name])
        self.cells.put("haemoglobin", np.clip(haemoglobin, 52, 205).astype(np.int16), latest.present)
        self.cells.put("platelets", np.clip(platelets, 18, 880).astype(np.int16), latest.present)

    def _risk_score(self) -> None:
        people, draw = self.people, self.draw
        raw, known = self._values("cvd_risk"), self.model.raw["records"]["cvd_risk"]
        logit = np.float32(raw["at_55"]) + np.float32(raw["per_decade"] / 10) * (people.age - 55).astype(np.float32)
        logit += np.where(people.female, np.float32(0), np.float32(raw["male"]))
        logit += np.float32(raw["deprivation"]) * people.deprivation + np.float32(raw["sd"]) * draw.normal()
        for name in ("current_smoker", "diabetes", "hypertension"):
            np.add(logit, np.float32(raw[name]), out=logit, where=people.flag[name])
        asian = [self.model.ethnic_codes.index(c) for c in self.model.raw["people"]["ethnic_groups"]["south_asian"]]
        np.add(logit, np.float32(raw["south_asian"]), out=logit, where=np.isin(people.ethnic, asian))
        risk = np.round(100 / (1 + np.exp(-logit)), 1).astype(np.float32)
        self._risk = np.clip(risk, 0.1, 95.0).astype(np.float32)
        cvd = people.flag["chd"] | people.flag["stroke_tia"] | people.flag["pad"]
        asked = draw.uniform() * 100 < self._curve(known["ages"], known["percent"])
        self._risk_known = asked & ~cvd & (people.age >= 25) & (people.age <= 84)
        self.cells.put("cvd_risk_10y", self._risk, self._risk_known)

    # -- treatment ----------------------------------------------------------------------------------------------------

    def _chance(self, name: str) -> F32:
        return chance(self.model, self.people, name)

    def _take(self, name: str, level: F32) -> Bools:
        on = taken(self.people, self.draw, level)
        self.people.flag[name] = on
        self.cells.put(name, on)
        return on

    def _medicines(self) -> None:
        people, raw = self.people, self.model.raw["medicine"]
        flag = people.flag
        self._chads_vasc = (
            flag["heart_failure"].astype(np.int8)
            + flag["hypertension"]
            + 2 * (people.age >= 75)
            + ((people.age >= 65) & (people.age < 75))
            + flag["diabetes"]
            + 2 * flag["stroke_tia"].astype(np.int8)
            + (flag["chd"] | flag["pad"])
            + people.female
        )
        level = self._chance("anticoagulant")
        fibrillation, entry = flag["atrial_fibrillation"], raw["anticoagulant"]
        level[fibrillation] = probit(entry["chads_vasc_below_2"])
        level[fibrillation & (self._chads_vasc >= 2)] = probit(entry["chads_vasc_2"])
        current = [self._take("anticoagulant", level)]

        level, entry = self._chance("statin"), raw["statin"]
        for cut, key in ((5.0, "cvd_risk_5"), (10.0, "cvd_risk_10")):
            at_risk = self._risk_known & (self._risk >= cut)
            np.maximum(level, np.float32(probit(entry[key])), out=level, where=at_risk)
        current.append(self._take("statin", level))

        level, entry = self._chance("ras_inhibitor"), raw["ras_inhibitor"]
        acr = np.where(self.cells.nulls["acr"], np.float32(0), self.cells.values["acr"])
        protein = (acr >= 70) | ((acr >= 30) & flag["hypertension"]) | ((acr >= 3) & flag["diabetes"])
        indicated = flag["ckd"] & protein
        level[indicated] = probit(entry["indicated_ckd"])
        current.append(self._take("ras_inhibitor", level))

        for name in ("sglt2_inhibitor", "antidepressant", "antipsychotic", "corticosteroid"):
            current.append(self._take(name, self._chance(name)))
        nsaid = self._chance("nsaid")
        cautious = np.zeros(BLOCK, dtype=np.bool_)
        for name in raw["nsaid"]["halved_by"]:
            cautious |= flag[name]
        nsaid[cautious] -= np.float32(0.4)  # on the probit scale about half, at these levels
        current.append(self._take("nsaid", nsaid))

        entry = self.model.raw["medicines_count"]
        mean = self._curve(entry["base"]["ages"], entry["base"]["mean"])
        for name, more in f32(entry["flags"]):
            np.add(mean, more, out=mean, where=flag[name])
        mean *= np.exp(np.float32(entry["spread"]) * self.draw.normal())
        count = self.draw.poisson(mean)
        for medicine in current:
            count += medicine
        self.cells.put("medicines_count", np.minimum(count, 40).astype(np.int16))

    def _lipids(self) -> None:
        people, draw = self.people, self.draw
        raw = self._values("lipids")
        latest = self._latest(self.model.recency["lipids"])
        ldl = np.float32(raw["ldl"]) + np.float32(raw["sd"]) * draw.normal()
        np.add(ldl, np.float32(raw["statin"]), out=ldl, where=people.flag["statin"])
        non_hdl = ldl + np.float32(raw["non_hdl_more"]) * np.exp(np.float32(0.35) * draw.normal())
        # Laboratories report non-HDL nearly always, LDL only when fasting or asked for.
        with_ldl = latest.present & self._at_random(np.full(BLOCK, 0.82, dtype=np.float32))
        self.cells.put("ldl", np.round(np.clip(ldl, 0.5, 9.0), 1).astype(np.float32), with_ldl)
        self.cells.put("non_hdl", np.round(np.clip(non_hdl, 0.9, 11.0), 1).astype(np.float32), latest.present)
        self._put_date("lipids_date", latest)

    def _questionnaires(self) -> None:
        for name in ("phq9", "gad7"):
            latest = self._latest(self.model.recency[name])
            self.cells.put(f"{name}_date", self.as_of - latest.back, latest.present)

    # -- use of services ----------------------------------------------------------------------------------------------

    def _use(self) -> None:
        people, draw = self.people, self.draw
        age_sex = people.age * 2 + people.female
        ltc = np.minimum(people.ltc, 5)
        admissions: NDArray[np.int64] | None = None
        for count in self.model.counts:
            own = count.residual * draw.normal()
            for source, load in count.loads:
                own += load * people.score[source]
            log_mean = count.by_age_sex[age_sex] + count.by_ltc[ltc]
            log_mean += count.deprivation * people.deprivation
            for name, ratio in count.flags:
                np.add(log_mean, ratio, out=log_mean, where=people.flag[name])
            log_mean += count.spread * own
            number = draw.poisson(count.most / (1 + count.most * np.exp(-log_mean)))
            if count.name == "emergency_admissions_12m":
                admissions = number
            elif count.name == "ae_attendances_12m" and admissions is not None:
                share = next(c for c in self.model.raw["count"] if c["name"] == count.name)["with_admission"]
                number = number + np.floor(admissions * np.float32(share) + draw.uniform()).astype(np.int64)
            self.cells.put(count.name, np.minimum(number, 300).astype(np.int16))
