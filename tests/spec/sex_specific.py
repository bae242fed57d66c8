"""The model of docs/examples/sex-specific-survival.toml, written out as the published reference programs of this field are:
one function for each sex, numbers in place. It is kept apart from the pack on purpose: each checks the other."""

# ruff: noqa: E501 (one term on a line)

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def women(p: Mapping[str, Any]) -> float:
    """The linear predictor of a woman; every value must be known, flags included."""
    d = p["age"] / 10
    age_1 = d**-2 - 0.0521
    age_2 = d - 4.3814
    b = min(max(p["bmi"], 20), 40) / 10
    bmi_1 = b**-2 - 0.15424
    bmi_2 = b**-2 * math.log(b) - 0.14408
    systolic = min(max(p["systolic_bp"], 70), 210) - 122.8147
    hdl = min(max(p["hdl"], 0.5), 4)
    ratio = (p["non_hdl"] + hdl) / hdl - 3.5069
    current = p["smoking"] == "current"
    a = 0.0
    a += -9.135599570640993 * age_1
    a += 0.4327462205914371 * age_2
    a += 0.4176843738126696 * bmi_1
    a += -4.50661053742196 * bmi_2
    a += 0.0289854064508967 * (10 - p["imd_decile"])
    a += 0.013513280252717 * systolic
    a += 0.1530329070897414 * ratio
    a += 0.1405621131968235 * (p["smoking"] == "ex")
    a += 0.6805386044419023 * current
    a += 0.3590174575087325 * (p["ethnicity"] in ("H", "J", "K"))
    a += -0.281259457533838 * (p["ethnicity"] in ("L", "R"))
    a += -0.2196827286106335 * (p["ethnicity"] in ("M", "N", "P"))
    a += -0.0560325402373377 * (p["ethnicity"] in ("D", "E", "F", "G"))
    a += -0.1420162859333861 * (p["ethnicity"] in ("S",))
    a += 1.59850236565222 * p["atrial_fibrillation"]
    a += 0.6666643322630249 * p["ckd"]
    a += 0.7692264654527825 * p["diabetes"]
    a += 0.4909521186474127 * p["hypertension"]
    a += 0.2126916219635731 * p["rheumatoid_arthritis"]
    a += 0.8357891126500083 * p["lupus"]
    a += 0.1271513559104984 * p["smi"]
    a += 0.1865512844862303 * p["epilepsy"]
    a += 0.1305255344326689 * p["depression"]
    a += 0.3363188747559637 * p["copd"]
    a += 0.0638484576747668 * p["asthma"]
    a += 0.040600147832853 * p["osteoarthritis"]
    a += 2.248922042376842 * age_1 * bmi_1
    a += -0.0093513044651775 * age_2 * bmi_1
    a += -5.313991859935829 * age_1 * bmi_2
    a += 0.0198850005141059 * age_2 * bmi_2
    a += -0.0117057948547672 * age_1 * systolic
    a += -0.0002771840035725 * age_2 * systolic
    a += -1.298808316295746 * age_1 * current
    a += -0.0912649742159901 * age_2 * current
    a += -2.2104647158218333 * age_1 * p["diabetes"]
    a += -0.0933161104939067 * age_2 * p["diabetes"]
    a += 19.799171917300942 * age_1 * p["atrial_fibrillation"]
    a += 0.0710229847429138 * age_2 * p["atrial_fibrillation"]
    a += -3.440263297935018 * age_1 * p["ckd"]
    a += -0.1241583324082192 * age_2 * p["ckd"]
    return float(a)


