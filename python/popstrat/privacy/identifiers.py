"""What looks like a patient's identifier: names of fields and columns, and NHS numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

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
    """Whether a whole column holds NHS numbers, in whatever form; as `popstrat.privacy.number_columns` judges it."""
    from popstrat.privacy.number_columns import TenDigits  # needs the engine, which names of fields do not

    found = TenDigits()
    for chunk in values.chunks if hasattr(values, "chunks") else [values]:
        found.look(chunk)
    return found.are_nhs_numbers
