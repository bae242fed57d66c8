"""The pictures of the README and the site, made by running what they show.

    python docs/pictures/make.py            # docs/pictures/*.svg and, with Chromium, report.png

A list of nobody is made, the same one each time. A picture of a terminal is text in an SVG, so that it is sharp
everywhere and can be read aloud; it names no font that would have to be fetched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
AS_OF = "2026-06-30"
WIDTH = 100
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def run(folder: Path, *command: str, given: str = "") -> str:
    """What a popstrat command prints on a terminal, colours and all."""
    has = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    has.pop("NO_COLOR", None)
    done = subprocess.run(
        [sys.executable, "-m", "popstrat", *command], cwd=folder, env=has, input=given, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: status {done.returncode}\n{done.stderr}")
    return done.stdout + done.stderr


def terminal(name: str, said: str, printed: str, lines: int) -> None:
    """A picture of a terminal: the command as typed, and the first lines of what it printed."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(Text(f"$ {said}", style="bold"))
        shown = printed.rstrip().split("\n")
        console.print(Text.from_ansi("\n".join(shown[:lines])))
        if len(shown) > lines:
            console.print(Text("…", style="dim"))
        svg = console.export_svg(title="popstrat", unique_id=name)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code", "Consolas, Menlo")
    (HERE / f"{name}.svg").write_text(svg.rstrip() + "\n", encoding="utf-8")


def page(file: Path, name: str, width: int = 1280, height: int = 900) -> bool:
    """A picture of a page, if there is a browser."""
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if browser is None:
        return False
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={profile}", f"--window-size={width},{height}",
             f"--screenshot={HERE / f'{name}.png'}", file.as_uri()],
            capture_output=True, check=True, timeout=120,
        )  # fmt: skip
    return True


def main(arguments: Sequence[str]) -> int:
    """Make all pictures."""
    with tempfile.TemporaryDirectory(prefix="popstrat-pictures-") as name:
        work = Path(name)
        run(work, "synth", "--patients", "100000", "--as-of", AS_OF, "--seed", "1", "-o", "list.parquet")
        said = ["score", "list.parquet", "--as-of", AS_OF, "-o", "scored.parquet"]
        terminal("score", f"popstrat {' '.join(said)}", run(work, *said), 23)
        picked = subprocess.run(
            [sys.executable, str(HERE.parents[1] / "benchmarks" / "pick_patient.py"), "scored.parquet"], cwd=work,
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        said = ["explain", "list.parquet", "--as-of", AS_OF, "--patient", "-", "--short"]
        terminal("explain", f"popstrat {' '.join(said)}", run(work, *said, given=picked), 30)
        run(work, "metrics", "list.parquet", "--as-of", AS_OF, "-o", "june.parquet")
        run(work, "report", "june.parquet", "-o", "report")
        if not page(work / "report" / "index.html", "report"):
            print("no Chromium: report.png stays as it is")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
