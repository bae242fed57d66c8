"""What a pack adds that nothing uses: a change that is misspelt adds something, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from popstrat.packs import shapes
from popstrat.packs.files import PackFile
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.uses import SENTENCES, every_version, sentence_words, used_words

SECTIONS = {
    "parameters": "parameter", "sets": "set", "windows": "window", "lookups": "lookup", "input": "input column",
    "definition": "definition", "feature": "feature",
}  # fmt: skip
_SAID = ("kind", "title", "means", "source", "assumption", "caveat", "licence", "version", "versions")
OFFERED = "offered"
"""With this key a pack says that something is there for packs that extend it, so that its own rules need not use it."""


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
        if self.section == "feature":
            return f"feature {self.name} writes no column, and no definition uses it"
        return f"nothing uses the {SECTIONS[self.section]} {self.name}"


def unused(given: PackFile, tables: Mapping[str, Any], standard: Iterable[str] = ()) -> tuple[Unused, ...]:
    """What the files of a pack add and nothing uses, at any date, by any file, in reference patients or in a fit.

    ``tables``: what they say together, what definitions take from one another included; ``standard``: the columns of
    the patient table. What a file extends has its own check, so a file answers only for what none of its bases has.
    Raises nothing, whatever the files hold.
    """
    files = given.bases_last
    words, republished = _words(files)
    bodies = [*(entry for file in files for entry in _entries(file, "definition")), *_definitions(tables)]
    written = _columns(bodies)
    alone = _standing_alone(bodies)
    found = []
    for file in files:
        fault = file is given and bool(file.extends)
        for section in SECTIONS:
            known = dict.fromkeys(name for base in file.bases_last[1:] for name, _ in _entries(base, section))
            near = tuple([*known, *standard] if section == "input" else known)
            for name, body in _entries(file, section):
                if name in known or name in words or body.get(OFFERED) is True:
                    continue
                if section == "definition" and name in alone:
                    continue
                if section == "feature" and _of_use(name, given, words):
                    continue
                if section == "input" and name in republished:
                    continue
                found.append(Unused(file.name, section, name, fault, near))
        for name in shapes.texts(shapes.items(file.raw.get("pack")).get("columns")):
            if name not in written:
                found.append(Unused(file.name, "pack", name, fault, tuple(written)))
    return tuple(found)


def _of_use(feature: str, given: PackFile, words: Iterable[str]) -> bool:
    """Whether a feature writes a column at some date, or a definition uses a part of it: ``NAME_date``, say."""
    bodies = (body for file in given.bases_last for name, body in _entries(file, "feature") if name == feature)
    outputs = (v for b in bodies for version in every_version(b) for k, v in version.items() if k.endswith("output"))
    return any(outputs) or any(word.startswith(f"{feature}_") for word in words)


def _entries(file: PackFile, section: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a file writes in one of its sections, by name."""
    if section == "input":
        yield from ((str(column.get("name")), column) for column in shapes.tables(file.raw.get("input")))
    else:
        yield from ((name, shapes.items(body)) for name, body in shapes.items(file.raw.get(section)).items())


def _definitions(tables: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from ((name, shapes.items(body)) for name, body in shapes.items(tables.get("definition")).items())


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
            used.update(shapes.texts(body.get("like")))
            for version in every_version(body):
                used.update(sentence_words(version))
                for entry in shapes.tables(version.get("reference_patients")):
                    used.update(shapes.items(entry.get("patient")))
                    used.update(name for name in shapes.items(entry.get("expected")) if name != ident)
        used.update(shapes.strings(file.raw.get("fit")))
        for _, body in _entries(file, "feature"):
            for version in every_version(body):  # what it names: a window, a parameter
                named = (v for k, v in version.items() if k not in _SAID and not k.endswith("output"))
                used.update(text for value in named for text in shapes.strings(value))
        columns.update(_entries(file, "input"))
        for name, body in _entries(file, "sets"):
            if body.get(OFFERED) is True:
                used.add(name)
            members.setdefault(name, set()).update(shapes.texts(body.get("members")))
    for name in used & set(members):
        used |= members[name]
    used.update(str(columns[name].get("completed_years_since")) for name in used & set(columns))
    return used, republished


def _standing_alone(bodies: Iterable[tuple[str, Mapping[str, Any]]]) -> set[str]:
    """The definitions that are of use by themselves: they write a column at some date or have something to say of
    people, or their kind needs neither."""
    found = set()
    for name, body in bodies:
        for version in every_version(body):
            kind = version.get("kind")
            if (
                version.get("output")
                or version.get(SENTENCES)
                or (isinstance(kind, str) and kind in KINDS and KINDS[kind].alone)
            ):
                found.add(name)
    return found


def _columns(bodies: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, None]:
    """The columns that the definitions of any file write at any date."""
    found: dict[str, None] = {}
    for ident, body in bodies:
        for version in every_version(body):
            output = version.get("output")
            if output:
                found[ident if output is True else str(output)] = None
            for kind in KINDS.values():
                found |= dict.fromkeys(kind.columns(ident, version))
    return found
