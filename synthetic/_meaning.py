"""What rows of a coded record mean each column of the patient table: one entry a column, by the kind of rows.

The names are those of code lists in the built-in specification; numbers (windows, gaps, ages) likewise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from popstrat.derive.folds import Conversion


@dataclass(frozen=True)
class Register:
    """A flag: the latest diagnosis lies after the latest code of ``resolved``, and within ``months`` if given."""

    codes: str
    resolved: str | None = None
    months: int | None = None
    minimum_age: int | None = None


@dataclass(frozen=True)
class Value:
    """The latest value of ``codes``: within ``months``, within bounds, the highest or lowest of its day.

    ``date``: the column that holds its day. ``units``: spellings and what they are in the column's own unit, the
    first being that unit. ``decimals`` of the column, None for any number. ``gap``: the columns of the earlier
    value and its day, and how many days lie between at least.
    """

    codes: str
    units: Mapping[str, Conversion]
    minimum: float
    maximum: float
    date: str | None = None
    decimals: int | None = 0
    unitless: bool = True
    lowest: bool = False
    gap: tuple[str, str, int] | None = None
    months: int | None = None
    usual: tuple[float, float] = (0, 0)  # between which made-up old values lie


@dataclass(frozen=True)
class Pressure:
    """The pair of blood pressures; ``settings`` are the lists of systolic codes that name a setting, by label."""

    systolic: str
    diastolic: str
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Label:
    """The label of the latest code; ``lists`` in the order of the labels of the column."""

    lists: Mapping[str, str]
    date: str | None = None
    minimum_age: int | None = None


@dataclass(frozen=True)
class Day:
    """The latest day of ``codes``."""

    codes: str


@dataclass(frozen=True)
class Medicine:
    """Issued at least ``least`` times within ``months``."""

    codes: str
    months: int = 6
    least: int = 1
    part: str | None = None  # the column of those of these medicines that have a list of their own


@dataclass(frozen=True)
class Use:
    """How often in 12 months; ``last``: the column that holds the last day ever."""

    kind: str
    last: str | None = None
    months: int = 12


Plan = Register | Value | Pressure | Label | Day | Medicine | Use


def _u(name: str, **more: Conversion) -> dict[str, Conversion]:
    return {name: Conversion(), **more}


MEANING: Mapping[str, Plan] = {
    "hypertension": Register("HYP_COD", "HYPRES_COD", minimum_age=18),
    "chronic_pain": Register("CHRONICPAIN_COD"),
    "osteoarthritis": Register("OSTEOARTHRITIS_COD"),
    "diabetes": Register("DM_COD", "DMRES_COD", minimum_age=17),
    "depression": Register("DEPR_COD", "DEPRES_COD", minimum_age=18),
    "ckd": Register("CKD_COD", "CKDRES_COD", minimum_age=18),
    "asthma": Register("AST_COD", "ASTRES_COD", minimum_age=6),
    "chd": Register("CHD_COD"),
    "obesity": Register("OBESITY_COD", minimum_age=18),
    "atrial_fibrillation": Register("AFIB_COD", "AFIBRES_COD"),
    "stroke_tia": Register("STRK_COD"),
    "copd": Register("COPD_COD", "COPDRES_COD"),
    "heart_failure": Register("HF_COD", "HFRES_COD"),
    "dementia": Register("DEM_COD"),
    "ibd": Register("IBD_COD"),
    "rheumatoid_arthritis": Register("RARTH_COD", minimum_age=16),
    "pad": Register("PAD_COD"),
    "epilepsy": Register("EPIL_COD", "EPILRES_COD", minimum_age=18),
    "bronchiectasis": Register("BRONCHIECTASIS_COD"),
    "osteoporosis": Register("OSTEO_COD", minimum_age=50),
    "sarcoidosis": Register("SARCOIDOSIS_COD"),
    "liver_cirrhosis": Register("CIRRHOSIS_COD"),
    "parkinsons": Register("PARKINSONS_COD"),
    "lupus": Register("LUPUS_COD"),
    "multiple_sclerosis": Register("MS_COD"),
    "sickle_cell": Register("SICKLECELL_COD"),
    "cystic_fibrosis": Register("CYSTICFIBROSIS_COD"),
    "cancer": Register("CAN_COD"),
    "smi": Register("MH_COD", "MHREM_COD"),
    "learning_disability": Register("LD_COD", "LDREM_COD"),
    "anxiety": Register("ANXIETY_COD"),
    "palliative_care": Register("PALCARE_COD"),
    "alcohol_dependence": Register("ALCOHOLDEP_COD"),
    "drug_dependence": Register("DRUGDEP_COD"),
    "homeless": Register("HOMELESS_COD"),
    "falls": Register("FALLS_COD", months=12),
    "venous_thromboembolism": Register("VTE_COD"),
    "end_of_life": Register("EOL_COD"),
    "care_home": Register("CAREHOME_COD"),
    "extra_care_housing": Register("EXTRACARE_COD"),
    "housebound": Register("HOUSEBOUND_COD"),
    "complex_needs": Register("COMPLEXNEEDS_COD"),
    "pregnant": Register("PREG_COD", months=9),
    "systolic_bp": Pressure("SYSBP_COD", "DIASBP_COD", {"clinic": "CLINICSYSBP_COD", "home": "HOMESYSBP_COD"}),
    "hba1c": Value(
        "IFCCHBAM_COD",
        _u("mmol/mol", **{"%": Conversion(10.929, -2.15 * 10.929, 0)}),
        15,
        200,
        "hba1c_date",
        usual=(30, 90),
    ),
    "egfr": Value(
        "EGFR_COD",
        _u("mL/min/1.73m2"),
        1,
        200,
        "egfr_date",
        lowest=True,
        gap=("egfr_previous", "egfr_previous_date", 90),
        usual=(20, 110),
    ),
    "acr": Value("ACR_COD", _u("mg/mmol"), 0, 3000, "acr_date", 1, usual=(0, 40)),
    "bmi": Value("BMIVAL_COD", _u("kg/m2"), 10, 100, "bmi_date", 1, usual=(18, 40)),
    "non_hdl": Value("NONHDLCCHOL_COD", _u("mmol/L"), 0.1, 20, "lipids_date", 1, usual=(1, 7)),
    "ldl": Value("LDLCCHOL_COD", _u("mmol/L"), 0.1, 20, "lipids_date", 1, usual=(1, 6)),
    "cvd_risk_10y": Value("CVDRISK_COD", _u("%"), 0, 100, "cvd_risk_date", 1, usual=(1, 60)),
    "haemoglobin": Value("HB_COD", _u("g/L", **{"g/dL": Conversion(10.0)}), 30, 250, usual=(90, 170)),
    "platelets": Value("PLT_COD", _u("10*9/L"), 1, 2000, usual=(100, 400)),
    "alcohol_units_week": Value("ALC_COD", _u("units/week"), 0, 500, usual=(0, 60)),
    "efi": Value("EFI_COD", _u(""), 0, 1, decimals=None, usual=(0, 0.6)),
    "sq_score": Value("SQSCORE_COD", _u("%"), 0, 100, decimals=1, usual=(1, 90)),
    "cfs": Label({str(n): f"CFS{n}_COD" for n in range(1, 10)}),
    "frailty": Label({"fit": "FIT_COD", "mild": "MILDFRAIL_COD", "moderate": "MODFRAIL_COD", "severe": "SEVFRAIL_COD"}),
    "smoking": Label({"never": "NSMOK_COD", "ex": "EXSMOK_COD", "current": "LSMOK_COD"}, "smoking_date"),
    "diabetes_type": Label({"type1": "DMTYPE1_COD", "type2": "DMTYPE2_COD", "other": "DMOTHER_COD"}),
    "phq9_date": Day("PHQ9_COD"),
    "gad7_date": Day("GAD7_COD"),
    "care_plan_date": Day("CAREPLAN_COD"),
    "cga_date": Day("CGA_COD"),
    "ld_check_date": Day("LDCHECK_COD"),
    "smi_check_date": Day("SMICHECK_COD"),
    "ndpp_referred_date": Day("NDPPREF_COD"),
    "ndpp_completed_date": Day("NDPPCOMP_COD"),
    "anticoagulant": Medicine("ANTICOAG_COD"),
    "statin": Medicine("STAT_COD", part="high_intensity_statin"),
    "ras_inhibitor": Medicine("RAS_COD"),
    "sglt2_inhibitor": Medicine("SGLT2_COD"),
    "antidepressant": Medicine("ANTIDEP_COD"),
    "antipsychotic": Medicine("ANTIPSY_COD"),
    "corticosteroid": Medicine("STEROID_COD"),
    "nsaid": Medicine("NSAID_COD"),
    "high_intensity_statin": Medicine("STATHI_COD"),
    "ezetimibe": Medicine("EZETIMIBE_COD"),
    "emergency_admissions_12m": Use("emergency_admission", "last_admission_date"),
    "ae_attendances_12m": Use("ae_attendance"),
    "gp_appointments_12m": Use("gp_appointment"),
    "outpatient_attendances_12m": Use("outpatient_attendance"),
}
