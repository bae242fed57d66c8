"""What a pack assumes where no public source says: chosen values, rules, weights and defaults, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from popstrat.core.blocks import code
from popstrat.model import term_texts
from popstrat.pack import Pack
from popstrat.packs.uses import versions


@dataclass(frozen=True)
class Assumption:
    """`about` says in inline Markdown what of a definition is assumed; it is empty for all of it."""

    section: str  # windows, parameters, sets, definition
    name: str
    about: str
    text: str


def assumptions(pack: Pack) -> list[Assumption]:
    """All that a pack, with what it extends, assumes; each once."""
    return list(dict.fromkeys(_assumptions(pack.raw)))


def _assumptions(raw: Mapping[str, Any]) -> Iterator[Assumption]:
    for section in ("windows", "parameters", "sets"):
        for name, body in raw.get(section, {}).items():
            text = body.get("assumption", "")
            if not text and str(body.get("source", "")).lower().startswith("assumption"):
                text = str(body["source"]).partition(":")[2].strip()
            if text:
                yield Assumption(section, name, "", text)
    for ident, body in raw.get("definition", {}).items():
        if body.get("assumption"):
            yield Assumption("definition", ident, "", body["assumption"])
        for version in versions(body):
            for about, text in (*_of_rules(version), *_of_terms(version), *_of_inputs(version)):
                yield Assumption("definition", ident, about, text)


# -- by kind of definition: what is assumed, and why -------------------------------------------------------------------


def _of_rules(version: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for rule in version.get("rules", ()):
        if rule.get("assumption"):
            yield code(rule["label"]), rule["assumption"]


def _of_terms(version: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Terms of a model, those with the same reason together."""
    reasons: dict[str, list[str]] = {}
    for term in term_texts(version) if version.get("terms") else ():
        if term.evidence == "assumption":
            reasons.setdefault(term.source, []).append(term.title)
    for why, terms in reasons.items():
        yield "; ".join(terms), why


def _of_inputs(version: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What stands in for an input without a record."""
    for name, spec in version.get("inputs", {}).items():
        yield f"{code(name)} without a record is {code(spec['default'])}", spec.get("why", "")
