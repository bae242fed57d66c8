"""What the check of a pack found, on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from popstrat.core.numbers import day
from popstrat.pages.console import WARNING
from popstrat.scoring.pack_check import Report


def show(report: Report, console: Console) -> None:
    """Print what was found, the verdict last."""
    pack = report.pack
    console.print(Text(f"{pack.id} {pack.version}", "bold"))
    own = pack.raw.get("definition", {})
    files = f" in {len(pack.sources)} files" if len(pack.sources) > 1 else ""
    outputs = [o for o in report.outputs if o != "quality_flags"]
    told = f"{len(own)} definitions{files}, output columns {', '.join(outputs)}"
    console.print(told, markup=False)
    console.print(f"compiled as of {', '.join(map(day, report.dates))}", markup=False)
    if report.compared:
        told = f"{report.compared} results of reference patients agree, by the evaluator and by the engine"
        console.print(told, markup=False)
    console.print(f"{report.assumptions} assumptions; `popstrat packs show` lists them", markup=False)
    for warning in report.warnings:
        line = Text("warning: ", WARNING)
        line.append(warning, "default")
        console.print(line)
    count = len(report.warnings)
    verdict = f"0 faults, {count} warning{'s' if count > 1 else ''}" if count else "no fault found"
    console.print(Text(f"{pack.id} {pack.version}: {verdict}", "bold"))
