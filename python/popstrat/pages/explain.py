"""Why a patient got what they got, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from popstrat.packs.trace_parts import Line, ModelTrace
from popstrat.pages.console import WARNING, text_grid, unpadded
from popstrat.reasons import wording
from popstrat.reasons.findings import Explanation, Finding
from popstrat.reasons.short import grouped, short


def show(explanation: Explanation, console: Console, *, brief: bool = False, costs: bool = False) -> None:
    """Print an explanation: five lines in plain words, and unless it is to be ``brief`` the rules behind them, by what
    there is to do. Amounts of money are shown if ``costs`` are asked for."""
    with unpadded(console):
        _show_short(explanation, console)
        if not brief:
            _show(explanation, console, costs)


def _show_short(explanation: Explanation, console: Console) -> None:
    about = f"{explanation.pack} {explanation.version} · as of {wording.day(explanation.as_of)}"
    console.print(Text(about, "dim"))
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    for label, text in short(explanation):
        grid.add_row(Text(label, "bold"), Text(text))
    console.print(grid)


def _show(explanation: Explanation, console: Console, costs: bool) -> None:
    if explanation.notices:
        console.print()
    for notice in explanation.notices:
        console.print(Padding(Text(f"notice: {notice}", "dim"), (0, 0, 0, 2)))
    if explanation.set_aside:
        console.print()
        console.print(Text("Set aside as implausible, and counted as not recorded", WARNING))
        grid = text_grid(2)
        for item in explanation.set_aside:
            grid.add_row(item.title, f"{item.value}: {item.reason}" if item.value else item.reason)
        console.print(Padding(grid, (0, 0, 0, 2)))
    for heading, sentences, findings in grouped(explanation):
        shown = [finding for finding in findings if costs or not finding.cost]
        if not sentences and not shown:
            continue
        console.print()
        console.print(Text(heading, "bold underline"))
        for sentence in sentences:
            console.print(Padding(Text(sentence), (0, 0, 0, 2)))
        for finding in shown:
            console.print()
            _show_finding(finding, console, 0)


def _show_finding(finding: Finding, console: Console, depth: int) -> None:
    heading = Table.grid(expand=True, padding=(0, 1, 0, 0))
    heading.add_column(ratio=1)
    heading.add_column(justify="right", no_wrap=False)
    title = Text(finding.title, "bold" if depth == 0 else "")
    about = [part for part in (finding.output, finding.note) if part]
    if about:
        title.append(f"  {', '.join(about)}", "dim not bold")
    heading.add_row(title, Text(finding.result, "bold" if depth == 0 else ""))
    # one answer column down the right edge, parts indented below what uses them
    console.print(Padding(heading, (0, 0, 0, 2 * depth)))
    if finding.model and finding.model.disclaimer:
        console.print(Padding(Text(finding.model.disclaimer, WARNING), (0, 0, 0, 2 * depth + 2)))
    if finding.caveat:
        console.print(Padding(Text(finding.caveat, WARNING), (0, 0, 0, 2 * depth + 2)))
    if finding.lines:
        _show_lines(finding.lines, console, depth)
    if finding.model:
        _show_model(finding.model, console, 2 * depth + 2)
    for part in finding.parts:
        _show_finding(part, console, depth + 1)
    if finding.seen:
        console.print(Padding(Text(f"as above: {'; '.join(finding.seen)}", "dim"), (0, 0, 0, 2 * depth + 2)))


def _show_lines(lines: Sequence[Line], console: Console, depth: int) -> None:
    grid = Table.grid(expand=True, padding=(0, 2, 0, 0))
    labels = any(line.label for line in lines)
    if labels:
        grid.add_column(width=max(len(line.label) for line in lines), no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    answers = any(line.answer for line in lines)
    if answers:
        grid.add_column(justify="right", width=max(len(line.answer) for line in lines), no_wrap=True)
    for line in lines:
        style = "bold" if line.fired and labels and len(lines) > 1 else ""
        cells = [Text(line.saw)]
        if labels:
            cells.insert(0, Text(line.label, style))
        if answers:
            cells.append(Text(line.answer, style or ("dim" if line.answer == "no" else "")))
        grid.add_row(*cells)
    console.print(Padding(grid, (0, 0, 0, 2 * depth + 2)))


def _show_model(model: ModelTrace, console: Console, indent: int) -> None:
    inset = (0, 0, 0, indent)
    if model.stand_ins:
        console.print(Padding(Text("Defaults that were used, and values kept within bounds"), inset))
        grid = text_grid(3)
        for item in model.stand_ins:
            grid.add_row(item.input, item.used, Text(item.why, "dim"))
        console.print(Padding(grid, (0, 0, 0, indent + 2)))
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", expand=True)
    grid.add_column("term", max_width=35)
    grid.add_column("value × weight", justify="right", no_wrap=True)
    grid.add_column("adds", justify="right", no_wrap=True)
    grid.add_column("evidence and source", ratio=1, no_wrap=True, overflow="ellipsis")
    if model.start:
        grid.add_row("start", "", f"{model.start:.4f}", "")
    for term in model.contributions:
        product = "" if term.value == 1 else f"{term.value:.6g} × {term.coefficient:.4f}"
        source = Text("" if term.recorded else "no record: the default. ", WARNING)
        source.append(f"{term.evidence}: {term.source}", "dim")
        grid.add_row(Text(term.title), product, f"{term.adds:.4f}", source)
    if model.start or model.contributions:
        console.print(Padding(grid, inset))
    many = f"{model.silent} other terms add" if model.silent != 1 else "1 other term adds"
    told = f"Sum {model.linear_predictor:.4f}, the linear predictor; {many} nothing."
    console.print(Padding(Text(told), inset))
    console.print(Padding(Text(model.link), inset))
    if model.missing is not None:
        line = Text(f"Inputs without a record: {model.missing}")
        line.append(f"  {model.missing_output}", "dim")
        console.print(Padding(line, inset))
    if model.intended_use:
        console.print(Padding(Text(model.intended_use, "dim"), inset))
