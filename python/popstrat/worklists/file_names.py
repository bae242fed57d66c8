"""The names of a run's files: one area's are told from another's, whatever it is called."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from popstrat.errors import InputError
from popstrat.packs.patient_table import PRACTICE

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_OTHER = re.compile(r"[^A-Za-z0-9]+")
_LONGEST = 48


def stems(areas: Sequence[str], level: str, as_of: dt.date, file: str) -> Mapping[str, str]:
    """For each area the beginning of its files' names. Codes of practices stand as they are; of other names, letters
    and digits, and where that is nothing or two are alike, a hash that tells them apart.

    Raises `InputError` for a practice code that cannot be part of a file name, and for two that differ in capitals
    only.
    """
    if level == "practice":
        _check_codes(areas, file)
        return {code: f"{code}_{as_of.isoformat()}" for code in areas}
    plain = {area: _OTHER.sub("-", area).strip("-")[:_LONGEST] for area in areas}
    alike = Counter(name.casefold() for name in plain.values())
    found = {}
    for area, name in plain.items():
        if not name or alike[name.casefold()] > 1:
            name = f"{name or 'area'}-{hashlib.sha256(area.encode()).hexdigest()[:8]}"
        found[area] = f"{name}_{as_of.isoformat()}"
    return found


def _check_codes(codes: Sequence[str], file: str) -> None:
    seen: dict[str, str] = {}
    for code in codes:
        if not _CODE.fullmatch(code):
            raise InputError(
                f"{code[:40]!r} cannot be part of a file name: letters, digits, _ and - can", column=PRACTICE, file=file
            )
        other = seen.setdefault(code.casefold(), code)
        if other != code:
            raise InputError(f"{other!r} and {code!r} differ in capitals only", column=PRACTICE, file=file)
