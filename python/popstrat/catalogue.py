"""Packs as pages for clinicians: every definition in words, its rules as tables, its sources, its assumptions.

A page is made once, as sections of paragraphs and tables, and written twice: as Markdown (`markdown`) and on a
terminal (`show`). `check` says whether a pack holds at every date at which it changes, and what is odd about it.
``python -m popstrat.catalogue --write docs/definitions.md`` writes the page of the default pack.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from popstrat.model import term_texts
from popstrat.pack import Definition, Pack, Resolved, builtin_packs, load_pack
from popstrat.packs.uses import SECTIONS, used_words, versions
from popstrat.packs.uses import expressions as expressions
from popstrat.reference_patients import check_engine
from popstrat.schema import Column, Schema

DEFAULT_PACK = "london-2026"
COMMAND = "python -m popstrat.catalogue --write docs/definitions.md"

_KINDS = {
    "expression": "rule",
    "count": "count",
    "first_match": "first match",
    "status": "status",
    "tree": "decision tree",
    "model": "model",
}


# -- pages -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """Headings and rows of inline Markdown; `numbers` are the columns to be set flush right."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Outline:
    """Lines with their depth."""

    lines: tuple[tuple[int, str], ...]


Block = str | Table | Outline


@dataclass
class Section:
    """A heading, what stands under it, and the name by which other sections point at it."""

    level: int
    title: str
    blocks: list[Block] = field(default_factory=list)
    anchor: str = ""


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> Table:
    """A table without the columns that are empty in every row."""
    rows = [tuple(r) for r in rows]
    kept = [i for i in range(len(headings)) if any(r[i] for r in rows)]
    right = frozenset(new for new, old in enumerate(kept) if old in set(numbers))
    return Table(tuple(headings[i] for i in kept), tuple(tuple(r[i] for i in kept) for r in rows), right)


def code(text: Any) -> str:
    """Text as code, on one line."""
    return f"`{' '.join(str(text).split())}`" if str(text).strip() else ""


def link(title: str, anchor: str) -> str:
    """A pointer to another section."""
    return f"[{title}](#{anchor})"


# -- what a pack says, read without evaluating it ----------------------------------------------------------------------


def _coefficient(x: float) -> str:
    """Every digit that the pack has, and at least four places, so that it can be held against what was published."""
    return max(f"{x:.4f}", repr(float(x)), key=len)


