"""The names of an upload's files: one practice's are told from another's, also where capitals do not count."""

from __future__ import annotations

import re

from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.packs.patient_table import PRACTICE
from popstrat.upload.left_out import exceptions_name, read_me_name
from popstrat.upload.manifest import MANIFEST
from popstrat.upload.plan import Plan
from popstrat.upload.read import ScoredRows

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


def check_codes(plan: Plan, scored: ScoredRows) -> None:
    """Practice codes go into file names, and must stay apart where small letters and capitals do not differ."""
    seen: dict[str, str] = {}
    file, codes = plan.table.name, scored.practices.codes
    for code in codes:
        if not _CODE.fullmatch(code):
            raise InputError(
                f"{code[:40]!r} cannot be part of a file name: letters, digits, _ and - can", column=PRACTICE, file=file
            )
        other = seen.setdefault(code.casefold(), code)
        if other != code:
            raise InputError(f"{other!r} and {code!r} differ in capitals only", column=PRACTICE, file=file)
    unknown = [code for code in plan.asked or () if code not in codes]
    if unknown:
        near = suggest(unknown[0], codes)
        raise InputError(f"--practices: nobody is registered with {unknown[0]!r}{near}", file=file)


def check_names(plan: Plan, scored: ScoredRows) -> None:
    """No two files may have a name that is the same but for capitals, however many parts a practice has."""
    layout = plan.layout
    seen: dict[str, str] = {MANIFEST: "the manifest"}
    limit = layout.max_rows
    for code, people, outside in zip(scored.practices.codes, scored.people.tolist(), scored.outside, strict=True):
        if outside:
            continue
        parts = range(1, max(1, -(-people // limit) if limit else 1) + 1)
        ours: set[str] = set()
        names = [layout.file_name(code, part) for part in parts]
        if layout.ended:
            names += [layout.file_name(code, part, ended=True) for part in parts]
        if plan.lookup is not None:
            names += [exceptions_name(layout, code), read_me_name(layout, code)]
        for name in names:
            other = seen.setdefault(name.casefold(), code)
            if other != code or name.casefold() in ours:
                whose = f"{code} and {other}" if other != code else code
                raise InputError(f"[file] name: two files ({whose}) would be named {name}", file=layout.template.name)
            ours.add(name.casefold())
