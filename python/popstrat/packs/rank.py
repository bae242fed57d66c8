"""By what the people of a cohort are put in order: data of the pack (`rank`, `default_rank`)."""

from __future__ import annotations

from popstrat.core.text import suggest
from popstrat.packs.definition import Definition
from popstrat.packs.resolved import Resolved

RANK, DEFAULT_RANK = "rank", "default_rank"


def rank_of(resolved: Resolved, ident: str) -> Definition | None:
    """The definition whose labels put the people of a cohort in order, the first label first: the one that the cohort
    names, else the one that is there for all that name none; None if there is neither."""
    named = resolved.definitions[ident].raw.get(RANK)
    if named is not None:
        return resolved.definitions[named]
    return next((d for d in resolved.definitions.values() if d.raw.get(DEFAULT_RANK) is True), None)


def check_ranks(resolved: Resolved) -> Resolved:
    """The pack as it came. Raises `PackError`, pointing at the word, for a `rank` that is not a column of labels, and
    for a second definition that is there for all."""
    written = {d.id: d for d in resolved.outputs}
    usual: list[str] = []
    for ident, found in resolved.definitions.items():
        if found.parent is not None:
            continue
        named = found.raw.get(RANK)
        if named is not None and (named not in written or written[named].dtype != "dictionary"):
            labels = [d.id for d in written.values() if d.dtype == "dictionary"]
            told = f"`{RANK}` names a definition that writes a column of labels, and {named!r} is none"
            raise resolved.pack.error(f"definition.{ident}", f"{told}{suggest(named, labels)}", named, 0, len(named))
        if found.raw.get(DEFAULT_RANK) is True:
            if found.output is None or found.dtype != "dictionary":
                told = f"`{DEFAULT_RANK}` is for a definition that writes a column of labels"
                raise resolved.pack.error(f"definition.{ident}", told, DEFAULT_RANK, 0, len(DEFAULT_RANK))
            usual.append(ident)
            if len(usual) > 1:
                told = f"{usual[0]!r} is the `{DEFAULT_RANK}` already: set it to false there"
                raise resolved.pack.error(f"definition.{ident}", told, DEFAULT_RANK, 0, len(DEFAULT_RANK))
    return resolved
