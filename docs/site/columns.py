"""How wide the columns of the site's tables are."""

from __future__ import annotations

import re
from html import unescape

_CELL = re.compile(r"<t[hd]((?: [^>]*)?)>(.*?)</t[hd]>", re.DOTALL)
_WIDEST, _PADDING = 18, 5
"""Characters: of the narrowest column of long texts, and of what stands around a text."""


def widths(table: str) -> str:
    """A table whose columns are at least as wide as their longest text, up to a limit. A browser would press sentences
    together beside long names of code. On a phone, no column takes more than a third of the screen."""
    longest: dict[int, int] = {}
    for row in table.split("</tr>"):
        for column, (_, cell) in enumerate(_CELL.findall(row)):
            text = unescape(re.sub(r"<[^>]+>", "", cell)).strip()
            longest[column] = max(longest.get(column, 0), len(text))
    columns = iter(range(len(longest)))

    def wide(found: re.Match[str]) -> str:
        least = min(longest[next(columns)], _WIDEST) + _PADDING
        aligned = "".join(re.findall(r'style="([^"]*?);?"', found[1]))
        return f'<th style="{aligned + "; " if aligned else ""}min-width: min({least}ch, 34vw)">{found[2]}</th>'

    head, body = table.split("</thead>", 1)
    return f"{_CELL.sub(wide, head)}</thead>{body}"
