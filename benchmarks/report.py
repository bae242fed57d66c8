"""The figures of the benchmarks as tables, so that no number in a page is written by hand.

    python benchmarks/report.py --run -- --patients 2.5M     # measure, keep the results, print the tables
    python benchmarks/report.py                              # print the tables of the results kept
    python benchmarks/report.py --write                      # ... and write them into README.md and docs/performance.md

Results are kept as JSON in build/bench, and of several the newest figure counts, so a part can be measured again. In a
page, what stands between the markers of a table is replaced: `bars` (what popstrat is held to: bars.toml), `bars-short`
(the same in brief) and `figures` (every comparison).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KEPT = HERE.parent / "build" / "bench"
ORDER = (
    "score a table",
    "score a batch",
    "popstrat score",
    "Parquet",
    "CSV",
    "coded events",
    "make a",
    "model",
    "kernel",
)  # as a reader asks
PAGES = (HERE.parent / "README.md", HERE.parent / "docs" / "performance.md")
Figures = Mapping[tuple[str, int], Mapping[str, Any]]  # by name and number of patients


def measure(arguments: Sequence[str]) -> int:
    """Run the benchmarks with these arguments of pytest, keep the results; pytest's exit status."""
    KEPT.mkdir(parents=True, exist_ok=True)
    target = KEPT / f"{dt.datetime.now():%Y%m%d-%H%M%S}.json"
    command = [sys.executable, "-m", "pytest", str(HERE), "-q", "-o", "tmp_path_retention_policy=failed"]
    command += ["--lists", str(KEPT / "lists"), f"--benchmark-json={target}"]
    return subprocess.run([*command, *arguments], check=False, stdout=sys.stderr).returncode


def read(paths: Iterable[Path]) -> tuple[list[dict[str, Any]], Figures]:
    """The comparisons in the order in which a reader asks for them, and the figures that bars are about. Of what stands
    in several files the last counts."""
    outcomes: dict[tuple[Any, ...], dict[str, Any]] = {}
    figures: dict[tuple[str, int], dict[str, Any]] = {}
    for path in paths:
        for benchmark in json.loads(path.read_text(encoding="utf-8"))["benchmarks"]:
            info = benchmark["extra_info"]
            if "what" in info:
                key = tuple(info[part] for part in ("what", "patients", "threads", "peer", "peer_threads"))
                outcomes[key] = info
            for figure in info.get("figures", ()):
                figures[figure["figure"], figure["patients"]] = figure

    def place(info: Mapping[str, Any]) -> int:
        return next((i for i, start in enumerate(ORDER) if info["what"].startswith(start)), len(ORDER))

    return sorted(outcomes.values(), key=place), figures


def bars(figures: Figures, *, short: bool = False) -> str:
    """What popstrat is held to and what was measured, as markdown. ``short`` leaves out the aims and the commands."""
    found = tomllib.loads((HERE / "bars.toml").read_text(encoding="utf-8"))["bar"]
    if short:
        lines = ["| what | bar | measured |", "|---|---|---|"]
        lines += [f"| {bar['what']} | {bar['bar']} | {judged(bar, figures)} |" for bar in found if bar.get("readme")]
    else:
        lines = ["| what | measured | bar | aim | command |", "|---|---|---|---|---|"]
        lines += [
            f"| {bar['what']} | {judged(bar, figures)} | {bar.get('bar', '')} | {bar.get('aim', '')} "
            f"| `{bar['command']}` |"
            for bar in found
        ]
    used = {(need["figure"], need["patients"]) for bar in found for need in bar["needs"]}
    return "\n".join([*lines, "", *_machines([f for key, f in figures.items() if key in used])])


def judged(bar: Mapping[str, Any], figures: Figures) -> str:
    """The figures of a bar and a word on whether it is met; what measures them where one is missing."""
    shown, met, aimed = [], [], []
    for need in bar["needs"]:
        figure = figures.get((need["figure"], need["patients"]))
        if figure is None:
            return f"not measured (`{bar['command']}`)"
        shown.append(_figure(figure["value"], need["unit"]))
        below = "" if "avx512" in figure["machine"]["instruction_sets"] else "_without_avx512"
        value, most = figure["value"], need.get("most")
        least, aim = (need.get(f"{part}{below}", need.get(part)) for part in ("least", "aim"))
        if least is not None or most is not None:
            met.append(value >= least if least is not None else value <= most)
        if aim is not None:
            aimed.append(value >= aim if least is not None else value <= aim)
    text = ", ".join(shown)
    if not met:
        return text
    if not (any(met) if bar.get("any") else all(met)):
        return f"{text}: **short of the bar**"
    return f"{text}: {'aim reached' if aimed and all(aimed) else 'bar met'}"


