"""Words for people: what they may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from popstrat.errors import looks_like_number

_SAME = 0.9
_ALIKE = 0.8
_CLOSE = 0.65  # of a name of three letters one may be wrong, of one of two none


def suggest(word: str, known: Iterable[str]) -> str:
    """`" (did you mean 'x'?)"` if something known is close to `word`, else nothing. Capitals, and spaces and hyphens in
    the place of underscores, make no difference; what looks like a number is never suggested."""
    spellings: dict[str, str] = {}
    for name in (n for n in known if not looks_like_number(n)):
        spellings.setdefault(_folded(name), name)
    near = difflib.get_close_matches(_folded(word), spellings, n=1, cutoff=_CLOSE)
    return f" (did you mean {spellings[near[0]]!r}?)" if near else ""


def closest(word: str, known: Iterable[str], few: bool = False) -> str:
    """The known name that is the same but for capitals, blanks and signs between words, or but for a slip of a letter
    in a long one; nothing if there is none. Of ``few`` words a unit more, or less, is near enough."""
    names: dict[str, str] = {}
    for name in (n for n in known if not looks_like_number(n)):
        names.setdefault(squeezed(name), name)
    near = difflib.get_close_matches(squeezed(word), names, n=1, cutoff=_ALIKE if few else _SAME)
    return names[near[0]] if near else ""


def squeezed(text: str) -> str:
    """A name without capitals, blanks and signs."""
    return "".join(c for c in text.casefold() if c.isalnum())


def _folded(text: str) -> str:
    return text.casefold().replace(" ", "_").replace("-", "_")
