"""Definitions that are like another one of their pack: `like = "other"`.

One rule: such a definition is the other's table with its own laid over it, as a pack is laid over what it extends:
tables key by key, anything else as a whole. What says which definition it is and what becomes of its result (`OWN`) is
never taken. It is done when a pack is read, after `extends`, so that what a pack changes of a definition it changes for
all that are like it; and what comes out is plain tables, so that nothing behind this knows of it. Which parts were
taken, and from where, is kept for pages and for errors that point at a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from popstrat.core.text import suggest
from popstrat.packs.merge import Path, instead_of
from popstrat.packs.shapes import Fail
from popstrat.packs.unused import OFFERED

LIKE = "like"
OWN = frozenset({
    LIKE, "title", "means", "version", "versions", "effective_from", "effective_to", "horizon", "name", "output",
    "missing_output", "reason_output", "reference_patients", "provenance", "draft", OFFERED, "default_rank",
})  # fmt: skip
"""What a definition says of itself only."""

Taken = Mapping[str, str]
"""The parts of a definition that another one states: their dotted path below it → the definition that states them."""


def alike(definitions: Mapping[str, Any], fail: Fail) -> tuple[dict[str, Any], dict[str, Taken]]:
    """The definitions of a pack with what each takes from the one that it is like, and which parts those are.

    Raises whatever ``fail`` makes: for a definition that is like none, like itself, or like one whose rules are dated.
    """
    done: dict[str, Any] = {}
    taken: dict[str, Taken] = {}
    for ident in definitions:
        for name in reversed(_chain(ident, definitions, fail)):
            if name in done:
                continue
            body = definitions[name]
            if LIKE in body:
                other = body[LIKE]
                if "versions" in done[other] and "versions" not in body:
                    told = f"{other!r}, which this is like, has dated versions: state `versions` here"
                    raise fail(f"definition.{name}", told, other, 0, len(other))
                base = {key: value for key, value in done[other].items() if key not in OWN}
                found: dict[str, str] = {}
                body = _over(("definition", name), base, body, other, taken.get(other, {}), found)
                taken[name] = found
            done[name] = body
    return {ident: done[ident] for ident in definitions}, taken


def _chain(ident: str, definitions: Mapping[str, Any], fail: Fail) -> list[str]:
    """A definition, the one that it is like, the one that that is like, and so on."""
    chain = [ident]
    while LIKE in definitions[chain[-1]]:
        other = definitions[chain[-1]][LIKE]
        section = f"definition.{chain[-1]}"
        if not isinstance(other, str):
            raise fail(section, f"`{LIKE}` is the name of another definition", LIKE, 0, len(LIKE))
        if other in chain:
            told = f"is like itself, through {' → '.join([*chain[chain.index(other) :], other])}"
            raise fail(section, told, other, 0, len(other))
        if other not in definitions:
            near = suggest(other, [name for name in definitions if name != chain[-1]])
            raise fail(section, f"there is no definition {other!r} to be like{near}", other, 0, len(other))
        chain.append(other)
    return chain


def _over(
    path: Path, base: Mapping[str, Any], own: Mapping[str, Any], other: str, before: Taken, found: dict[str, str]
) -> dict[str, Any]:
    """A table laid over that of the definition ``other``; ``before`` says what that has taken itself, ``found`` is
    told what is taken from it."""
    dropped = {gone for key in own for gone in instead_of((*path, key))}
    made = {key: value for key, value in base.items() if key not in dropped}
    for key, value in made.items():
        if key not in own:
            found.update(_origins(".".join((*path[2:], key)), other, before))
        elif isinstance(value, Mapping) and isinstance(own[key], Mapping):
            made[key] = _over((*path, key), value, own[key], other, before, found)
        else:
            made[key] = own[key]
    return {**made, **{key: value for key, value in own.items() if key not in made}}


def _origins(path: str, other: str, before: Taken) -> Iterator[tuple[str, str]]:
    """Where a part comes from that is taken as a whole, and those below it that come from elsewhere."""
    parts = path.split(".")
    known = (before.get(".".join(parts[:count])) for count in range(len(parts), 0, -1))
    yield path, next((origin for origin in known if origin), other)
    yield from ((below, origin) for below, origin in before.items() if below.startswith(f"{path}."))