def comparisons(outcomes: Sequence[Mapping[str, Any]]) -> str:
    """Every comparison as markdown, with what it holds for."""
    if not outcomes:
        raise ValueError("there are no results to report")
    heads = ("what", "patients", "popstrat", "compared with", "its time", "its time over ours", "quartiles",
             "its processor time over ours", "peak memory")  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "|---|--:|--:|---|--:|--:|--:|--:|--:|"]
    for o in outcomes:
        cells = [o["what"], f"{o['patients']:,}", _time(o["seconds"], o["threads"])]
        if o["peer"]:
            cells += [o["peer"], _time(o["peer_seconds"], o["peer_threads"]), _ratio(o["ratio"])]
            cells += [f"{_ratio(o['low'])[:-2]}–{_ratio(o['high'])[:-2]}", _ratio(o["cpu_ratio"])]
        else:
            cells += [""] * 5
        held = [n for n in (o["memory"], o["peer_memory"]) if n]
        cells.append(", ".join(f"{n / 1e6:,.0f} MB" for n in held))
        lines.append(f"| {' | '.join(cells)} |")
    meaning = (
        "All times are medians. popstrat and the other program ran in turns. A ratio is the median of the ratios of "
        "neighbouring turns; above 1, popstrat is faster. Before a program that scores is timed, its results are "
        "compared with ours, and must be the same. Memory is the peak of our process, then of the other."
    )
    return "\n".join([*lines, "", meaning, "", *_machines(outcomes)])


def write(page: Path, tables: Mapping[str, str]) -> None:
    """Replace what stands between the markers of the tables that the page has. Raises ``ValueError`` if it has none."""
    text = page.read_text(encoding="utf-8")
    found = 0
    for name, table in tables.items():
        begin, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
        start, stop = text.find(begin), text.find(end)
        if start < 0 and stop < 0:
            continue
        if not 0 <= start < stop:
            raise ValueError(f"{page} lacks one of the markers {begin} and {end}, or has them in the wrong order")
        text = f"{text[: start + len(begin)]}\n{table}\n{text[stop:]}"
        found += 1
    if not found:
        raise ValueError(f"{page} has no markers such as <!-- {next(iter(tables))}:start -->")
    page.write_text(text, encoding="utf-8")


def _machines(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """A line for each machine (and day) that something was measured on."""
    from popstrat.bench.measure import described

    return [f"Measured on {text}." for text in dict.fromkeys(described(f["machine"]) for f in found)]


def _figure(value: float, unit: str) -> str:
    match unit:
        case "x":
            return _ratio(value)
        case "%":
            return f"{value:.1%}"
        case "MB":
            return f"{value:,.0f} MB"
        case _:
            return f"{value:.3g} {unit}"


def _time(seconds: float, threads: int) -> str:
    from popstrat.bench.measure import shown

    return f"{shown(seconds)}, {threads} thread{'s' if threads > 1 else ''}"


def _ratio(value: float) -> str:
    return f"{value:.1f} ×" if value >= 9.95 else f"{value:.2f} ×"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--run", action="store_true", help="measure first; what follows -- goes to pytest")
    parser.add_argument("--results", type=Path, nargs="+", metavar="JSON", help="these results only")
    parser.add_argument("--write", action="store_true", help="put the tables into the pages")
    parser.add_argument("pytest", nargs="*", metavar="ARGUMENT", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    status = measure(given.pytest) if given.run else 0
    outcomes, figures = read(given.results or sorted(KEPT.glob("*.json")))
    tables = {"bars": bars(figures), "bars-short": bars(figures, short=True), "figures": comparisons(outcomes)}
    for page in PAGES if given.write else ():
        write(page, tables)
    print(tables["bars"])
    if not given.write:
        print(f"\n{tables['figures']}")
    sys.exit(status)


if __name__ == "__main__":
    main()
