"""Runs the commands of a page and writes what they print beneath them.

    python docs/how-to/transcript.py docs/how-to/extract.md            # says whether the page is true
    python docs/how-to/transcript.py docs/how-to/extract.md --write    # makes it so

A block ```console holds commands after ``$`` and their output. A block ```toml FILE is what a reader writes into it:
each line takes the place of the one that asks for it (``# key = …``). All runs in a folder of its own that holds the
page's data files. Times, which differ each time, are shown as ``…``.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_BLOCK = re.compile(r"^```(console|toml [^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TIMES = re.compile(r"^[0-9.,]+ s · .*$", re.MULTILINE)
DATA = (".csv", ".toml", ".txt")


def run(page: str, data: Path) -> str:
    """The page with the output of its commands as it is today; ``data`` is the folder of its files. Raises
    ``CalledProcessError`` if a command does not do what the page says it does: end well, or after ``!`` badly."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in data.iterdir():
            if file.suffix in DATA:
                shutil.copy(file, folder / file.name)

        def block(found: re.Match[str]) -> str:
            kind, text = found.groups()
            if kind == "console":
                commands = [line for line in text.splitlines() if line.startswith("$ ")]
                text = "".join(f"{command}\n{_output(command[2:], folder)}" for command in commands)
            else:
                _edit(folder / kind.removeprefix("toml "), text)
            return f"```{kind}\n{text}```"

        return _BLOCK.sub(block, page)


def _output(command: str, folder: Path) -> str:
    words = shlex.split(command, comments=True)
    fails = words[0] == "!"
    words = words[fails:]
    if words[0] == "cat":
        return (folder / words[1]).read_text(encoding="utf-8")
    if words[0] == "head":
        with (folder / words[2]).open(encoding="utf-8", newline="") as file:
            return "".join(line.rstrip("\r\n") + "\n" for line in [next(file) for _ in range(int(words[1][1:]))])
    assert words[0] == "popstrat", command
    given = None
    if "<" in words:  # standard input from a file
        given = (folder / words[-1]).read_text(encoding="utf-8")
        words = words[: words.index("<")]
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, input=given, capture_output=True, text=True, check=False
    )
    if (done.returncode != 0) != fails:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return _TIMES.sub("…", done.stdout + done.stderr)


def _edit(file: Path, text: str) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    for line in text.splitlines():
        key = line.partition(" = ")[0]
        (place,) = (i for i, old in enumerate(lines) if old.startswith(f"# {key} = "))
        lines[place] = line
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    page = Path(arguments[0])
    before = page.read_text(encoding="utf-8")
    after = run(before, page.parent)
    if arguments[1:] == ["--write"]:
        page.write_text(after, encoding="utf-8")
        return 0
    if before != after:
        print(f"{page} is not what its commands print today: python {sys.argv[0]} {page} --write", file=sys.stderr)
    return int(before != after)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
