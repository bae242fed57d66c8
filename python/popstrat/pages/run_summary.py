"""The closing summary of a run, for people: tidy in 100 columns, on a terminal or in a log.

Built from the run record alone; which groups there are, and their labels, is the pack's business. Colour only
repeats what the words say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from popstrat.core.numbers import day, percent, plural
from popstrat.pages.console import RAGS, count_table, unpadded
from popstrat.pages.filling import filling
from popstrat.runs.record import Record

_QUALITY_SHOWN = 10
_NAMES_SHOWN = 8
_LABEL_WIDTH = 30
_GAP = 4  # columns between two tables that stand side by side


def show(record: Record, titles: Mapping[str, str], output: Path | None, console: Console) -> None:
    """Print the summary of a run or a check. ``titles`` names the output columns in words."""
    with unpadded(console):
        _show(record, titles, output, console)


def _show(record: Record, titles: Mapping[str, str], output: Path | None, console: Console) -> None:
    pack = record["pack"]
    profile = f" · {record['profile']}" if record["command"] == "score" else ""
    about = f"{pack['id']} {pack['version']} · as of {day(record['as_of'])}{profile}"
    console.print(f"[bold]{escape(about)}[/]")
    rows = record["rows"]
    line = f"{rows['in']:,} patients in"
    if record["command"] == "score":
        line += f", {rows['out']:,} out, {rows['excluded']:,} excluded"
        reasons = [f"{escape(r)}: {n:,}" for r, n in rows["excluded_by_reason"].items() if n]
        line += f" ({'; '.join(reasons)})" if reasons else ""
    console.print(" · ".join([line, *to_mind(record)]))
    groups: dict[str, dict[str, int]] = record.get("groups", {})
    if found := _found(groups, titles, rows.get("out", 0)):
        console.print(escape(found))
    blocks = _group_tables(groups, titles, rows.get("out", 0))
    if any(m["rows"] for m in record.get("means", {}).values()):
        blocks.append(_means(record["means"], titles))
    if record["command"] != "check":
        blocks += [_readings(name, found, titles) for name, found in record.get("readings", {}).items()]
    if record["quality"]:
        blocks.append(_quality(record["quality"], rows["in"], None if record["command"] == "check" else _QUALITY_SHOWN))
    for block in _laid_out(blocks, console):
        console.print()
        console.print(block)
    for model in record.get("models", {}).values() if record["command"] != "check" else ():
        _model(model, rows.get("out", 0), console)
    if "data_quality" in record:
        console.print()
        console.print(filling(record["data_quality"]))
    if record["command"] == "check" and not record["quality"]:
        console.print("no implausible value")
    remarks(record, console)
    seconds = record["seconds"]["total"]
    memory = record["peak_memory_bytes"]
    speed = f"{seconds:,.2f} s · {record['rows_per_second'] or 0:,} rows/s · {record['threads']} threads"
    console.print(f"\n{speed}{f' · {memory / 2**20:,.0f} MB at most' if memory else ''}", style="dim")
    if output is not None:
        console.print(f"{escape(str(output))}\n{escape(str(output))}.run.json", soft_wrap=True)


def to_mind(record: Record) -> list[str]:
    """What a reader must look into before relying on a run: how many warnings, doubtful columns and values set aside
    there are, so that the first lines tell of them."""
    warnings = len(record["warnings"])
    told = [f"{plural(warnings, 'warning')} below" if warnings else "no warnings"]
    doubtful = sum(bool(c.get("doubtful")) for c in record.get("data_quality", {}).get("columns", ()))
    if doubtful:
        told.append(plural(doubtful, "doubtful column"))
    aside = sum(n for reasons in record.get("quality", {}).values() for n in reasons.values())
    if aside:
        told.append(f"{plural(aside, 'value')} set aside")
    return told


def _found(groups: Mapping[str, Mapping[str, int]], titles: Mapping[str, str], rows: int) -> str:
    """What a run found, in a line: who is red, and the pack's first flag."""
    red = [(name, labels["red"]) for name, labels in groups.items() if "red" in labels]
    flags = [(name, labels.get("true", 0)) for name, labels in groups.items() if set(labels) <= {"true", "false"}]
    told = [f"{_title(name, titles)} red: {count:,}" for name, count in red if rows]
    told += [f"{_title(name, titles)}: {count:,} ({percent(count / rows)})" for name, count in flags[:1] if rows]
    return " · ".join(told)


def _laid_out(blocks: Sequence[Table], console: Console) -> list[RenderableType]:
    """Narrow tables in two stacks of about the same height, side by side; then the wide ones, each on its own."""
    room = (console.width - _GAP) // 2
    narrow = [b for b in blocks if console.measure(b).maximum <= room]
    wide: list[RenderableType] = [b for b in blocks if b not in narrow]
    if len(narrow) < 2:
        return [*narrow, *wide]
    stacks: tuple[list[Table], list[Table]] = ([], [])
    heights = [0, 0]
    for block in narrow:
        side = int(heights[1] < heights[0])
        stacks[side].append(block)
        heights[side] += block.row_count + 2
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    grid.add_row(*(Group(*_spaced(stack)) for stack in stacks))
    return [grid, *wide]


def _spaced(tables: Sequence[Table]) -> list[RenderableType]:
    return [Padding(table, (int(i > 0), 0, 0, 0)) for i, table in enumerate(tables)]


