"""Sections as a Markdown file."""

from __future__ import annotations

from collections.abc import Iterable

from popstrat.core.blocks import Outline, Section, Table


def written(sections: Iterable[Section], note: str = "") -> str:
    """The text of the file; `note` stands below the first heading."""
    lines: list[str] = []
    for section in sections:
        if section.anchor:
            lines += [f'<a id="{section.anchor}"></a>', ""]
        lines += [f"{'#' * section.level} {section.title}", ""]
        if note:
            lines += [note, ""]
            note = ""
        for block in section.blocks:
            match block:
                case Table():
                    lines += _table(block)
                case Outline():
                    lines += [f"{'  ' * depth}- {text}" for depth, text in block.lines]
                case _ if not block:
                    continue
                case _:
                    lines.append(block)
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _table(block: Table) -> list[str]:
    def row(cells: Iterable[str]) -> str:
        return f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |"

    rule = "|".join(" ---: " if i in block.numbers else " --- " for i in range(len(block.headings)))
    return [row(block.headings), f"|{rule}|", *(row(r) for r in block.rows)]
