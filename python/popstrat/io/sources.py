"""Did you mean: what is known and close to a word."""

from __future__ import annotations

from collections.abc import Collection


def near_miss(word: str, known: Collection[str]) -> str:
    """ "; did you mean 'x'?" if something known is close to ``word``, else nothing."""
    import difflib

    def plain(text: str) -> str:
        return text.casefold().replace(" ", "_").replace("-", "_")

    spellings = {plain(k): k for k in known}
    close = difflib.get_close_matches(plain(word), spellings, 1, 0.7)
    return f"; did you mean {spellings[close[0]]!r}?" if close else ""
