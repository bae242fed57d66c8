"""A feature specification as a page: every column of the patient table with its rule in words and its source.

``python -m popstrat.pages.specification --write docs/features.md`` writes the page of the default specification.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from popstrat.core.blocks import Block, Section, code, link, table
from popstrat.deriving.features import Features
from popstrat.deriving.folds import Extreme, LastValue, Pair, Values
from popstrat.deriving.kinds.kind import Feature
from popstrat.deriving.kinds.registry import KINDS
from popstrat.deriving.spec import DEFAULT_SPEC, Spec, load_spec
from popstrat.packs.names import Names
from popstrat.packs.reading import boundaries, latest
from popstrat.packs.uses import versions
from popstrat.pages import terminal
from popstrat.pages.catalogue import Page, period
from popstrat.pages.markdown import written

COMMAND = "python -m popstrat.pages.specification --write docs/features.md"

_READING = (
    "Only rows dated from birth up to the as-of date count. Undated rows are set aside and counted. A value is usable "
    "if it is in one of the named units and, once converted, within the bounds, both included. Windows include both "
    "ends. Code lists are named here; they are separate files."
)


def sections(spec: Spec, as_of: dt.date | None = None) -> list[Section]:
    """The page of a specification at `as_of` (the newest if None), with all versions. Raises `PackError`."""
    for date in boundaries(spec):  # every version is shown, so every version has to hold
        spec.at(date)
    features = spec.at(as_of or latest(spec))
    page = Page(features.resolved, Names(features.resolved, spec.raw))
    found = [
        _head(spec),
        Section(2, "Columns of the patient table", [_columns(features)]),
        Section(2, "Features", [_READING]),
        *(_feature(spec, f) for f in features.features),
        Section(2, "Definitions over features"),
        *page.definitions(),
        *page.parameters(),
        *page.windows(),
        *page.lookups(),
        *page.sets(),
        Section(2, "Code lists", [_lists(features)]),
        Section(2, "What is not derived", [_not_derived(features)]),
        page.assumptions(spec),
    ]
    return [s for s in found if s.blocks or s.level <= 1 or (s.title.startswith("Definitions") and page.own)]


def markdown(spec: Spec, as_of: dt.date | None = None) -> str:
    """The page of a specification as Markdown."""
    return written(sections(spec, as_of))


def shown(name_or_path: str | Path | Spec, as_of: dt.date | None = None) -> list[Section]:
    """The page of a specification. Raises `PackError`."""
    return sections(load_spec(name_or_path), as_of)


def show(name_or_path: str | Path | Spec, console: Console, as_of: dt.date | None = None) -> None:
    """Print the page of a specification. Raises `PackError`."""
    terminal.show(shown(name_or_path, as_of), console)


def _head(spec: Spec) -> Section:
    facts = [f"Feature specification {code(spec.id)}, version {spec.version}"]
    if spec.raw["pack"].get("licence"):
        facts.append(f"licence {spec.raw['pack']['licence']}")
    if len(spec.sources) > 1:
        facts.append("extends " + ", ".join(code(s.name) for s in spec.sources[1:]))
    description = " ".join(str(spec.raw["pack"].get("description", "")).split())
    return Section(1, spec.title, [description, "; ".join(facts) + "."] if description else ["; ".join(facts) + "."])


def _columns(features: Features) -> Block:
    titles = {f.id: f.told.title for f in features.features}
    titles |= {ident: d.title for ident, d in features.resolved.definitions.items()}
    rows = []
    for name, section in features.outputs.items():
        what, _, ident = section.partition(".")
        kind = features.by_id[ident].called if what == "feature" else "definition"
        rows.append((code(name), link(titles[ident], ident), kind))
    return table(("column", "derived by", "kind"), rows)


def _feature(spec: Spec, f: Feature) -> Section:
    blocks: list[Block] = [f.told.means] if f.told.means else []
    found = versions(spec.raw["feature"][f.id])
    for version in found:
        if len(found) > 1 or "effective_from" in version or "effective_to" in version:
            blocks.append(f"**Version {version.get('version', f.told.version)}, {period(version)}**")
        blocks += KINDS[version["kind"]].page(version)
    blocks += _bounds(f)
    written_as = [f"{code(p.word)}" + ("" if p.output else " (for definitions only)") for p in f.parts]
    rows = [
        ("name", code(f.id)), ("kind", f.called), ("gives", ", ".join(written_as)), ("version", f.told.version),
        ("source", f.told.raw.get("source", "")), ("assumption", f.told.raw.get("assumption", "")),
        ("caveat", f.told.raw.get("caveat", "")), ("may be missing", ", ".join(map(code, f.optional))),
    ]  # fmt: skip
    blocks.append(table(("", ""), [row for row in rows if row[1]]))
    return Section(3, f.told.title, blocks, f.id)


def _bounds(f: Feature) -> list[Block]:
    """What is plausible of the values, in words."""
    found: list[tuple[str, Values]] = []
    for fold in f.folds:
        if isinstance(fold, LastValue | Extreme):
            found.append((fold.name.rpartition(".")[2] if len(f.folds) > 1 else "", fold.values))
        elif isinstance(fold, Pair):
            found += [("first", fold.first_values), ("second", fold.second_values)]
    told = [f"{f'{name}: ' if name else ''}{v.minimum:g} to {v.maximum:g}" for name, v in found]
    return [f"Plausible: {'; '.join(told)}."] if told else []


def _lists(features: Features) -> Block:
    rows = []
    for name, users in features.lists.items():
        optional = [f.id for f in features.features if name in f.optional]
        both = ", ".join(link(code(ident), ident) for ident in (*users, *optional))
        rows.append((code(name), both, "needed" if users else "may be missing"))
    return table(("code list", "used by", ""), rows)


def _not_derived(features: Features) -> Block:
    rows = [(code(name), why) for name, why in features.not_derived.items()]
    rows += [(code(name), "the specification does not say why") for name in features.undecided]
    return table(("column", "why"), rows) if rows else "Every column of the patient table is derived."


# -- the page of the default specification -----------------------------------------------------------------------------


def page() -> str:
    """docs/features.md: the default specification's page."""
    told = f"`{COMMAND}` makes this page from the specification. Change the specification, not this page."
    return written(sections(load_spec(DEFAULT_SPEC)), told)


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