def men(p: Mapping[str, Any]) -> float:
    """The linear predictor of a man; every value must be known, flags included."""
    d = p["age"] / 10
    age_1 = d**-1 - 0.2304
    age_2 = d**3 - 81.7426
    b = min(max(p["bmi"], 20), 40) / 10
    bmi_1 = b**-2 - 0.14612
    bmi_2 = b**-2 * math.log(b) - 0.14046
    systolic = min(max(p["systolic_bp"], 70), 210) - 128.3205
    hdl = min(max(p["hdl"], 0.5), 4)
    ratio = (p["non_hdl"] + hdl) / hdl - 4.3114
    current = p["smoking"] == "current"
    a = 0.0
    a += -17.921159109996697 * age_1
    a += 0.0023928861443747 * age_2
    a += 1.7419197409753786 * bmi_1
    a += -3.592312744981032 * bmi_2
    a += 0.0309422151452877 * (10 - p["imd_decile"])
    a += 0.0115168092764424 * systolic
    a += 0.1912840515953888 * ratio
    a += 0.1917996525723939 * (p["smoking"] == "ex")
    a += 0.5572536060209221 * current
    a += 0.3992920518222735 * (p["ethnicity"] in ("H", "J", "K"))
    a += -0.3486835601408931 * (p["ethnicity"] in ("L", "R"))
    a += -0.3840513993562526 * (p["ethnicity"] in ("M", "N", "P"))
    a += -0.1135250345128589 * (p["ethnicity"] in ("D", "E", "F", "G"))
    a += -0.1771961023159472 * (p["ethnicity"] in ("S",))
    a += 0.8191824887915861 * p["atrial_fibrillation"]
    a += 0.6789588529620838 * p["ckd"]
    a += 0.582885884558795 * p["diabetes"]
    a += 0.4624606843434124 * p["hypertension"]
    a += 0.223105618967937 * p["rheumatoid_arthritis"]
    a += 0.4151542000790459 * p["lupus"]
    a += 0.1129298293445864 * p["smi"]
    a += 0.2341134932664768 * p["epilepsy"]
    a += 0.0989867043607541 * p["depression"]
    a += 0.2584821855420313 * p["copd"]
    a += 0.0495007054147499 * p["asthma"]
    a += 0.0290117217268251 * p["osteoarthritis"]
    a += 9.393448176652086 * age_1 * bmi_1
    a += -0.0004001409435756 * age_2 * bmi_1
    a += 7.258922704752994 * age_1 * bmi_2
    a += 0.000559776073267 * age_2 * bmi_2
    a += -0.0172743216303973 * age_1 * systolic
    a += -1.09693576986e-05 * age_2 * systolic
    a += -0.91046587044981 * age_1 * current
    a += -0.0003467201301468 * age_2 * current
    a += 4.785330314931347 * age_1 * p["diabetes"]
    a += -0.0004747437437048 * age_2 * p["diabetes"]
    a += 3.5324038607307924 * age_1 * p["atrial_fibrillation"]
    a += -0.0003010971510815 * age_2 * p["atrial_fibrillation"]
    a += -1.800051588321594 * age_1 * p["ckd"]
    a += -0.0004233195116621 * age_2 * p["ckd"]
    return float(a)


def risks(p: Mapping[str, Any]) -> tuple[float, float] | None:
    """The risks at 5 and at 10 years, each input with its default; None for who is not eligible or of neither sex."""
    age, sex = p["age"], p["sex"]
    if age is None or not 25 <= age <= 84 or p["chd"] or p["stroke_tia"] or sex not in ("female", "male"):
        return None
    woman = sex == "female"
    usual = {
        "bmi": 26.8 if woman else 27.4, "systolic_bp": 110 + age / 4, "non_hdl": 3.6, "hdl": 1.6 if woman else 1.3,
        "smoking": "never", "ethnicity": "Z", "imd_decile": 5,
    }  # fmt: skip
    known = {name: usual.get(name, False) if value is None else value for name, value in p.items()}
    hazard = math.exp(women(known) if woman else men(known))
    survival = (0.991873621, 0.980518274) if woman else (0.987246013, 0.969384571)
    five, ten = (1 - s**hazard for s in survival)
    return five, ten
