"""A pack as a page for clinicians: every definition in words, its rules as tables, its sources, its assumptions.

``python -m popstrat.pages.catalogue --write docs/definitions.md`` writes the page of the default pack.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from popstrat.core.blocks import Block, Section, Table, anchored, code, link, table
from popstrat.lang.compose import together
from popstrat.packs import DEFAULT_PACK
from popstrat.packs.assumptions import assumptions
from popstrat.packs.definition import Definition
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.load import load_pack
from popstrat.packs.names import Names
from popstrat.packs.pack import Pack
from popstrat.packs.phrases import rule_code
from popstrat.packs.reading import boundaries, latest, list_packs, reach
from popstrat.packs.readings import with_readings
from popstrat.packs.resolved import Resolved
from popstrat.packs.sentences import GROUPS, sentences_of
from popstrat.packs.tables import PackTables
from popstrat.packs.typed import choices
from popstrat.packs.uses import SENTENCES, used_words, versions
from popstrat.pages import patient_table, terminal
from popstrat.pages.markdown import written

COMMAND = "python -m popstrat.pages.catalogue --write docs/definitions.md"

_READING = (
    "A rule holds only if it is true. A flag that is not recorded is false. A comparison with a value that is not "
    "recorded is unknown, and an unknown rule does not hold. Rules are shown as they are written in the pack."
)


def sections(pack: Pack, as_of: dt.date | None = None) -> list[Section]:
    """The page of a pack: definitions as they stand at `as_of` (the newest if None), with all their versions. Raises
    `PackError`."""
    pack.at(as_of or dt.date.today())  # which sees to what the dates are read from
    for date in {*boundaries(pack), as_of or latest(pack)}:  # every version is shown, so every version has to hold
        sentences_of(with_readings(pack.at(date)))
    page = Page(pack.at(as_of or latest(pack)))
    found = [
        _head(pack),
        *page.metrics(),  # first, where there are any: they are what such a pack is for
        page.columns(),
        Section(2, "Definitions", [_READING]),
        *page.definitions(),
        *page.readings(),
        *page.parameters(),
        *page.windows(),
        *page.lookups(),
        *page.sets(),
        page.assumptions(),
        *patient_table.sections(pack.schema),
    ]
    return [s for s in found if s.blocks or s.level <= 2]


def markdown(pack: Pack, as_of: dt.date | None = None) -> str:
    """The page of a pack as Markdown."""
    return written(sections(pack, as_of))


def shown(name_or_path: str | Path | Pack, as_of: dt.date | None = None) -> list[Section]:
    """The page of a pack without the patient table. Raises `PackError`."""
    found = sections(load_pack(name_or_path), as_of)
    end = next((i for i, s in enumerate(found) if s.anchor == patient_table.ANCHOR), len(found))
    return found[:end]


def show(name_or_path: str | Path | Pack, console: Console, as_of: dt.date | None = None) -> None:
    """Print the page of a pack (without the patient table). Raises `PackError`."""
    terminal.show(shown(name_or_path, as_of), console)


def _head(pack: Pack) -> Section:
    facts = [f"Pack {code(pack.id)}, version {pack.version}"]
    if pack.raw["pack"].get("licence"):
        facts.append(f"licence {pack.raw['pack']['licence']}")
    if len(pack.sources) > 1:
        facts.append("extends " + ", ".join(code(s.name) for s in pack.sources[1:]))
    description = " ".join(str(pack.raw["pack"].get("description", "")).split())
    return Section(1, pack.title, [description, "; ".join(facts) + "."])


class Page:
    """Says what each part of a pack means."""

    def __init__(self, resolved: Resolved, names: Names | None = None) -> None:
        self.pack, self.resolved = resolved.pack, resolved
        self.raw: Mapping[str, Any] = resolved.pack.raw
        self.names = Names(resolved) if names is None else names
        self.own = [resolved.definitions[k] for k in self.raw.get("definition", {})]

    def columns(self) -> Section:
        rows = [(code(d.output), link(d.title, d.parent or d.id), _type(d)) for d in self.resolved.outputs]
        return Section(2, "Output columns", [table(("column", "definition", "type"), rows)])

    # -- definitions --

    def definitions(self) -> list[Section]:
        return [self.definition(d) for d in self.own if not KINDS[d.kind].counted]

    def metrics(self) -> list[Section]:
        """What is counted by area; nothing in a pack that has none."""
        found = [self.definition(d) for d in self.own if KINDS[d.kind].counted]
        told = "These are counted by area. Each says who is counted, and out of whom."
        return [Section(2, "Metrics", [told]), *found] if found else []

    def definition(self, d: Definition) -> Section:
        body = self.raw["definition"][d.id]
        blocks: list[Block] = []
        if d.means:
            blocks.append(d.means)
        for key, word in (
            ("intended_use", "Intended use"),
            ("disclaimer", "Disclaimer"),
            ("caveat", "Caveat"),
            ("horizon", "Horizon"),
        ):
            if d.raw.get(key):
                blocks.append(f"{word}: {d.raw[key]}")
        blocks += self._like(d)
        found = versions(body)
        for version in found:
            if len(found) > 1 or "effective_from" in version or "effective_to" in version:
                blocks.append(f"**Version {version.get('version', d.version)}, {period(version)}**")
            blocks += _eligible(d, version)
            blocks += KINDS[d.kind].page(version, self.names)
            blocks += _reference_patients(version)
            blocks += _said(version)
        uses = [w for w in used_words(body) if w in self.names.titles and w != d.id]
        if uses:
            blocks.append("Uses " + ", ".join(map(self.names.link, uses)) + ".")
        used_by = [o for o in self.own if o.id != d.id and d.id in reach(self.pack, o.id)]
        if used_by:
            blocks.append("Used by " + ", ".join(link(code(o.id), o.id) for o in used_by) + ".")
        for name, reading in self.raw.get("readings", {}).items():
            if d.id in reading["of"]:
                told = link(reading.get("title", name), f"reading-{name}")
                blocks.append(f"This can be read in more than one way: {told}.")
        blocks.append(_facts(d, len(found) > 1))
        return Section(3, d.title, blocks, d.id)

    def _like(self, d: Definition) -> list[Block]:
        """Which parts a definition takes from others."""
        parts: dict[str, list[str]] = {}
        for part, origin in self.pack.taken.get(d.id, {}).items():
            parts.setdefault(origin, []).append(part)
        told = [f"from {link(self.names.titles[other], other)}: {', '.join(map(code, some))}" for other, some in
                parts.items()]  # fmt: skip
        return [f"Taken {'; '.join(told)}. Everything else is its own."] if told else []

    # -- what a run only counts --

    def readings(self) -> list[Section]:
        """Where a source can be read in more than one way: what it says, and the readings that a run counts."""
        found = []
        resolved = with_readings(self.resolved)
        for name, body in self.raw.get("readings", {}).items():
            rows = []
            for reading in resolved.readings:
                if reading.column in body["of"]:
                    with_values = ", ".join(code(part) for part in reading.label.split("; "))
                    used = "this pack's" if reading.used else ""
                    rows.append((self.names.link(reading.column), with_values, used))
            blocks: list[Block] = [body["means"]] if body.get("means") else []
            blocks.append(
                "Every run counts the people under each reading (`readings` in its record). No reading is a column."
            )
            blocks.append(table(("definition", "read with", ""), rows))
            found.append(Section(3, body.get("title", name), blocks, f"reading-{name}"))
        return [Section(2, "Readings", anchor="readings"), *found] if found else []

    # -- what definitions rest on --

    def parameters(self) -> list[Section]:
        rows = []
        for name, body in self.raw.get("parameters", {}).items():
            value = body["value"]
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            title = body.get("title", "") + (f". {body['means']}" if body.get("means") else "")
            if meanings := choices(body):
                title += f". One of {'; '.join(f'{code(str(v))}: {told}' for v, told in meanings.items())}"
            assumed = f"assumption: {body['assumption']}" if body.get("assumption") else ""
            source = "; ".join(part for part in (body.get("source"), assumed) if part) or "assumption: no source given"
            here = anchored(code(name), self.names.anchor(name))
            rows.append((here, shown, body.get("unit", ""), title, source))
        made = table(("parameter", "value", "unit", "what it is", "source"), rows, (1,))
        return [Section(2, "Parameters", [made], "parameters")] if rows else []

    def windows(self) -> list[Section]:
        rows = []
        for name, body in self.raw.get("windows", {}).items():
            here = anchored(code(f"{name}(date)"), f"window-{name}")
            rows.append((here, str(body["months"]), body.get("means", ""), body.get("source", "")))
        made = table(("window", "months", "what it is", "source"), rows, (1,))
        return [Section(2, "Date windows", [made], "windows")] if rows else []

    def lookups(self) -> list[Section]:
        found = []
        for name, body in self.raw.get("lookups", {}).items():
            rows = [(code(label), str(number)) for label, number in body["values"].items()]
            rows += [("any other", str(body["otherwise"]))] if "otherwise" in body else []
            rows.append(("no record", str(body.get("null_is", "null"))))
            blocks: list[Block] = [f"{code(f'{name}(…)')}. {body.get('means', '')}".strip()]
            blocks.append(table(("label", body.get("unit", "number")), rows, (1,)))
            for key in ("source", "assumption"):
                if body.get(key):
                    blocks.append(f"{key.capitalize()}: {body[key]}")
            found.append(Section(3, body.get("title", name), blocks, f"lookup-{name}"))
        return [Section(2, "Lookups", anchor="lookups"), *found] if found else []

    def sets(self) -> list[Section]:
        found = []
        for name, body in self.raw.get("sets", {}).items():
            blocks: list[Block] = [f"{code(name)}, {len(body['members'])} members. {body.get('means', '')}".strip()]
            blocks.append(", ".join(self.names.link(m) for m in body["members"]) + ".")
            for key in ("source", "assumption"):
                if body.get(key):
                    blocks.append(f"{key.capitalize()}: {body[key]}")
            found.append(Section(3, body.get("title", name), blocks, f"set-{name}"))
        return [Section(2, "Sets of conditions"), *found] if found else []

    def assumptions(self, pack: PackTables | None = None) -> Section:
        rows = []
        for assumed in assumptions(pack or self.pack):
            titled = assumed.section in ("definition", "feature")
            title = self.names.titles[assumed.name] if titled else code(assumed.name)
            here = link(title, self.names.anchor(assumed.name))
            rows.append((f"{here}, {assumed.about}" if assumed.about else here, assumed.text))
        if not rows:
            return Section(2, "Assumptions", ["None."], "assumptions")
        told = "No public source says these things. This is what we chose, and why."
        return Section(2, "Assumptions", [told, table(("where", "what and why"), rows)], "assumptions")


def _type(d: Definition) -> str:
    return d.dtype if d.dtype != "dictionary" else "one of " + ", ".join(code(x) for x in d.node.type.labels)


def period(version: Mapping[str, Any]) -> str:
    start, end = version.get("effective_from"), version.get("effective_to")
    if start and end:
        return f"from {start} to {end}"
    return f"from {start}" if start else f"to {end}" if end else "at any date"


def _eligible(d: Definition, version: Mapping[str, Any]) -> list[Block]:
    if "eligible" not in version:
        return []
    rules = version["eligible"]
    parts = together([rules] if isinstance(rules, str) else [part["when"] for part in rules], "and")
    other = "false" if d.node.type.kind == "bool" else "null"
    return [f"For whom: {' and '.join(map(code, parts))}; {other} for anybody else."]


def _said(version: Mapping[str, Any]) -> list[Block]:
    """What is said of people: with a value for each pair of braces, and without what stands in square brackets where it
    has none."""
    rows = []
    for sentence in version.get(SENTENCES, ()):
        where = [code(sentence["label"])] if "label" in sentence else []
        where += [rule_code(sentence["when"])] if "when" in sentence else []
        rows.append((GROUPS[sentence["under"]], ", ".join(where), code(sentence["say"])))
    return ["Sentences about people:", table(("under", "where", "sentence"), rows)] if rows else []


def _reference_patients(version: Mapping[str, Any]) -> list[Block]:
    """Made-up people with the result that they must get."""
    rows = []
    for entry in version.get("reference_patients", ()):
        expected = entry["expected"]
        shown = expected if isinstance(expected, dict) else {"": expected}
        values = "; ".join(f"{f'{code(name)} ' if name else ''}{value}" for name, value in shown.items())
        record = ", ".join(
            f"{name} {str(value).lower() if isinstance(value, bool) else value}"
            for name, value in entry["patient"].items()
        )
        rows.append((entry.get("title", ""), record, values))
    told = "These made-up reference patients are checked whenever the pack is used:"
    return [told, table(("who", "record", "result"), rows)] if rows else []


def _without_column(d: Definition) -> str:
    if KINDS[d.kind].counted:
        return "none; counted by area"
    return "none; used in sentences" if d.raw.get(SENTENCES) else "none; used by other definitions"


def _facts(d: Definition, several: bool) -> Table:
    rows = [
        ("name", code(d.id)),
        ("kind", KINDS[d.kind].called),
        ("output column", code(d.output) if d.output else _without_column(d)),
        ("type", "true or false, never null" if d.node.type.kind == "bool" else _type(d)),
        ("unit", d.raw.get("unit", "")),
        ("version", "see above" if several else d.version),
        ("source", d.raw.get("source", "")),
        ("assumption", d.raw.get("assumption", "")),
        ("licence", d.raw.get("licence", "")),
    ]
    return table(("", ""), [r for r in rows if r[1]])


# -- the page of the default pack --------------------------------------------------------------------------------------


def page() -> str:
    """docs/definitions.md: the default pack's page, and a list of the other packs."""
    found = sections(load_pack(DEFAULT_PACK))
    others = [p for p in list_packs() if p["id"] != DEFAULT_PACK]
    rows = [(code(p["id"]), p["version"], p["title"]) for p in others]
    text = "These smaller packs come with popstrat. `popstrat packs show NAME` prints their definitions."
    found.append(Section(2, "Other packs", [text, table(("pack", "version", "title"), rows)]))
    return written(found, f"`{COMMAND}` makes this page from the pack. Change the pack, not this page.")


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
