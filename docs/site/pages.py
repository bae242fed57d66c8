"""Pages of the site that are no file of docs/: those of the top folder, and those made of the code.

MkDocs calls the functions whose names begin with ``on_``. What a page links to outside docs/ and has no page is named
and not linked.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))
import columns  # noqa: E402 (beside this file)
import commands  # noqa: E402
import library  # noqa: E402

TOP = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "RELEASING.md": "releasing.md",
       "SAFETY.md": "safety.md", "SECURITY.md": "security.md"}  # fmt: skip
"""Files of the top folder, and the pages that they are."""
_FENCE = re.compile(r"^([ ]*```[a-z]+) ([^\s={]+)$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]*)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    made = {page: (ROOT / file).read_text(encoding="utf-8") for file, page in TOP.items()}
    made["reference/commands.md"] = commands.page()
    made["reference/library.md"] = library.page()
    made["reference/spec-tables.md"] = spec_tables()
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """The text with its links as the site has them."""
    here = Path(page.file.src_uri).parent
    source = ROOT / next((f for f, name in TOP.items() if name == page.file.src_uri), f"docs/{page.file.src_uri}")
    pages = {file.src_uri for file in files}

    def linked(found: re.Match[str]) -> str:
        said, to, anchor = found[1], found[2], found[3] or ""
        if not to or ":" in to:
            return found[0]
        target = (source.parent / to).resolve()
        if not target.is_relative_to(ROOT) or not target.exists():
            return found[0]  # MkDocs says that it is broken
        name = str(target.relative_to(ROOT))
        if name == "README.md":
            name, anchor = "docs/index.md", ""
        uri = TOP.get(name, name.removeprefix("docs/"))
        if uri not in pages:
            return f"{said} (`{name}`)" if said.strip("`") != name else f"`{name}`"
        up = "../" * len(here.parts)
        return f"[{said}]({up}{uri}{anchor})"

    return fences(_LINK.sub(linked, markdown))


def on_page_content(html: str, **_: Any) -> str:
    """The page with the columns of its tables as wide as they need."""
    return _TABLE.sub(lambda found: columns.widths(found[0]), html)


_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)


def fences(markdown: str) -> str:
    """The text with the words behind a block's language, which the tests read, as MkDocs takes them: a file's name is
    the title of its block, any other word is left out."""
    return _FENCE.sub(lambda found: f'{found[1]} title="{found[2]}"' if "." in found[2] else found[1], markdown)


_SPEC = """# Spec tables

Each definition of the built-in packs is proved by tables that a clinician can check: patients on the left of the double
line, what popstrat must say of them on the right. The tests run every row through the engine and through the plain
reference evaluator. `-` means that nothing is recorded; `as_of` is the as-of date.
"""


# -- the tables of tests/spec ------------------------------------------------------------------------------------------


def spec_tables() -> str:
    """Every table of `tests/spec`, with what its test says of it."""
    parts = [_SPEC]
    for file in sorted((ROOT / "tests" / "spec").glob("test_*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        tables = list(_tables(tree))
        if tables:
            title = _title(file.stem)
            parts.append(f"## {title}\n\n{(ast.get_docstring(tree) or '').strip()}\n")
            parts += [f"### {said}\n\n{text}\n" for said, text in tables]
    return "\n".join(parts)


_CAPITALS = re.compile(r"\b(ckd|cvrm|nwl|swl|ltc|af|bp|egfr|acr|ras|imd|efi|qof|bmi)\b", re.IGNORECASE)


def _title(name: str) -> str:
    """The name of a test in words."""
    words = name.removeprefix("test_").replace("_", " ").capitalize()
    return _CAPITALS.sub(lambda found: "eGFR" if found[0].lower() == "egfr" else found[0].upper(), words)


def _tables(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for test in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        texts = [
            call.args[0].value
            for call in ast.walk(test)
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "check"
            and call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
        ]  # fmt: skip
        if texts:
            said = (ast.get_docstring(test) or test.name.removeprefix("test_").replace("_", " ")).strip()
            yield (
                test.name.removeprefix("test_").replace("_", " ").capitalize(),
                f"{said}\n\n" + "\n\n".join(_as_table(text) for text in texts),
            )


def _as_table(text: str) -> str:
    """A table of the tests as one of Markdown; inputs and outputs apart by an empty column."""
    rows = [
        [cell.strip() or "-" for side in line.split("||") for cell in (*side.split("|"), "‖")][:-1]
        for line in dedent(text).strip().splitlines()
        if line.strip()
    ]
    width = max(map(len, rows))
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * width, *lines[1:]])
