"""Where the values of a file's column come from: names that a template may give after ``from``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NHS_NUMBER, BIRTH = "lookup.nhs_number", "lookup.date_of_birth"
CHANGE, PREVIOUS = "movers.change", "movers.previous"
CHANGES = ("new", "up", "down", "unchanged")
"""What `CHANGE` can say of a patient; everywhere a change is a number, it is the index of one of these."""

FLAG_LABELS = ("false", "true")
"""What a flag can say, as if it were a group; where a flag is a group, it is the index of one of these."""

Role = Literal["key", "practice", "label", "flag", "number", "text", "other"]


@dataclass(frozen=True)
class ScoredColumn:
    """A column of a scored table: what it holds, and for labels and flags which, in the order of the pack."""

    name: str
    role: Role
    labels: tuple[str, ...] = ()

    @property
    def groups(self) -> bool:
        """Whether it puts people into groups: its values are indices of its labels."""
        return self.role in ("label", "flag")