def _group_tables(groups: Mapping[str, Mapping[str, int]], titles: Mapping[str, str], rows: int) -> list[Table]:
    """Flags in one table, columns of the same labels in another, and one for each that remains, in the pack's order."""
    made: list[Table] = []
    done: set[str] = set()
    flags = [name for name, labels in groups.items() if set(labels) <= {"true", "false"}]
    for name, labels in groups.items():
        if name in done:
            continue
        alike = flags if name in flags else [n for n, other in groups.items() if list(other) == list(labels)]
        done.update(alike)
        if name in flags:
            made.append(_flag_table({n: groups[n] for n in alike}, titles, rows))
        elif len(alike) > 1:
            made.append(_matrix({n: groups[n] for n in alike}, titles))
        else:
            made.append(_label_table(name, labels, titles))
    return made


def _label_table(name: str, labels: Mapping[str, int], titles: Mapping[str, str]) -> Table:
    total = sum(labels.values())
    table = count_table(escape(_title(name, titles)), "patients", "% of these")
    table.columns[0].max_width = _LABEL_WIDTH
    for label, count in labels.items():
        table.add_row(_label(label), f"{count:,}", _percent(count, total))
    return table


def _matrix(columns: Mapping[str, Mapping[str, int]], titles: Mapping[str, str]) -> Table:
    labels = list(next(iter(columns.values())))
    table = count_table("", *(_label(label) for label in labels))
    for name, found in columns.items():
        table.add_row(escape(_title(name, titles)), *(f"{found[label]:,}" for label in labels))
    return table


def _flag_table(columns: Mapping[str, Mapping[str, int]], titles: Mapping[str, str], rows: int) -> Table:
    table = count_table("", "patients", "% of all")
    for name, found in columns.items():
        count = found.get("true", 0)
        table.add_row(escape(_title(name, titles)), f"{count:,}", _percent(count, rows))
    return table


def _readings(name: str, found: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> Table:
    """How many people a condition holds for under each reading of it, the one at hand in bold."""
    table = count_table(f"{escape(_title(name, titles))}, as read with", "patients")
    for reading in found:
        told = "; ".join(
            f"{p} = {str(v).lower() if isinstance(v, bool) else v}" for p, v in reading["parameters"].items()
        )
        told, count = escape(told), f"{reading['patients']:,}"
        table.add_row(*((f"[bold]{told} (this run)[/]", f"[bold]{count}[/]") if reading["used"] else (told, count)))
    return table


def _means(means: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> Table:
    table = count_table("", "mean", "patients")
    for name, found in means.items():
        if found["rows"]:
            mean = found["mean"]
            table.add_row(
                escape(_title(name, titles)), f"{mean:,.4f}" if abs(mean) < 10 else f"{mean:,.2f}", f"{found['rows']:,}"
            )
    return table


def _quality(quality: Mapping[str, Mapping[str, int]], rows: int, shown: int | None) -> Table:
    """The commonest reasons, or all of them (``shown`` None)."""
    found = sorted(((n, column, reason) for column, r in quality.items() for reason, n in r.items()), reverse=True)
    table = count_table("set aside as implausible", "values", "% of rows")
    for count, column, reason in found[:shown]:
        table.add_row(f"{escape(column)}: {escape(reason)}", f"{count:,}", _percent(count, rows))
    rest = found[shown:] if shown is not None else []
    if rest:
        table.add_row(f"{len(rest)} more reasons", f"{sum(n for n, *_ in rest):,}", "")
    return table


def _model(model: Mapping[str, Any], rows: int, console: Console) -> None:
    """What stood in for what was not recorded, and who has no result; what its maker says of it is among the notes."""
    scored = rows - sum(model["not_scored"].values())
    console.print(f"\n[bold]{escape(model['title'])}[/] [dim]{escape(model['name'])} {escape(model['version'])}[/]")
    told = f"{scored:,} scored"
    reasons = [f"{escape(reason)}: {n:,}" for reason, n in model["not_scored"].items() if n]
    console.print(f"{told}; not scored: {'; '.join(reasons)}" if reasons else told)
    if strata := model["strata"]:
        console.print(f"By stratum: {', '.join(f'{escape(name)} {n:,}' for name, n in strata.items())}")
    for kind, words in (("missing", "Not recorded, so a default was used"), ("clipped", "Kept within bounds")):
        found = sorted(((n, name) for name, n in model[kind].items() if n), reverse=True)
        if found and scored:
            shown = ", ".join(f"{escape(name)} {_percent(n, scored)}%" for n, name in found)
            console.print(f"{words}: {shown}")


def remarks(record: Record, console: Console) -> None:
    if record["warnings"] or record["notices"] or record["ignored_columns"]:
        console.print()
    for warning in record["warnings"]:
        console.print(f"[bold]warning:[/] {escape(warning)}")
    for notice in record["notices"]:
        console.print(f"notice: {escape(notice)}")
    ignored: Sequence[str] = record.get("ignored_columns", [])
    if ignored:
        more = f" and {len(ignored) - _NAMES_SHOWN} more" if len(ignored) > _NAMES_SHOWN else ""
        console.print(f"notice: columns not read: {escape(', '.join(ignored[:_NAMES_SHOWN]))}{more}")


def _title(name: str, titles: Mapping[str, str]) -> str:
    return titles.get(name) or name.replace("_", " ")


def _label(label: str) -> str:
    text = escape(label.replace("_", " "))
    return f"[{RAGS[label]}]{text}[/]" if label in RAGS else text


def _percent(count: int, total: int) -> str:
    return f"{100 * count / total:.1f}" if total else ""
