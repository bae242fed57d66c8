"""Commands as the README and the documents write them: each is one that there is, with options that it has."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = {
    name: {option for p in command.params for option in (*p.opts, *p.secondary_opts)} | {"--help"}
    for name, command in runpy.run_path(str(ROOT / "docs" / "site" / "commands.py"))["commands"]()
}
GROUPS = {name.rpartition(" ")[0] for name in COMMANDS}
_FENCED = re.compile(r"^[ ]*```[^\n]*\n(.*?)^[ ]*```", re.DOTALL | re.MULTILINE)
_TYPED = re.compile(r"`(popstrat [^`\n]+)`")


def written(text: str) -> Iterator[str]:
    """Every command of a page: lines of its blocks, and what stands in backquotes."""
    for block in _FENCED.findall(text):
        joined = re.sub(r"[ ]*\\\n\s*", " ", block)
        for line in joined.split("\n"):
            found = re.match(r"^(?:\$ )?(?:\.venv/bin/)?(popstrat .+)$", line.strip())
            if found:
                yield found[1]
    yield from _TYPED.findall(_FENCED.sub("", text))


def faults(command: str) -> Iterator[str]:
    """What is wrong with a command as written."""
    command = re.split(r"\s#|\s\|\s|\s>\s|;|&&", command)[0]
    try:
        words = shlex.split(command.replace("…", "x"))
    except ValueError:
        return  # a sentence that begins with the program's name
    name, rest = "popstrat", words[1:]
    while name in GROUPS and rest and not rest[0].startswith("-"):
        if f"{name} {rest[0]}" not in COMMANDS:
            if re.fullmatch(r"[a-z][a-z-]*", rest[0]):
                yield f"there is no {name} {rest[0]}"
            return
        name, rest = f"{name} {rest[0]}", rest[1:]
    for word in rest:
        option = word.partition("=")[0]
        if re.fullmatch(r"--?[a-z][a-z0-9-]*", option) and option not in COMMANDS[name]:
            yield f"{name} has no {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_written_are_there(page: Path) -> None:
    assert [f"{command}: {fault}" for command in written(page.read_text()) for fault in faults(command)] == []


def test_every_command_that_writes_a_page_is_named() -> None:
    told = (ROOT / "docs" / "reference" / "command-line.md").read_text()
    writing = [name for name, options in COMMANDS.items() if "--html" in options]
    assert len(writing) >= 3
    for name in writing:
        assert re.search(rf"`{name} [^`]*--html FILE`", told), name


def test_a_command_that_is_not_there_is_found() -> None:
    page = "```sh\n$ popstrat scoer a\npopstrat score a \\\n   --as-off 1\n```\nUse `popstrat packs shw x`.\n"
    assert [fault for command in written(page) for fault in faults(command)] == [
        "there is no popstrat scoer", "popstrat score has no --as-off", "there is no popstrat packs shw",
    ]  # fmt: skip
    assert sum(1 for page in PAGES for _ in written(page.read_text())) > 150
