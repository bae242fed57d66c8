"""What looks like a patient's identifier: names of fields and columns, and NHS numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

LOOKED_AT = 1000
"""How many rows of a column tell whether it holds NHS numbers."""

_TELLING = 5
_IDENTIFYING = re.compile(
    r"(nhs|chi|hospital|patient|mrn|person|unique_patient)_?(no|num|number|numbers|id|ids|guid|key|keys)"
    r"|nhs|mrn|upn|patient|patient_name|(full|first|last|middle|given|family)_?names?|fore_?names?|sur_?names?"
    r"|dob|date_?of_?birth|birth_?date|birthday|post_?codes?|addresse?s?|address_line_?\d|uprn|tele?phone|phone|mobile"
    r"|e_?mail|pseudonym"
)


def is_identifying(name: str) -> bool:
    """Whether a field or a column of this name would identify a patient."""
    return _IDENTIFYING.fullmatch(name.strip().casefold().replace("-", "_").replace(" ", "_")) is not None


def looks_like_nhs_numbers(values: pa.Array | pa.ChunkedArray) -> bool:
    """Whether all of the first values (at least five different ones) are NHS numbers, stand-ins for them not counted.

    By chance one ten-digit number in eleven has the right check digit: five in a row, 6 in a million.
    """
    from popstrat.core.arrow import plain  # here, because names are looked at where nobody waits for Arrow
    from popstrat.privacy.nhs_numbers import is_stand_in, passes  # needs the engine, which names of fields do not

    first = values.slice(0, LOOKED_AT)
    if hasattr(first, "chunks"):
        first = first.combine_chunks()
    found = {str(v).replace(" ", "").replace("-", "") for v in plain(first).to_pylist() if v is not None}
    found = {v for v in found if not is_stand_in(v)}
    return len(found) >= _TELLING and all(passes(v) for v in found)
