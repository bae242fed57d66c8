"""Made-up codes and miniature code lists of them.

They have the form of SNOMED CT identifiers, with a right check digit, in the namespace 9999999, which SNOMED
International has issued to nobody: no code here means anything anywhere else.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from popstrat.packs.snomed import verhoeff

NAMESPACE = "9999999"
_PARTITION = "10"  # a concept, in the long form that names its namespace
_PER_LIST = 100
_UNLISTED = 50_000  # items from here on are in no list
_RELEASE = "made up"


def made_up(item: int) -> int:
    """The made-up code with this number."""
    stem = f"{item}{NAMESPACE}{_PARTITION}"
    return next(int(f"{stem}{digit}") for digit in range(10) if not verhoeff(f"{stem}{digit}"))


@cache
def unlisted(count: int) -> NDArray[np.int64]:
    """Codes that are in no list."""
    return np.array([made_up(_UNLISTED + i) for i in range(count)], np.int64)


class Lists:
    """The code lists of these names, ``size`` codes each; ``inside`` lists are parts of another, and hold codes of it.

    Numbers follow the order of the names, so that they do not depend on which columns use them.
    """

    def __init__(self, names: Iterable[str], inside: Mapping[str, str] = {}, size: int = 3) -> None:
        self.codes: dict[str, NDArray[np.int64]] = {}
        ordered = sorted(set(names) | set(inside) | set(inside.values()))
        for place, name in enumerate(ordered):
            first = 1_000 + place * _PER_LIST
            self.codes[name] = np.array([made_up(first + i) for i in range(size)], np.int64)
        for part, whole in inside.items():
            self.codes[whole] = np.concatenate([self.codes[whole], self.codes[part]])
        self._inside = dict(inside)

    def own(self, name: str) -> NDArray[np.int64]:
        """The codes of a list that are in no part of it."""
        parts = [self.codes[part] for part, whole in self._inside.items() if whole == name]
        codes = self.codes[name]
        return codes if not parts else codes[~np.isin(codes, np.concatenate(parts))]

    def files(self, medicines: Sequence[str]) -> dict[str, str]:
        """What stands in each file: the lists of ``medicines`` as CSV of code and term, a file each, as OpenCodelists
        gives them out; all others as one text of six columns, as Primary Care Domain reference sets are published."""
        columns = ("Cluster_ID", "Cluster_Description", "SNOMED_code", "SNOMED_code_description", "PCD_Refset_ID",
                   "Service_and_Ruleset")  # fmt: skip
        lines = ["\t".join(columns)]
        found: dict[str, str] = {}
        for place, (name, codes) in enumerate(self.codes.items()):
            terms = [f"Made-up code {i + 1} of {name}" for i in range(len(codes))]
            if name in medicines:
                text = io.StringIO()
                writer = csv.writer(text, lineterminator="\r\n")
                writer.writerow(("code", "term"))
                writer.writerows(zip(codes.tolist(), terms, strict=True))
                found[f"{name}.csv"] = text.getvalue()
                continue
            refset = made_up(90_000 + place)
            for code, term in zip(codes.tolist(), terms, strict=True):
                lines.append("\t".join((name, f"Made-up codes for {name}", str(code), term, str(refset), _RELEASE)))
        return {"clusters.txt": "\r\n".join(lines) + "\r\n", **found}
