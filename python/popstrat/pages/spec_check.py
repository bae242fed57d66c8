"""What the check of a feature specification found, on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from popstrat.core.numbers import day
from popstrat.deriving.spec_check import Report
from popstrat.pages.console import WARNING


def show(report: Report, console: Console) -> None:
    """Print what was found, the verdict last."""
    spec, features = report.spec, report.features
    console.print(Text(f"{spec.id} {spec.version}", "bold"))
    files = f" in {len(spec.sources)} files" if len(spec.sources) > 1 else ""
    lists = features.lists
    needed = sum(1 for users in lists.values() if users)
    definitions = len(spec.raw.get("definition", {}))
    told = f"{len(features.features)} features and {definitions} definitions{files}, {len(features.outputs)} columns, "
    console.print(f"{told}{needed} code lists needed, {len(lists) - needed} that may be missing", markup=False)
    console.print(f"built as of {', '.join(map(day, report.dates))}", markup=False)
    console.print(f"{report.assumptions} assumptions; `popstrat packs show` lists them", markup=False)
    for warning in report.warnings:
        line = Text("warning: ", WARNING)
        line.append(warning, "default")
        console.print(line)
    count = len(report.warnings)
    verdict = f"0 faults, {count} warning{'s' if count > 1 else ''}" if count else "no fault found"
    console.print(Text(f"{spec.id} {spec.version}: {verdict}", "bold"))
