"""Seals: a hash of a pack's text, in the text, so that an edit by hand shows."""

from __future__ import annotations

import hashlib
import re

_HEAD = re.compile(r"^\[pack\][^\n]*\n(?:(?!\[)[^\n]*(?:\n|$))*", re.M)
_PROVENANCE = re.compile(r"^\[definition\.\w+\.provenance\]", re.M)
_SEAL = re.compile(r"""^[ \t]*seal[ \t]*=[ \t]*["'][^"'\n]*["'][ \t]*(?:\n|$)""", re.M)


def seal_of(text: str) -> str:
    """The seal of a pack's text: a hash over all of it but the line of its ``[pack]`` table that holds the seal."""
    return f"sha256:{hashlib.sha256(_unsealed(text).encode()).hexdigest()}"


def sealed(text: str) -> str:
    """The text of a pack with its seal put in, right below ``[pack]``; an earlier one is replaced."""
    bare = _unsealed(text)
    head, found, rest = bare.partition("[pack]\n")
    if not found:
        raise ValueError("the text has no [pack] table")
    return f'{head}{found}seal = "{seal_of(bare)}"\n{rest}'


def seal_is_gone(text: str) -> bool:
    """Whether a pack says how it was fitted, which popstrat writes with a seal, and has none."""
    return _PROVENANCE.search(text) is not None and _SEAL.search(text) is None


def _unsealed(text: str) -> str:
    return _HEAD.sub(lambda head: _SEAL.sub("", head.group(), count=1), text, count=1)
