"""Which words a pack's rules use, read without evaluating them; and what a pack adds that nothing uses.

An override that is misspelt adds something instead of changing it: nothing uses it, and nothing changes.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from popstrat.packs.files import PackFile

SECTIONS = {
    "parameters": "parameter", "sets": "set", "windows": "window", "input": "input column", "definition": "definition",
}  # fmt: skip
OFFERED = "offered"
"""With this key a pack says that something is there for packs that extend it, so that its own rules need not use it."""

_WORD = re.compile(r"[^\W\d]\w*")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


def expressions(body: Mapping[str, Any]) -> Iterator[str]:
    """Every piece of rule text in one definition's table, those of all its versions included. Of a table that is
    written wrongly, whatever is there."""
    for version in [body, *_tables(body.get("versions"))]:
        for key in ("value", "eligible", "diagnosed", "optimised", "undiagnosed", "of"):
            yield from _texts(version.get(key), "when")
        yield from _texts(version.get("rules"), "when")
        yield from _texts(version.get("nodes"), "split")
        for term in _tables(version.get("terms")):
            yield from _texts([term.get(key) for key in ("when", "value", "of")])
            yield " ".join(_texts(term.get("product")))
        yield from _texts(list(_items(version.get("strata")).values()))
        yield from _texts(list(_items(version.get("derived")).values()), "value")
        for name, spec in _items(version.get("inputs")).items():
            written = _items(spec)
            yield from _texts([written.get("from", name), written.get("default")])


def used_words(body: Mapping[str, Any]) -> list[str]:
    """The words that a definition's rules use, in reading order, labels in quotes left out."""
    return list(dict.fromkeys(w for text in expressions(body) for w in _WORD.findall(_QUOTED.sub(" ", text))))


def versions(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The definition's table for each of its dated versions, earliest first."""
    tables = [{k: v for k, v in body.items() if k != "versions"} | dict(v) for v in body.get("versions") or [{}]]
    return sorted(tables, key=lambda t: t.get("effective_from", dt.date.min))


@dataclass(frozen=True)
class Unused:
    """Something that a file adds to what it extends and that nothing uses.

    ``fault``: it stands in the pack given to a run, and may be a change of what that pack extends, misspelt.
    ``near``: what there is to change.
    """

    file: str
    section: str  # of SECTIONS, or "pack" for an entry of `columns`
    name: str
    fault: bool
    near: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """What is wrong, in a sentence."""
        if self.section == "pack":
            return f"`columns` names {self.name}, which no definition writes"
        if self.section == "definition":
            return f"definition {self.name} writes no column, and nothing uses it"
        return f"nothing uses the {SECTIONS[self.section]} {self.name}"


def unused(given: PackFile, standard: Iterable[str] = ()) -> tuple[Unused, ...]:
    """What the files of a pack add and nothing uses, at any date, by any file, in reference patients or in a fit.

    ``standard``: the columns of the patient table. What a file extends has its own check, so a file answers only for
    what none of its bases has. Raises nothing, whatever the files hold.
    """
    files = given.bases_last
    words, republished = _words(files)
    written = _columns(files)
    found = []
    for file in files:
        fault = file is given and bool(file.extends)
        for section in SECTIONS:
            known = dict.fromkeys(name for base in file.bases_last[1:] for name, _ in _entries(base, section))
            for name, body in _entries(file, section):
                if name in known or name in words or body.get(OFFERED) is True:
                    continue
                if section == "definition" and _stands_alone(name, files):
                    continue
                if section == "input" and name in republished:
                    continue
                near = [*known, *standard] if section == "input" else known
                found.append(Unused(file.name, section, name, fault, tuple(near)))
        for name in _texts(_items(file.raw.get("pack")).get("columns")):
            if name not in written:
                found.append(Unused(file.name, "pack", name, fault, tuple(written)))
    return tuple(found)


def _entries(file: PackFile, section: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a file writes in one of its sections, by name."""
    if section == "input":
        yield from ((str(column.get("name")), column) for column in _tables(file.raw.get("input")))
    else:
        yield from ((name, _items(body)) for name, body in _items(file.raw.get(section)).items())


def _words(files: Iterable[PackFile]) -> tuple[set[str], set[str]]:
    """Every word that something uses, and the definitions that republish the column they are named after. What a rule
    said before it was changed counts too: whoever wrote that had a use for the word."""
    used: set[str] = set()
    republished: set[str] = set()
    columns: dict[str, Mapping[str, Any]] = {}
    members: dict[str, set[str]] = {}
    for file in files:
        for ident, body in _entries(file, "definition"):
            words = used_words(body)
            used.update(word for word in words if word != ident)
            if ident in words:
                republished.add(ident)
            for version in [body, *_tables(body.get("versions"))]:
                for entry in _tables(version.get("reference_patients")):
                    used.update(_items(entry.get("patient")))
                    used.update(name for name in _items(entry.get("expected")) if name != ident)
        used.update(_strings(file.raw.get("fit")))
        columns.update(_entries(file, "input"))
        for name, body in _entries(file, "sets"):
            if body.get(OFFERED) is True:
                used.add(name)
            members.setdefault(name, set()).update(_texts(body.get("members")))
    for name in used & set(members):
        used |= members[name]
    used.update(str(columns[name].get("completed_years_since")) for name in used & set(columns))
    return used, republished


def _stands_alone(ident: str, files: Iterable[PackFile]) -> bool:
    """Whether a definition is of use by itself: it writes a column at some date, or it is a model, whose terms and
    counts are shown without one."""
    for file in files:
        for name, body in _entries(file, "definition"):
            for version in [body, *_tables(body.get("versions"))] if name == ident else ():
                if version.get("output") or version.get("kind") == "model":
                    return True
    return False


def _columns(files: Iterable[PackFile]) -> dict[str, None]:
    """The columns that the definitions of any file write at any date."""
    found: dict[str, None] = {}
    for file in files:
        for ident, body in _entries(file, "definition"):
            for version in [body, *_tables(body.get("versions"))]:
                for key in ("output", "missing_output", "reason_output"):
                    if version.get(key):
                        found[ident if version[key] is True else str(version[key])] = None
                for horizon in _tables(version.get("horizons")):
                    if horizon.get("output"):
                        own = f"{ident}_{horizon.get('id')}"
                        found[own if horizon["output"] is True else str(horizon["output"])] = None
    return found


# -- of tables that may be written wrongly, what is there --------------------------------------------------------------


def _items(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _tables(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (table for table in value if isinstance(table, Mapping)) if isinstance(value, list) else ()


def _texts(value: Any, key: str = "") -> Iterator[str]:
    """Texts: one, or those of a list; of tables in the list, what stands under `key`."""
    for item in value if isinstance(value, list) else [value]:
        text = item.get(key) if isinstance(item, Mapping) else item
        if isinstance(text, str):
            yield text


def _strings(value: Any) -> Iterator[str]:
    """Every text in a value, keys included."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value
