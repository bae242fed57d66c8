"""A pack or a feature specification as one HTML file: the sections of its page, on the design of all pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup, escape

from popstrat.core.blocks import Block, Section
from popstrat.core.files import Outputs, writing
from popstrat.pages.design.parts import Shell
from popstrat.pages.design.render import render as render_page

_TEMPLATE = "pages/catalogue.html.j2"
_ANCHOR = re.compile(r"&lt;a id=&#34;([\w-]*)&#34;&gt;&lt;/a&gt;")
_LINK = re.compile(r"\[([^\]]*)\]\(#([\w-]*)\)")
_CODE = re.compile(r"`([^`]*)`")
_BOLD = re.compile(r"\*\*([^*]*)\*\*")


@dataclass
class Part:
    """A section with those below it."""

    title: Markup
    anchor: str
    blocks: Sequence[Block]
    parts: list[Part] = field(default_factory=list)


def render(sections: Sequence[Section], provenance: Sequence[str] = ()) -> str:
    """The page as text; the first section is its head."""
    head, parts = sections[0], _nested(sections[1:])
    under = [block for block in head.blocks if isinstance(block, str) and block]
    shell = Shell(head.title, [inline(text) for text in under], provenance=provenance, tab=head.title)
    return render_page(_TEMPLATE, shell, parts=parts, inline=inline, plain=_plain)


def write(sections: Sequence[Section], path: Path, provenance: Sequence[str] = ()) -> None:
    """Write the page, whole or not at all. Raises ``OSError`` if it cannot be written."""
    page = render(sections, provenance)
    with writing(path), Outputs() as outputs:
        outputs.add(path).write_text(page, encoding="utf-8")
        outputs.commit()


def inline(text: str) -> Markup:
    """Inline Markdown of our own pages as HTML: code, bold text, links to anchors, and anchors."""
    found = str(escape(text))
    found = _ANCHOR.sub(r'<span id="\1"></span>', found)
    found = _LINK.sub(r'<a href="#\2">\1</a>', found)
    return Markup(_BOLD.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", found)))  # escaped above


def _plain(text: str) -> str:
    """Inline Markdown as the text of a label."""
    return _LINK.sub(r"\1", text).replace("`", "").replace("**", "")


def _nested(sections: Sequence[Section]) -> list[Part]:
    """Sections of the third level in those of the second."""
    found: list[Part] = []
    for number, section in enumerate(sections, 1):
        part = Part(inline(section.title), section.anchor or f"part-{number}", section.blocks)
        if section.level > 2 and found:
            found[-1].parts.append(part)
        else:
            found.append(part)
    return found
