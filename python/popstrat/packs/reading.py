"""What a pack says, read without evaluating it: rule texts and their words, versions, the dates that matter."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any

from popstrat.model import term_texts
from popstrat.pack import Pack, builtin_packs, load_pack

_WORD = re.compile(r"[^\W\d]\w*")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


def list_packs() -> list[dict[str, str]]:
    """The packs that come with popstrat: id, version, title, path."""
    found = []
    for name in builtin_packs():
        pack = load_pack(name)
        found.append({"id": pack.id, "version": pack.version, "title": pack.title, "path": pack.sources[0].location})
    return found


# -- rule texts, by kind of definition ---------------------------------------------------------------------------------


def expressions(body: Mapping[str, Any]) -> Iterator[str]:
    """Every piece of rule text in one definition, those of all its versions included."""
    for version in [body, *body.get("versions", ())]:
        yield from _written(version, "value")
        yield from _written(version, "eligible")
        yield from _status_texts(version)
        yield from _count_texts(version)
        yield from _first_match_texts(version)
        yield from _tree_texts(version)
        yield from _model_texts(version)


def _written(version: Mapping[str, Any], key: str) -> Iterator[str]:
    """A rule under `key`, or several of them."""
    found = version.get(key, ())
    yield from [part["when"] for part in found] if isinstance(found, list) else [str(found)] if found else []


def _status_texts(version: Mapping[str, Any]) -> Iterator[str]:
    for key in ("diagnosed", "optimised", "undiagnosed"):
        yield from _written(version, key)


def _count_texts(version: Mapping[str, Any]) -> Iterator[str]:
    of = version.get("of", ())
    yield from [of] if isinstance(of, str) else map(str, of)


def _first_match_texts(version: Mapping[str, Any]) -> Iterator[str]:
    for rule in version.get("rules", ()):
        yield str(rule.get("when", ""))


def _tree_texts(version: Mapping[str, Any]) -> Iterator[str]:
    for node in version.get("nodes", ()):
        yield str(node.get("split", ""))


def _model_texts(version: Mapping[str, Any]) -> Iterator[str]:
    for term in term_texts(version) if version.get("terms") else ():
        yield " ".join(term.factors) if term.form == "product" else term.text
    yield from map(str, version.get("strata", {}).values())
    for made in version.get("derived", {}).values():
        yield str(made["value"] if isinstance(made, dict) else made)
    for name, spec in version.get("inputs", {}).items():
        yield str(spec.get("from", name))
        if spec.get("default") is not None and not isinstance(spec["default"], bool | int | float):
            yield str(spec["default"])


# -- words -------------------------------------------------------------------------------------------------------------


def used_words(body: Mapping[str, Any]) -> list[str]:
    """The words that a definition's rules use, in reading order, labels in quotes left out."""
    return list(dict.fromkeys(w for text in expressions(body) for w in _WORD.findall(_QUOTED.sub(" ", text))))


def reach(pack: Pack, ident: str) -> set[str]:
    """The words that a definition uses, sets opened."""
    found = set(used_words(pack.raw["definition"][ident]))
    for name in found & set(pack.raw.get("sets", {})):
        found = found | set(pack.raw["sets"][name]["members"])
    return found


# -- versions and dates ------------------------------------------------------------------------------------------------


def versions(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The definition's table for each of its dated versions, earliest first."""
    tables = [{k: v for k, v in body.items() if k != "versions"} | dict(v) for v in body.get("versions") or [{}]]
    return sorted(tables, key=lambda t: t.get("effective_from", dt.date.min))


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
