"""Made-up miniature extracts in the shapes that GP systems and databases write: file names, encodings, quotes, columns.

Nobody in them exists, NHS numbers are of the range that is never issued, and the codes are made up in a namespace that
is never issued, with check digits that hold.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def _times(a: int, b: int) -> int:
    """The dihedral group of a pentagon: turns 0 to 4, and 5 to 9 with a flip."""
    turn = (a + b) % 5 if a < 5 else (a - b) % 5
    return turn + 5 * ((a < 5) != (b < 5))


_TURNS = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
while len(_TURNS) < 8:
    _TURNS.append([_TURNS[-1][_TURNS[1][i]] for i in range(10)])


def check_digit(digits: str) -> str:
    """The Verhoeff digit after these."""
    state = 0
    for place, digit in enumerate(reversed(digits), 1):
        state = _times(state, _TURNS[place % 8][int(digit)])
    return str(next(b for b in range(10) if _times(state, b) == 0))


def made_up(item: int, kind: str = "10") -> int:
    """A code of a namespace that is never issued: a concept (10) or a description (11)."""
    digits = f"{item}9999999{kind}"
    return int(digits + check_digit(digits))


SYSTOLIC, DIASTOLIC, BOTH, HBA1C, DIABETES, EGFR = (made_up(i) for i in range(101, 107))
STATIN = made_up(201)


def guid(number: int, what: int = 0) -> str:
    return f"{{0000{what:04X}-0000-4000-8000-{number:012X}}}"


def write_csv(
    path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]], *, encoding: str = "utf-8",
    between: str = ",", quoted: bool = False, end: str = "\r\n",
) -> Path:  # fmt: skip
    """A table of these columns; what a row lacks is empty. A name that ends in ``.gz`` is packed."""
    packed = path.suffix == ".gz"
    with (
        gzip.open(path, "wb") if packed else path.open("wb") as raw,
        io.TextIOWrapper(raw, encoding=encoding, newline="") as file,
    ):
        writer = csv.DictWriter(
            file, columns, restval="", delimiter=between, lineterminator=end,
            quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
        )  # fmt: skip
        writer.writeheader()
        writer.writerows(rows)
    return path


# -- EMIS ---------------------------------------------------------------------------------------------------------

_STAMP = "20260630043213_0F95EE3A-0B9D-40EB-8B28-8E858EF0091F"
_ADMIN_PATIENT = (
    "PatientGuid", "OrganisationGuid", "UsualGpUserInRoleGuid", "Sex", "DateOfBirth", "DateOfDeath", "Title",
    "GivenName", "MiddleNames", "Surname", "DateOfRegistration", "NhsNumber", "PatientNumber",
    "PatientTypeDescription", "DummyType", "Postcode", "DateofDeactivation", "Deleted", "SpineSensitive",
    "IsConfidential", "ProcessingId",
)  # fmt: skip
_OBSERVATION = (
    "ObservationGuid", "PatientGuid", "OrganisationGuid", "EffectiveDate", "EffectiveDatePrecision", "EnteredDate",
    "EnteredTime", "ClinicianUserInRoleGuid", "EnteredByUserInRoleGuid", "ParentObservationGuid", "CodeId",
    "ProblemGuid", "ConsultationGuid", "Value", "NumericUnit", "ObservationType", "NumericRangeLow",
    "NumericRangeHigh", "DocumentGuid", "Qualifiers", "Abnormal", "AbnormalReason", "Episode", "Deleted",
    "IsConfidential", "ProcessingId",
)  # fmt: skip
_ISSUE = (
    "IssueRecordGuid", "PatientGuid", "OrganisationGuid", "DrugRecordGuid", "EffectiveDate", "EffectiveDatePrecision",
    "EnteredDate", "EnteredTime", "ClinicianUserInRoleGuid", "EnteredByUserInRoleGuid", "CodeId", "Dosage", "Quantity",
    "QuantityUnit", "ProblemObservationGuid", "CourseDurationInDays", "EstimatedNhsCost", "IsConfidential", "Deleted",
    "ProcessingId",
)  # fmt: skip
_DRUG = (
    "DrugRecordGuid", "PatientGuid", "OrganisationGuid", "EffectiveDate", "EffectiveDatePrecision", "EnteredDate",
    "EnteredTime", "CodeId", "Dosage", "Quantity", "QuantityUnit", "PrescriptionType", "IsActive", "CancellationDate",
    "NumberOfIssues", "NumberOfIssuesAuthorised", "IsConfidential", "Deleted", "ProcessingId",
)  # fmt: skip
_SLOT = (
    "SlotGuid", "AppointmentDate", "AppointmentStartTime", "PlannedDurationInMinutes", "PatientGuid", "SendInTime",
    "LeftTime", "DidNotAttend", "OrganisationGuid", "SessionGuid", "SlotStatus", "SlotType", "Deleted", "ProcessingId",
)  # fmt: skip


def emis(folder: Path, *, issues: bool = True) -> Path:
    """A folder with the files of an EMIS bulk extract; without ``issues`` only the authorisations of drugs."""
    folder.mkdir(parents=True, exist_ok=True)
    home = guid(1, 0x10)

    def write(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
        usual = {"OrganisationGuid": home, "Deleted": "FALSE", "IsConfidential": "FALSE", "ProcessingId": 1}
        whole = [{c: {**usual, **row}.get(c, "") for c in columns} for row in rows]
        write_csv(folder / f"bulk_99001_{name}_{_STAMP}.csv", columns, whole)

    person = {"Sex": "F", "DateOfBirth": "1950-03-07", "DateOfRegistration": "2001-05-01", "DummyType": "FALSE",
              "PatientTypeDescription": " Regular", "Title": "Mrs", "GivenName": "Ada", "Surname": "O'Neil, née Zoë",
              "NhsNumber": "9990000018"}  # fmt: skip
    write("Admin_Patient", _ADMIN_PATIENT, [
        {**person, "PatientGuid": guid(1)},
        {**person, "PatientGuid": guid(2), "Sex": "M", "DateOfBirth": "1944-12-31", "DateOfDeath": "2025-01-02"},
        {**person, "PatientGuid": guid(3), "Deleted": "TRUE"},
        {**person, "PatientGuid": guid(4), "IsConfidential": "TRUE"},
        {**person, "PatientGuid": guid(5), "PatientTypeDescription": "Temporary"},
        {**person, "PatientGuid": guid(6), "DummyType": "TRUE"},
        {**person, "PatientGuid": guid(7), "Sex": "M", "DateofDeactivation": "2024-02-29"},
        {**person, "PatientGuid": guid(8), "Sex": "I", "DateOfBirth": "2011-11-11"},
    ])  # fmt: skip
    write("Admin_PatientHistory", ("PatientGuid", "OrganisationGuid", "HistoryDate"), [{"PatientGuid": guid(1)}])
    write("Admin_Organisation", ("OrganisationGuid", "CDB", "OrganisationName", "ODSCode", "ProcessingId"), [
        {"CDB": "99001", "OrganisationName": "The Made-up Surgery", "ODSCode": "y90001"},
    ])  # fmt: skip
    local = {code: made_up(i, "11") for i, code in enumerate((SYSTOLIC, DIASTOLIC, HBA1C, DIABETES), 501)}
    write("Coding_ClinicalCode", ("CodeId", "Term", "ReadTermId", "SnomedCTConceptId", "SnomedCTDescriptionId"), [
        {"CodeId": own, "Term": 'A term, with a comma and "quotes"', "SnomedCTConceptId": code}
        for code, own in local.items()
    ])  # fmt: skip
    write("Coding_DrugCode", ("CodeId", "Term", "DmdProductCodeId"), [
        {"CodeId": made_up(601, "11"), "Term": "Made-up 20mg tablets", "DmdProductCodeId": STATIN},
        {"CodeId": made_up(602, "11"), "Term": "A dressing"},
    ])  # fmt: skip
    seen = {"PatientGuid": guid(1), "EffectiveDate": "2026-05-01", "EffectiveDatePrecision": "YMD"}
    systolic, diastolic = ({**seen, "CodeId": local[code], "NumericUnit": "mmHg"} for code in (SYSTOLIC, DIASTOLIC))
    header, again = guid(1, 0x20), guid(2, 0x20)
    write("CareRecord_Observation", _OBSERVATION, [
        {**systolic, "ParentObservationGuid": header, "Value": "128.000"},
        {**diastolic, "ParentObservationGuid": header, "Value": "76"},
        {**systolic, "ParentObservationGuid": again, "Value": "131"},
        {**diastolic, "ParentObservationGuid": again, "Value": "70"},
        {**seen, "CodeId": local[DIABETES], "EffectiveDate": "1999-01-01", "EffectiveDatePrecision": "Y"},
        {**seen, "CodeId": local[DIABETES], "EffectiveDate": "2003-06-15", "EffectiveDatePrecision": "YM"},
        {**seen, "CodeId": local[HBA1C], "EffectiveDate": "", "EffectiveDatePrecision": "U", "Value": "48"},
        {**seen, "CodeId": made_up(599, "11"), "Value": "1"},
        {**systolic, "Value": "999", "Deleted": "true"},
        {**systolic, "Value": "999", "IsConfidential": "TRUE"},
    ])  # fmt: skip
    write("CareRecord_ObservationReferral", ("ObservationGuid", "PatientGuid"), [{"PatientGuid": guid(1)}])
    drug = {**seen, "CodeId": made_up(601, "11"), "Dosage": "ONE, AT NIGHT", "Quantity": "28"}
    if issues:
        write("Prescribing_IssueRecord", _ISSUE, [
            drug, {**drug, "EffectiveDate": "2026-06-01"}, {**drug, "CodeId": made_up(602, "11")},
            {**drug, "Deleted": "TRUE"},
        ])  # fmt: skip
    write("Prescribing_DrugRecord", _DRUG, [{**drug, "EffectiveDate": "2019-01-01"}])
    slot = {"PatientGuid": guid(1), "AppointmentDate": "2026-06-02", "DidNotAttend": "FALSE", "SlotStatus": "Left"}
    write("Appointment_Slot", _SLOT, [
        slot, {**slot, "PatientGuid": ""}, {**slot, "DidNotAttend": "TRUE"}, {**slot, "SlotStatus": "Cancelled"},
    ])  # fmt: skip
    return folder


# -- TPP ----------------------------------------------------------------------------------------------------------

_SR = ("RowIdentifier", "IDOrganisationVisibleTo", "DateEventRecorded", "DateEvent", "IDProfileEnteredBy", "IDDoneBy",
       "TextualEventDoneBy", "IDOrganisationDoneAt")  # fmt: skip
_SRCODE = (*_SR, "CTV3Code", "CTV3Text", "SNOMEDCode", "SNOMEDText", "NumericComparator", "IsNumeric", "NumericValue",
           "NumericUnit", "EpisodeType", "IDTemplate", "IDEvent", "IDPatient", "IDReferralIn", "IDAppointment",
           "IDVisit", "IDOrganisation", "IDOrganisationRegisteredAt", "RemovedData")  # fmt: skip
_SRPATIENT = ("RowIdentifier", "IDOrganisationVisibleTo", "DateEventRecorded", "IDProfileEnteredBy", "Title",
              "FirstName", "MiddleNames", "Surname", "NHSNumber", "DateBirth", "DateDeath", "BirthPlace", "Gender",
              "SpeaksEnglish", "TestPatient", "SSRef", "IDPatient", "IDOrganisation", "RemovedData")  # fmt: skip
_SRREGISTRATION = ("RowIdentifier", "IDOrganisationVisibleTo", "DateEventRecorded", "IDProfileEnteredBy",
                   "DateRegistration", "DateDeRegistration", "RegistrationStatus", "PreferredPharmacy", "IDPatient",
                   "IDOrganisation", "IDOrganisationRegisteredAt", "RemovedData")  # fmt: skip
_SRMEDICATION = (*_SR, "IDMultiLexProduct", "IDMultiLexPack", "IDMultiLexDMD", "NameOfMedication",
                 "DateMedicationStart", "DateMedicationEnd", "MedicationDosage", "MedicationQuantity",
                 "IsRepeatMedication", "IsOtherMedication", "IsDentalMedication", "IsHospitalMedication",
                 "IDRepeatTemplate", "IDReferralIn", "IDEvent", "IDPatient", "IDOrganisation",
                 "IDOrganisationRegisteredAt", "RemovedData")  # fmt: skip
_SRAPPOINTMENT = ("RowIdentifier", "IDOrganisationVisibleTo", "DateStart", "DateEnd", "AppointmentStatus",
                  "DateAppointmentBooked", "DatePatientArrival", "DatePatientSeen", "FollowUpAppointment",
                  "TelephoneAppointment", "RotaName", "IDPatient", "IDOrganisation", "RemovedData")  # fmt: skip


def tpp(folder: Path) -> Path:
    """A folder with the files of a TPP extract: Windows-1252, every field in quotes."""
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
        usual = {"IDOrganisation": "Y90002", "IDOrganisationVisibleTo": "Y90002", "RemovedData": "0"}
        whole = [{c: {"RowIdentifier": i, **usual, **row}.get(c, "") for c in columns} for i, row in enumerate(rows, 1)]
        write_csv(folder / f"{name}.csv", columns, whole, encoding="cp1252", quoted=True)

    person = {"FirstName": "Zoë", "Surname": 'Smith "Ada"', "NHSNumber": "9990000026", "DateBirth": "07 Mar 1950",
              "Gender": "F", "TestPatient": "FALSE"}  # fmt: skip
    write("SRPatient", _SRPATIENT, [
        {**person, "IDPatient": 11},
        {**person, "IDPatient": 12, "Gender": "M", "DateDeath": "02 Jan 2025 00:00:00"},
        {**person, "IDPatient": 13, "RemovedData": "1"},
        {**person, "IDPatient": 14, "TestPatient": "TRUE"},
        {**person, "IDPatient": 15, "Gender": "U", "DateBirth": "01 Jun 2015"},
    ])  # fmt: skip
    stay = {"DateRegistration": "01 May 2001 00:00:00", "RegistrationStatus": "GMS"}
    write("SRPatientRegistration", _SRREGISTRATION, [
        {**stay, "IDPatient": 11, "IDOrganisationRegisteredAt": "Y90003"},
        {**stay, "IDPatient": 12},
        {**stay, "IDPatient": 13},
        {**stay, "IDPatient": 15, "RegistrationStatus": "GMS,Contraception"},
        {**stay, "IDPatient": 15, "RegistrationStatus": "Applied", "DateRegistration": "01 May 2026 00:00:00"},
    ])  # fmt: skip
    seen = {"IDPatient": 11, "DateEvent": "01 May 2026 09:15:00", "IsNumeric": "TRUE", "CTV3Code": "XaMade"}
    write("SRCode", _SRCODE, [
        {**seen, "SNOMEDCode": SYSTOLIC, "NumericValue": "128", "NumericUnit": "mmHg", "IDEvent": 7},
        {**seen, "SNOMEDCode": DIASTOLIC, "NumericValue": "76", "NumericUnit": "mmHg", "IDEvent": 7},
        {**seen, "SNOMEDCode": EGFR, "NumericComparator": ">", "NumericValue": "90", "NumericUnit": "mL/min/1.73m²"},
        {**seen, "SNOMEDCode": "-1", "IsNumeric": "FALSE"},
        {**seen, "SNOMEDCode": DIABETES, "IsNumeric": "FALSE", "DateEvent": ""},
        {**seen, "SNOMEDCode": HBA1C, "NumericValue": "99", "RemovedData": "1"},
    ])  # fmt: skip
    drug = {"IDPatient": 11, "DateEvent": "01 May 2026 09:15:00", "IDMultiLexDMD": STATIN, "NameOfMedication": "Ü 20mg"}
    write("SRPrimaryCareMedication", _SRMEDICATION, [
        {**drug, "DateMedicationStart": "03 May 2026 00:00:00"}, drug, {**drug, "IDMultiLexDMD": "-1"},
    ])  # fmt: skip
    slot = {"IDPatient": 11, "DateStart": "02 Jun 2026 23:00:00", "AppointmentStatus": "Finished"}
    write("SRAppointment", _SRAPPOINTMENT, [
        slot, {**slot, "AppointmentStatus": "Did Not Attend"}, {**slot, "AppointmentStatus": "Cancelled by Patient"},
    ])  # fmt: skip
    return folder


# -- OMOP ---------------------------------------------------------------------------------------------------------

_PERSON = ("person_id", "gender_concept_id", "year_of_birth", "month_of_birth", "day_of_birth", "birth_datetime",
           "race_concept_id", "ethnicity_concept_id", "location_id", "provider_id", "care_site_id",
           "person_source_value", "gender_source_value")  # fmt: skip
_CONCEPT = ("concept_id", "concept_name", "domain_id", "vocabulary_id", "concept_class_id", "standard_concept",
            "concept_code", "valid_start_date", "valid_end_date", "invalid_reason")  # fmt: skip
_MEASUREMENT = ("measurement_id", "person_id", "measurement_concept_id", "measurement_date", "measurement_datetime",
                "measurement_type_concept_id", "operator_concept_id", "value_as_number", "value_as_concept_id",
                "unit_concept_id", "range_low", "range_high", "measurement_source_value",
                "measurement_source_concept_id", "unit_source_value")  # fmt: skip
_CONDITION = ("condition_occurrence_id", "person_id", "condition_concept_id", "condition_start_date",
              "condition_end_date", "condition_type_concept_id", "condition_source_value",
              "condition_source_concept_id")  # fmt: skip
_EXPOSURE = ("drug_exposure_id", "person_id", "drug_concept_id", "drug_exposure_start_date", "drug_exposure_end_date",
             "drug_type_concept_id", "quantity", "drug_source_value", "drug_source_concept_id")  # fmt: skip


def omop(folder: Path) -> Path:
    """A folder with tables of the OMOP model: CSV, the vocabulary separated by tabs and without quotes, as it is
    handed out."""
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
        write_csv(folder / f"{name}.csv", columns, rows, end="\n")

    lines = ["\t".join(_CONCEPT)]
    for concept, name, vocabulary, code in (
        (4001, 'Systolic, in the "usual" way', "SNOMED", SYSTOLIC), (4002, "Diabetes", "SNOMED", DIABETES),
        (4003, "A tablet", "dm+d", STATIN), (4004, "Kidneys", "SNOMED", EGFR), (8554, "percent", "UCUM", "%"),
        (3001, "Systolic by another name", "LOINC", "8480-6"),
    ):  # fmt: skip
        lines.append(f"{concept}\t{name}\tDomain\t{vocabulary}\tClass\tS\t{code}\t19700101\t20991231\t")
    (folder / "CONCEPT.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write("person", _PERSON, [
        {"person_id": 21, "gender_concept_id": 8532, "year_of_birth": 1950, "month_of_birth": 3, "day_of_birth": 7,
         "care_site_id": 5},
        {"person_id": 22, "gender_concept_id": 8507, "year_of_birth": 1944, "birth_datetime": "1944-12-31 00:00:00",
         "care_site_id": 5},
        {"person_id": 23, "gender_concept_id": 8507, "year_of_birth": 2015, "care_site_id": 5},
        {"person_id": 24, "gender_concept_id": 0, "year_of_birth": 2015},
    ])  # fmt: skip
    write("death", ("person_id", "death_date", "death_datetime"), [{"person_id": 22, "death_date": "2025-01-02"}])
    write("care_site", ("care_site_id", "care_site_name", "care_site_source_value"), [
        {"care_site_id": 5, "care_site_name": "The Made-up Surgery", "care_site_source_value": "Y90004"},
    ])  # fmt: skip
    write("observation_period", ("observation_period_id", "person_id", "observation_period_start_date",
                                 "observation_period_end_date", "period_type_concept_id"), [
        {"person_id": who, "observation_period_start_date": "2001-05-01", "observation_period_end_date": "2026-12-31"}
        for who in (21, 22, 23, 24)
    ])  # fmt: skip
    write("condition_occurrence", _CONDITION, [
        {"person_id": 21, "condition_concept_id": 4002, "condition_start_date": "1999-01-01",
         "condition_source_concept_id": 0},
        {"person_id": 21, "condition_concept_id": 0, "condition_start_date": "2001-01-01"},
    ])  # fmt: skip
    read = {"person_id": 21, "measurement_date": "2026-05-01"}
    write("measurement", _MEASUREMENT, [
        {**read, "measurement_concept_id": 3001, "measurement_source_concept_id": 4001, "value_as_number": "128.0",
         "unit_source_value": "mmHg"},
        {**read, "measurement_concept_id": 4004, "operator_concept_id": 4172704, "value_as_number": 90,
         "unit_concept_id": 8554},
    ])  # fmt: skip
    write("drug_exposure", _EXPOSURE, [
        {"person_id": 21, "drug_concept_id": 0, "drug_exposure_start_date": "2026-06-01",
         "drug_source_concept_id": 4003},
    ])  # fmt: skip
    write("visit_occurrence", ("visit_occurrence_id", "person_id", "visit_concept_id", "visit_start_date"), [
        {"person_id": 21, "visit_concept_id": kind, "visit_start_date": "2026-02-03"}
        for kind in (262, 9203, 9202, 581477, 9201)
    ])  # fmt: skip
    return folder