def _by_stratum(value: Any) -> str:
    """A number, or one for each stratum."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {number:.15g}" for name, number in value.items())
    return f"{value:.15g}"


def boundaries(pack: Pack) -> list[dt.date]:
    """The dates on which something in the pack begins or ends to hold, with the days around them."""
    found: set[dt.date] = set()
    for body in pack.raw.get("definition", {}).values():
        for version in versions(body):
            start, end = version.get("effective_from"), version.get("effective_to")
            if isinstance(start, dt.date):
                found |= {start, *([start - dt.timedelta(days=1)] if start > dt.date.min else [])}
            if isinstance(end, dt.date):
                found |= {end, *([end + dt.timedelta(days=1)] if end < dt.date.max else [])}
    return sorted(found)


def latest(pack: Pack) -> dt.date:
    """A date at which the newest versions hold; the same whenever it is asked for."""
    return max(boundaries(pack), default=dt.date(2026, 1, 1))


def _period(version: Mapping[str, Any]) -> str:
    start, end = version.get("effective_from"), version.get("effective_to")
    if start and end:
        return f"from {start} to {end}"
    return f"from {start}" if start else f"to {end}" if end else "at any date"


# -- the page ----------------------------------------------------------------------------------------------------------


def sections(pack: Pack, as_of: dt.date | None = None) -> list[Section]:
    """The page of a pack: definitions as they stand at `as_of` (the newest if None), with all their versions."""
    resolved = pack.at(as_of or latest(pack))
    writer = _Writer(pack, resolved)
    head = Section(1, pack.title, [" ".join(str(pack.raw["pack"].get("description", "")).split())])
    facts = [f"Pack {code(pack.id)}, version {pack.version}"]
    if pack.raw["pack"].get("licence"):
        facts.append(f"licence {pack.raw['pack']['licence']}")
    if len(pack.sources) > 1:
        facts.append("extends " + ", ".join(code(s.name) for s in pack.sources[1:]))
    head.blocks.append("; ".join(facts) + ".")
    found = [head, writer.columns()]
    found.append(Section(2, "Definitions", [_READING]))
    found += [writer.definition(d) for d in writer.own]
    found += [s for s in (writer.parameters(), writer.windows()) if s is not None]
    found += writer.sets()
    found.append(writer.assumptions())
    found += _patient_table(pack.schema)
    return [s for s in found if s.blocks or s.level <= 2]


_READING = (
    "A rule holds only where it is true. A flag without a record is false; a comparison with a value that has no "
    "record is unknown, and a rule that is unknown does not hold. Rules are shown as they are written in the pack."
)


class _Writer:
    """Says what each part of a pack means."""

    def __init__(self, pack: Pack, resolved: Resolved) -> None:
        self.pack, self.resolved = pack, resolved
        self.raw: Mapping[str, Any] = pack.raw
        self.own = [resolved.definitions[k] for k in self.raw.get("definition", {}) if k in resolved.definitions]
        self.titles = {d.id: d.title for d in self.own}
        for kind in ("parameters", "sets", "windows"):
            for name, body in self.raw.get(kind, {}).items():
                self.titles.setdefault(name, body.get("title", name))

    def anchor(self, name: str) -> str:
        for kind in ("parameters", "sets", "windows"):
            if name in self.raw.get(kind, {}):
                return f"{kind[:-1]}-{name}"
        return name

    def columns(self) -> Section:
        rows = []
        for d in self.resolved.outputs:
            kind = d.dtype if d.dtype != "dictionary" else "one of " + ", ".join(code(x) for x in d.node.type.labels)
            rows.append((code(d.output), link(d.title, d.parent or d.id), kind))
        return Section(2, "Output columns", [table(("column", "definition", "type"), rows)])

    # -- one definition --

    def definition(self, d: Definition) -> Section:
        body = self.raw["definition"][d.id]
        blocks: list[Block] = []
        if d.means:
            blocks.append(d.means)
        for key, word in (("intended_use", "Intended use"), ("disclaimer", "Disclaimer"), ("horizon", "Horizon")):
            if d.raw.get(key):
                blocks.append(f"{word}: {d.raw[key]}")
        found = versions(body)
        for version in found:
            if len(found) > 1 or "effective_from" in version or "effective_to" in version:
                blocks.append(f"**Version {version.get('version', d.version)}, {_period(version)}**")
            blocks += self.rules(d, version)
        uses = [w for w in used_words(body) if w in self.titles and w != d.id]
        if uses:
            blocks.append("Uses " + ", ".join(link(code(w), self.anchor(w)) for w in uses) + ".")
        used_by = [o for o in self.own if o.id != d.id and d.id in self.reach(o.id)]
        if used_by:
            blocks.append("Used by " + ", ".join(link(code(o.id), o.id) for o in used_by) + ".")
        blocks.append(self.facts(d, len(found) > 1))
        return Section(3, d.title, blocks, d.id)

    def reach(self, ident: str) -> set[str]:
        """The words that a definition uses, sets opened."""
        found = set(used_words(self.raw["definition"][ident]))
        for name in found & set(self.raw.get("sets", {})):
            found = found | set(self.raw["sets"][name]["members"])
        return found

    def facts(self, d: Definition, several: bool) -> Table:
        kind = d.dtype if d.dtype != "dictionary" else "one of " + ", ".join(code(x) for x in d.node.type.labels)
        if d.node.type.kind == "bool":
            kind = "true or false, never null"
        rows = [
            ("name", code(d.id)),
            ("kind", _KINDS[d.kind]),
            ("output column", code(d.output) if d.output else "none; used by other definitions"),
            ("type", kind),
            ("unit", d.raw.get("unit", "")),
            ("version", "see above" if several else d.version),
            ("source", d.raw.get("source", "")),
            ("assumption", d.raw.get("assumption", "")),
            ("licence", d.raw.get("licence", "")),
        ]
        return table(("", ""), [r for r in rows if r[1]])

    def rules(self, d: Definition, version: Mapping[str, Any]) -> list[Block]:
        blocks: list[Block] = []
        if "eligible" in version:
            written = version["eligible"]
            parts = [written] if isinstance(written, str) else [part["when"] for part in written]
            other = "false" if d.node.type.kind == "bool" else "null"
            blocks.append(f"For whom: {' and '.join(map(code, parts))}; {other} for anybody else.")
        match d.kind:
            case "expression":
                blocks.append(f"Rule: {code(version['value'])}")
            case "count":
                blocks.append(self.counted(version["of"]))
            case "first_match":
                blocks.append(self.first_match(version))
            case "status":
                blocks.append(self.status(version))
            case "tree":
                blocks += self.tree(version)
            case _:
                blocks += self.model(version)
        return blocks + self.reference_patients(version)

    def counted(self, of: str | list[str]) -> Block:
        if isinstance(of, str) and of in self.raw.get("sets", {}):
            return f"Counts the conditions of {link(code(of), self.anchor(of))} that are recorded."
        items = [of] if isinstance(of, str) else of
        return table(("counts one for each of these that is true",), [(code(i),) for i in items])

    def first_match(self, version: Mapping[str, Any]) -> Table:
        rows = [
            (str(i), code(r["label"]), code(r["when"]), r.get("means", ""), r.get("source", r.get("assumption", "")))
            for i, r in enumerate(version["rules"], 1)
        ]
        if version.get("otherwise"):
            rows.append((str(len(rows) + 1), code(version["otherwise"]), "otherwise", "none of the above", ""))
        else:
            rows.append(("", "null", "otherwise", "none of the above", ""))
        return table(("order", "label", "first rule that holds", "in words", "source or assumption"), rows, (0,))

    def status(self, version: Mapping[str, Any]) -> Table:
        diagnosed = code(version["diagnosed"])
        rows = [
            (code("optimised"), "diagnosed, and at target", f"{diagnosed} and {code(version['optimised'])}"),
            (code("unoptimised"), "diagnosed, and not known to be at target", f"{diagnosed}, otherwise"),
            (code("undiagnosed"), "not diagnosed, and the record suggests it", code(version["undiagnosed"])),
            (code("none"), "none of these", "otherwise"),
        ]
        return table(("label", "in words", "rule"), rows)

    def tree(self, version: Mapping[str, Any]) -> list[Block]:
        nodes = {node["id"]: node for node in version["nodes"]}
        lines: list[tuple[int, str]] = []

        def people(node: Mapping[str, Any]) -> str:
            return f" (n = {node['n']:,})" if isinstance(node.get("n"), int) else ""

        def descend(key: Any, depth: int, reason: str) -> None:
            node = nodes[key]
            if "value" in node:
                lines.append((depth, f"{reason}**{node['value']:,}**{people(node)}"))
                return
            lines.append((depth, f"{reason}{code(node['split'])}{people(node)}"))
            descend(node["yes"], depth + 1, "yes: ")
            descend(node["no"], depth + 1, "no: ")

        descend(version["nodes"][0]["id"], 0, "")
        return ["Each line asks its question; the answer leads one step in, and a bold number is the result.",
                Outline(tuple(lines))]  # fmt: skip

    def model(self, version: Mapping[str, Any]) -> list[Block]:
        baselines = version.get("horizons") or [{"baseline_survival": version.get("baseline_survival")}]
        told = "; ".join(
            (f"{h.get('title', h['id'])}: " if "id" in h else "") + _by_stratum(h["baseline_survival"])
            for h in baselines
            if h["baseline_survival"] is not None
        )
        steps = {
            "survival": f"risk = 1 − S₀ ^ exp(LP), where the baseline survival S₀ is {told}",
            "logistic": "risk = 1 / (1 + exp(−LP))",
            "identity": "result = LP",
        }
        start = _by_stratum(version.get("intercept", 0.0))
        total = f"LP, the linear predictor, is {start} plus the sum of the terms below"
        blocks: list[Block] = [f"{total}; {steps[version['link']]}, rounded to {version.get('decimals', 6)} places."]
        strata = version.get("strata", {})
        if strata:
            rows = [(code(name), code(when)) for name, when in strata.items()]
            blocks.append(table(("stratum", "first that holds"), rows))
        again = version.get("recalibration")
        if again:
            blocks.append(
                f"Recalibrated: LP is replaced by {_by_stratum(again.get('intercept', 0))} + "
                f"{_by_stratum(again.get('slope', 1))} × LP."
            )
        ratio = version["link"] != "identity"
        terms: list[tuple[str, ...]] = []
        for term in term_texts(version):
            by = isinstance(term.coefficient, dict)
            weights = term.coefficient if by else {"": term.coefficient}
            shown = "; ".join(f"{f'{name}: ' if by else ''}{_coefficient(w)}" for name, w in weights.items())
            curved = (
                "**" in term.text or "ln(" in term.text or "×" in term.text
            )  # a ratio for each unit means nothing there
            ratios = "; ".join(f"{math.exp(w):.3f}" for w in weights.values()) if ratio and not curved else ""
            rule = term.text if term.form == "product" else code(term.text)
            if term.center is not None:
                rule = f"{rule} − {_by_stratum(term.center)}"
            terms.append((term.title, rule, shown, ratios, term.evidence, term.source))
        headings = ("term", "where true, or times", "coefficient", "exp(coefficient)", "evidence", "source or reason")
        blocks.append(table(headings, terms, (2, 3)))
        derived = version.get("derived", {})
        if derived:
            values: list[tuple[str, ...]] = []
            for name, made in derived.items():
                body = made if isinstance(made, dict) else {"value": made}
                centred = f" − {body['center']}" if "center" in body else ""
                values.append(
                    (code(name), f"{code(body['value'])}{centred}", str(body.get("why", body.get("source", ""))))
                )
            blocks.append(table(("derived value", "is", "why"), values))
        inputs = version.get("inputs", {})
        if inputs:
            defaults = [
                (code(name), code(spec["from"]) if "from" in spec else "", code(spec["default"]),
                 "{} to {}".format(*spec["clip"]) if "clip" in spec else "", spec.get("why", spec.get("source", "")))
                for name, spec in inputs.items()
            ]  # fmt: skip
            blocks.append("What stands in where an input has no record:")
            blocks.append(table(("input", "from", "stands in", "kept within", "why"), defaults))
        if "missing_output" in version:
            blocks.append(f"How many of them had no record is in the column {code(version['missing_output'])}.")
        return blocks

    def reference_patients(self, version: Mapping[str, Any]) -> list[Block]:
        """Made-up people with the result that they must get."""
        rows = []
        for entry in version.get("reference_patients", ()):
            expected = entry["expected"]
            shown = expected if isinstance(expected, dict) else {"": expected}
            values = "; ".join(f"{f'{code(name)} ' if name else ''}{value}" for name, value in shown.items())
            record = ", ".join(f"{name} {str(value).lower()}" for name, value in entry["patient"].items())
            rows.append((entry.get("title", ""), record, values))
        told = "Reference patients, made up, whose result is checked whenever the pack is used:"
        return [told, table(("who", "record", "result"), rows)] if rows else []

    # -- what definitions rest on --

    def parameters(self) -> Section | None:
        rows = []
        for name, body in self.raw.get("parameters", {}).items():
            value = body["value"]
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            title = body.get("title", "") + (f". {body['means']}" if body.get("means") else "")
            source = body.get("source", "") or f"assumption: {body.get('assumption', 'no source given')}"
            rows.append((f'<a id="parameter-{name}"></a>{code(name)}', shown, body.get("unit", ""), title, source))
        made = table(("parameter", "value", "unit", "what it is", "source"), rows, (1,))
        return Section(2, "Parameters", [made], "parameters") if rows else None

    def windows(self) -> Section | None:
        rows = []
        for name, body in self.raw.get("windows", {}).items():
            shown = f'<a id="window-{name}"></a>{code(f"{name}(date)")}'
            rows.append((shown, str(body["months"]), body.get("means", ""), body.get("source", "")))
        made = table(("window", "months", "what it is", "source"), rows, (1,))
        return Section(2, "Date windows", [made], "windows") if rows else None

    def sets(self) -> list[Section]:
        found = []
        for name, body in self.raw.get("sets", {}).items():
            blocks: list[Block] = [f"{code(name)}, {len(body['members'])} members. {body.get('means', '')}".strip()]
            blocks.append(", ".join(self.member(m) for m in body["members"]) + ".")
            for key in ("source", "assumption"):
                if body.get(key):
                    blocks.append(f"{key.capitalize()}: {body[key]}")
            found.append(Section(3, body.get("title", name), blocks, f"set-{name}"))
        return [Section(2, "Sets of conditions"), *found] if found else []

    def member(self, name: str) -> str:
        return link(code(name), name) if name in self.titles else code(name)

    def assumptions(self) -> Section:
        rows: list[tuple[str, str]] = []
        for kind in ("windows", "parameters", "sets"):
            for name, body in self.raw.get(kind, {}).items():
                text = body.get("assumption", "")
                if not text and str(body.get("source", "")).lower().startswith("assumption"):
                    text = str(body["source"]).partition(":")[2].strip()
                if text:
                    rows.append((link(code(name), self.anchor(name)), text))
        for d in self.own:
            body = self.raw["definition"][d.id]
            here = link(d.title, d.id)
            if body.get("assumption"):
                rows.append((here, body["assumption"]))
            for version in versions(body):
                rows += [(f"{here}, {code(r['label'])}", r["assumption"])
                         for r in version.get("rules", ()) if r.get("assumption")]  # fmt: skip
                reasons: dict[str, list[str]] = {}
                for t in term_texts(version) if version.get("terms") else ():
                    if t.evidence == "assumption":
                        reasons.setdefault(t.source, []).append(t.title)
                rows += [(f"{here}, {'; '.join(terms)}", why) for why, terms in reasons.items()]
                rows += [(f"{here}, {code(name)} without a record is {code(spec['default'])}", spec.get("why", ""))
                         for name, spec in version.get("inputs", {}).items()]  # fmt: skip
        rows = list(dict.fromkeys(rows))
        told = "Where no public source says, this is what was chosen, and why." if rows else "None."
        return Section(
            2, "Assumptions", [told, table(("where", "what and why"), rows)] if rows else [told], "assumptions"
        )


def _range(column: Column) -> str:
    def shown(x: float) -> str:
        return f"{x:,.0f}" if float(x).is_integer() else f"{x:g}"

    if column.minimum is None and column.maximum is None:
        return ""
    if column.maximum is None:
        return f"{shown(column.minimum or 0)} and over"
    return f"{'up' if column.minimum is None else shown(column.minimum)} to {shown(column.maximum)}"


def _patient_table(schema: Schema) -> list[Section]:
    about = (
        "The columns that rules can use. Null means no record. A value outside its plausible range, an unknown label, "
        "and a date after the as-of date or before birth count as no record and are reported. Dates are plausible from "
        f"{schema.earliest_date.isoformat()}."
    )
    made = [Section(2, "Patient table", [about], "patient-table")]
    groups = list(dict.fromkeys(c.group for c in schema))
    for group in groups:
        rows = []
        for c in schema:
            if c.group != group:
                continue
            notes = []
            if c.required:
                notes.append("required")
            if c.labels:
                notes.append("one of " + ", ".join(code(x) for x in c.labels))
            if c.aliases:
                notes.append("also " + ", ".join(f"{code(a)} for {code(b)}" for a, b in c.aliases.items()))
            if c.null_is:
                notes.append(f"null reads as {code(c.null_is)}")
            if c.dates:
                notes.append("dates " + ", ".join(code(x) for x in c.dates))
            rows.append((code(c.name), c.title, c.type, str(_arrow(c.dtype)), c.unit, _range(c), "; ".join(notes)))
        headings = ("column", "what it is", "type", "written as", "unit", "plausible", "notes")
        made.append(Section(3, group.capitalize(), [table(headings, rows)]))
    return made


def _arrow(kind: pa.DataType) -> str:
    return "dictionary" if pa.types.is_dictionary(kind) else str(kind)


# -- as Markdown -------------------------------------------------------------------------------------------------------


def markdown(pack: Pack, as_of: dt.date | None = None) -> str:
    """The page of a pack as Markdown."""
    return _markdown(sections(pack, as_of))


def _markdown(found: Iterable[Section], note: str = "") -> str:
    lines: list[str] = []
    for section in found:
        if section.anchor:
            lines += [f'<a id="{section.anchor}"></a>', ""]
        lines += [f"{'#' * section.level} {section.title}", ""]
        if note:
            lines += [note, ""]
            note = ""
        for block in section.blocks:
            match block:
                case Table():
                    lines += _markdown_table(block)
                case Outline():
                    lines += [f"{'  ' * depth}- {text}" for depth, text in block.lines]
                case _ if not block:
                    continue
                case _:
                    lines.append(block)
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _markdown_table(block: Table) -> list[str]:
    def row(cells: Iterable[str]) -> str:
        return f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |"

    rule = "|".join(" ---: " if i in block.numbers else " --- " for i in range(len(block.headings)))
    return [row(block.headings), f"|{rule}|", *(row(r) for r in block.rows)]


# -- on a terminal -----------------------------------------------------------------------------------------------------

_ANCHOR = re.compile(r'<a id="[^"]*"></a>')
_LINK = re.compile(r"\[([^\]]*)\]\(#[^)]*\)")
_MARK = re.compile(r"(`[^`]*`|\*\*[^*]*\*\*)")


def styled(text: str) -> Text:
    """Inline Markdown for a terminal: links as their text, code coloured."""
    out = Text()
    for part in _MARK.split(_LINK.sub(r"\1", _ANCHOR.sub("", text))):
        if part.startswith("`"):
            out.append(part[1:-1], "cyan")
        elif part.startswith("**"):
            out.append(part[2:-2], "bold")
        else:
            out.append(part)
    return out


def show(name_or_path: str | Path | Pack, console: Console, as_of: dt.date | None = None) -> None:
    """Print the page of a pack (without the patient table). Raises `PackError`."""
    pack = load_pack(name_or_path)
    found = sections(pack, as_of)
    end = next((i for i, s in enumerate(found) if s.anchor == "patient-table"), len(found))
    if console.is_terminal:
        _print(found[:end], console)
        return
    with console.capture() as captured:
        _print(found[:end], console)
    # tables are padded to their width, which a file can do without
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _print(found: Iterable[Section], console: Console) -> None:
    for i, section in enumerate(found):
        if i:
            console.print()
        heading = Text(section.title, "bold underline" if section.level < 3 else "bold")
        console.print(heading)
        for block in section.blocks:
            indent = (0, 0, 0, 0 if section.level < 3 else 2)
            match block:
                case Table():
                    console.print(Padding(_rich_table(block), indent))
                case Outline():
                    for depth, text in block.lines:
                        console.print(Padding(styled(text), (0, 0, 0, indent[3] + 2 * depth)))
                case _ if block:
                    console.print(Padding(styled(block), indent))


def _rich_table(block: Table) -> RichTable:
    made = RichTable(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=any(block.headings)
    )
    for i, heading in enumerate(block.headings):
        made.add_column(heading, justify="right" if i in block.numbers else "left", overflow="fold")
    for row in block.rows:
        made.add_row(*map(styled, row))
    return made


# -- which packs there are, and whether one is sound -------------------------------------------------------------------


def list_packs() -> list[dict[str, str]]:
    """The packs that come with popstrat: id, version, title, path."""
    found = []
    for name in builtin_packs():
        pack = load_pack(name)
        found.append({"id": pack.id, "version": pack.version, "title": pack.title, "path": pack.sources[0].location})
    return found


@dataclass(frozen=True)
class Report:
    """What `examine` found: the pack, the dates at which it was tried, its output columns, and what is odd."""

    pack: Pack
    dates: tuple[dt.date, ...]
    outputs: tuple[str, ...]
    warnings: tuple[str, ...]
    assumptions: int
    compared: int  # results of reference patients, engine against pack


def examine(name_or_path: str | Path | Pack, as_of: dt.date | None = None) -> Report:
    """Load a pack, resolve and compile it at `as_of` (today if None) and at every date on which a definition begins
    or ends to hold. Raises `PackError`."""
    from popstrat.scorer import Scorer

    pack = load_pack(name_or_path)
    dates = tuple(sorted({as_of or dt.date.today(), *boundaries(pack)}))
    outputs: dict[str, None] = {}
    compared = 0
    for date in dates:
        scorer = Scorer(pack, date)
        compared = max(compared, check_engine(scorer))
        keys = set(scorer.input_schema.names)
        outputs.update(dict.fromkeys(n for n in scorer.output_schema.names if n not in keys or n in scorer.titles))
    writer = _Writer(pack, pack.at(dates[-1]))
    assumed = [block for block in writer.assumptions().blocks if isinstance(block, Table)]
    return Report(
        pack,
        dates,
        tuple(outputs),
        tuple(_oddities(pack, writer)),
        sum(len(block.rows) for block in assumed),
        compared,
    )


def _oddities(pack: Pack, writer: _Writer) -> Iterator[str]:
    """What is odd about the pack's own file, and what those that it extends hold for nothing; all else about them is
    for their own check to say."""
    raw = pack.raw
    own = tomllib.loads(pack.sources[0].text)
    here = pack.sources[0].name
    unused = {(u.section, u.name): u.told for u in pack.unused if u.file == here}
    for d in writer.own:
        if d.id not in own.get("definition", {}):
            continue
        if not d.means:
            yield f"definition {d.id} does not say what it `means`"
        if ("definition", d.id) in unused:
            yield unused["definition", d.id]
        elif d.kind == "model" and not any(v.get("output") for v in versions(raw["definition"][d.id])):
            used = {word for o in writer.own if o.id != d.id for word in writer.reach(o.id)}
            if d.id not in used:
                yield f"definition {d.id} writes no column, and nothing uses it"
    for kind in ("parameters", "sets", "windows"):
        for name in own.get(kind, {}):
            body = raw[kind][name]
            if (kind, name) in unused:
                yield unused[kind, name]
            if kind != "windows" and not body.get("source") and not body.get("assumption"):
                yield f"{SECTIONS[kind]} {name} gives neither a source nor an assumption"
    yield from (told for (kind, _), told in unused.items() if kind == "input")
    if not any(d.output for d in writer.own):
        yield "no definition writes a column"
    yield from (told for (kind, _), told in unused.items() if kind == "pack")
    yield from (f"{u.file}: {u.told}" for u in pack.unused if u.file != here)


def check(name_or_path: str | Path | Pack, console: Console, as_of: dt.date | None = None) -> list[str]:
    """Examine a pack and print what was found, the verdict last; returns the warnings. Raises `PackError` if the pack
    is at fault."""
    report = examine(name_or_path, as_of)
    pack = report.pack
    console.print(Text(f"{pack.id} {pack.version}", "bold"))
    own = pack.raw.get("definition", {})
    files = f" in {len(pack.sources)} files" if len(pack.sources) > 1 else ""
    outputs = [o for o in report.outputs if o != "quality_flags"]
    told = f"{len(own)} definitions{files}, output columns {', '.join(outputs)}"
    console.print(told, markup=False)
    console.print(f"compiled as of {', '.join(d.isoformat() for d in report.dates)}", markup=False)
    if report.compared:
        told = f"{report.compared} results of reference patients agree, by the evaluator and by the engine"
        console.print(told, markup=False)
    console.print(f"{report.assumptions} assumptions; `popstrat packs show` lists them", markup=False)
    for warning in report.warnings:
        line = Text("warning: ", "yellow")
        line.append(warning, "default")
        console.print(line)
    count = len(report.warnings)
    verdict = f"0 faults, {count} warning{'s' if count > 1 else ''}" if count else "no fault found"
    console.print(Text(f"{pack.id} {pack.version}: {verdict}", "bold"))
    return list(report.warnings)


# -- the page of the default pack --------------------------------------------------------------------------------------


def page() -> str:
    """docs/definitions.md: the default pack's page, and a list of the other packs."""
    found = sections(load_pack(DEFAULT_PACK))
    others = [p for p in list_packs() if p["id"] != DEFAULT_PACK]
    rows = [(code(p["id"]), p["version"], p["title"]) for p in others]
    text = "Smaller packs that come with popstrat; `popstrat packs show NAME` prints their definitions."
    found.append(Section(2, "Other packs", [text, table(("pack", "version", "title"), rows)]))
    return _markdown(found, f"Made from the pack by `{COMMAND}`. Change the pack, not this page.")


def main(arguments: Sequence[str]) -> int:
    """Write the page to a file."""
    match list(arguments):
        case ["--write", file]:
            Path(file).write_text(page(), encoding="utf-8")
            return 0
        case _:
            print(f"usage: {COMMAND}", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
