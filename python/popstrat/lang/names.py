"""What may be the name of something that rules speak of."""

from __future__ import annotations

import keyword
import unicodedata

RESERVED = frozenset({*keyword.kwlist, "true", "false", "null", "as_of"})
"""Words of the rule language (and of Python's grammar, which reads it)."""


def normal(text: str) -> str:
    """Names in the one form in which rules are read, Unicode's NFKC: U+00B5 and U+03BC are the same µ in it."""
    return unicodedata.normalize("NFKC", text)


def name_fault(name: object) -> str:
    """Why this cannot be a name, to follow what it is the name of; nothing if it can."""
    if not isinstance(name, str) or not name.isidentifier():
        return "is not one word of letters, digits and underscores"
    if name in RESERVED:
        return "is a word of the rule language: choose another"
    if normal(name) != name:
        odd = next(letter for letter in name if normal(letter) != letter or unicodedata.combining(letter))
        return f"has the character U+{ord(odd):04X}, which rules read otherwise: write {normal(name)!r}"
    return ""
