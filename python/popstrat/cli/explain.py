"""``popstrat explain``: why a patient got what they got."""

from __future__ import annotations

from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.terminal import open_console

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def explain(
    inputs: options.Inputs,
    patient: Annotated[str, typer.Option("--patient", metavar="ID", help="The id; - reads it from standard input.")],
    as_of: options.AsOf = None,
    pack: options.PackName = options.DEFAULT_PACK,
    map_file: options.MapFile = None,
    encoding: options.Encoding = "utf-8",
) -> None:
    """Show why a patient got what they got, rule by rule and term by term."""
    date = options.parse_date(as_of)
    patient = options.given_id(patient)
    # not above: --help does not wait for Arrow
    from popstrat.pages.explain import show
    from popstrat.reasons.trace import counted, trace
    from popstrat.runs.find import find_patient

    scorer = options.make_scorer(pack, date, options.Profile.DIRECT_CARE, besides=counted)
    column_map = options.map_for_scorer(map_file, scorer)
    row = find_patient(inputs, patient, scorer, mapping=column_map, encoding=encoding)
    show(trace(scorer, row), open_console())
