"""``popstrat map``: a column map proposed for an extract."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.log import log
from popstrat.cli.terminal import Described, open_console

app = typer.Typer(
    cls=Described,
    help="Column maps: propose one for an extract.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@app.callback()
def _only() -> None:
    """A command of its own, so that others can stand beside it."""


@app.command("init")
def init(
    inputs: options.Inputs,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The map: a TOML file.")],
    pack: options.PackName = options.DEFAULT_PACK,
    encoding: options.Encoding = "utf-8",
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Propose a column map for an extract: names, labels, dates, units, and what is still to be answered."""
    from popstrat.core.files import Outputs, writing
    from popstrat.packs.load import load_pack
    from popstrat.runs.map_proposal import propose

    options.refuse_replacing(output, force)
    found = propose(inputs, load_pack(pack).schema, encoding=encoding)
    with writing(output), Outputs() as outputs:
        outputs.add(output).write_text(found.text, encoding="utf-8")
        outputs.commit()
    log.record({}, output)
    if quiet or log.is_json:
        return
    console = open_console()
    console.print(f"Written: {output}", highlight=False)
    unused = "1 column of the extract is" if len(found.left) == 1 else f"{len(found.left)} columns of the extract are"
    console.print(f"{len(found.placed)} columns recognised; {unused} not used.", highlight=False)
    if found.lacking:
        console.print(f"The table still needs: {', '.join(found.lacking)}.", highlight=False)
    if found.questions:
        asked = "1 question is" if found.questions == 1 else f"{found.questions} questions are"
        console.print(f"{asked} left for you: look for lines that begin with #.", highlight=False)
    more = "" if encoding == "utf-8" else f" --encoding {encoding}"
    console.print(f"Then: popstrat check EXTRACT --map {output}{more}", highlight=False)
