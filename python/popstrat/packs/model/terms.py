"""The terms of a model as they are written, each form of them taken apart into conditions, values and products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from popstrat.core.text import suggest
from popstrat.errors import TermError
from popstrat.lang.compose import bracketed
from popstrat.packs.shapes import beyond, is_number

EVIDENCE = ("published", "derived", "assumption")
MOST_POWERS = 16
"""Of one number in a term."""
_PROVENANCE = {"evidence", "source", "why"}
_TERM_FORMS = {
    "when": {"when", "coefficient"},
    "value": {"value", "coefficient", "center"},
    "powers": {"of", "powers", "shift", "scale", "coefficients", "center"},
    "levels": {"of", "levels", "reference"},
    "product": {"product", "coefficient"},
}
_TERM_KEYS = {"id", "title", *_PROVENANCE} | {key for keys in _TERM_FORMS.values() for key in keys}


@dataclass(frozen=True)
class TermText:
    """A term as a reader sees it: one weight a stratum. Powers and levels are already one term each."""

    id: str
    title: str
    form: str  # when, value or product
    text: str  # the rule; for a product its factors
    coefficient: Any  # a number, or a table of numbers by stratum
    center: Any
    evidence: str
    source: str
    factors: tuple[str, ...] = ()
    pointer: str = ""  # what of the file to point at


def term_texts(raw: Mapping[str, Any], labels: Callable[[str], Sequence[str]] | None = None) -> list[TermText]:
    """The terms of a model's table, powers and levels taken apart. Raises `TermError`.

    ``labels`` tells the labels of a category, so that a level that is missing is found; None passes over that.
    """
    found: list[TermText] = []
    numbers = raw.get("coefficients", {})
    if not isinstance(numbers, Mapping):
        raise TermError("`coefficients` is a table of numbers by term", "coefficients")
    for ident, weight in numbers.items():
        if not by_stratum_shape(weight):
            told = f"`coefficients`: {ident!r} is a number (or one for each stratum){_beyond(weight)}"
            raise TermError(told, str(ident), at=("coefficients", ident))
    table = weighed(raw)
    if not isinstance(table, list):
        raise TermError("`terms` is a list of tables: [[definition.….terms]]", "terms")
    _refuse_strangers(numbers, table)
    default = {"evidence": raw.get("evidence"), "source": raw.get("source") if raw.get("evidence") else None}
    for number, term in enumerate(table, 1):
        if not isinstance(term, dict) or not isinstance(term.get("id"), str) or not term["id"]:
            raise TermError(f"term {number} needs an `id`")
        try:
            found += _texts(term, default, labels)
        except TermError as error:
            raise TermError(str(error), error.text, "" if error.at else term["id"], error.at) from None
    seen: set[str] = set()
    for text in found:
        if text.id in seen:
            raise TermError(f"two terms are called {text.id!r}", text.pointer)
        seen.add(text.id)
    return found


def _refuse_strangers(numbers: Mapping[str, Any], terms: Sequence[Any]) -> None:
    """Refuse a number of `coefficients` that is no term's, before a term is found to have none. Raises `TermError`."""
    known = [ident for term in terms if isinstance(term, Mapping) for ident in _names(term)]
    for ident in numbers:
        if ident not in known:
            parts = [name for name in known if name.startswith(f"{ident}.")]
            told = f": say of which part, {' or '.join(parts)}" if parts else suggest(ident, known)
            told = f"`coefficients` has {ident!r}, and there is no such term{told}"
            raise TermError(told, ident, at=("coefficients", ident))


def _names(term: Mapping[str, Any]) -> list[str]:
    """What the terms are called that one entry makes; of one that is written wrongly, what can be told."""
    name, powers, levels = str(term.get("id")), term.get("powers"), term.get("levels")
    if isinstance(powers, list):
        return [name] if len(powers) == 1 else [f"{name}.{i + 1}" for i in range(len(powers))]
    if isinstance(levels, Mapping):
        return [f"{name}.{label}" for label in levels]
    if isinstance(levels, list):
        return [f"{name}.{level_name(table)}" for level in levels if isinstance(table := level_table(level), Mapping)]
    return [name]


def said_twice(raw: Mapping[str, Any]) -> list[str]:
    """The terms whose number stands in a table's `coefficients` and in the term as well. Of tables that are written
    wrongly, what can be told."""
    numbers, terms = raw.get("coefficients"), raw.get("terms")
    if not isinstance(numbers, Mapping) or not isinstance(terms, list):
        return []
    return [
        ident for term in terms if isinstance(term, Mapping)
        for ident, own in zip(_names(term), _own(term), strict=False)
        if own is not None and by_stratum_shape(numbers.get(ident))
    ]  # fmt: skip


def _own(term: Mapping[str, Any]) -> list[Any]:
    """The numbers that an entry of `terms` has itself, None where it has none, in the order of `_names`."""
    levels, several = term.get("levels"), term.get("coefficients")
    if isinstance(levels, Mapping):
        return list(levels.values())
    if isinstance(levels, list):
        return [table.get("coefficient") for level in levels if isinstance(table := level_table(level), Mapping)]
    return list(several) if "powers" in term and isinstance(several, list) else [term.get("coefficient")]


def weighed(raw: Mapping[str, Any]) -> Any:
    """The `terms` of a model's table with the numbers of its `coefficients` in their place. Of tables that are written
    wrongly, what is there."""
    terms, numbers = raw.get("terms", []), raw.get("coefficients")
    if not isinstance(terms, list) or not isinstance(numbers, Mapping):
        return terms
    return [_weighed(t, numbers) if isinstance(t, dict) and isinstance(t.get("id"), str) else t for t in terms]


def _weighed(term: Mapping[str, Any], numbers: Mapping[str, Any]) -> Mapping[str, Any]:
    name, powers, levels = term["id"], term.get("powers"), term.get("levels")
    if isinstance(powers, list):
        idents = _names(term)
        own = term.get("coefficients", [None] * len(powers))
        if isinstance(own, list) and len(own) == len(powers):
            return {**term, "coefficients": [numbers.get(i, one) for i, one in zip(idents, own, strict=True)]}
    elif isinstance(levels, dict):
        return {**term, "levels": {label: numbers.get(f"{name}.{label}", one) for label, one in levels.items()}}
    elif isinstance(levels, list):
        return {**term, "levels": [_weighed_level(name, level, numbers) for level in map(level_table, levels)]}
    elif name in numbers:
        return {**term, "coefficient": numbers[name]}
    return term


def _weighed_level(name: str, level: Any, numbers: Mapping[str, Any]) -> Any:
    ident = level_name(level) if isinstance(level, dict) else None
    return {**level, "coefficient": numbers[f"{name}.{ident}"]} if f"{name}.{ident}" in numbers else level


def level_table(level: Any) -> Any:
    """A level of a category as a table: one that is only a label has no coefficient of its own."""
    return {"labels": [level]} if isinstance(level, str) else level


def level_name(level: Mapping[str, Any]) -> Any:
    """What a level is called: its id, or its one label. None for what has neither."""
    labels = level.get("labels")
    return level.get("id", labels[0] if isinstance(labels, list) and len(labels) == 1 else None)


def _texts(
    term: Mapping[str, Any], default: Mapping[str, Any], labels: Callable[[str], Sequence[str]] | None
) -> list[TermText]:
    name = term["id"]
    for key in term:
        if key not in _TERM_KEYS:
            raise TermError(f"term {name!r}: unknown key {key!r}{suggest(key, _TERM_KEYS)}", key)
    forms = [form for form in _TERM_FORMS if form in term]
    if len(forms) != 1:
        raise TermError(
            f"term {name!r} has one of: a `when` (a condition), a `value` (a number), `of` with `powers` or `levels`, "
            "a `product`", name,
        )  # fmt: skip
    form = forms[0]
    for key in term:
        if key not in _TERM_FORMS[form] | {"id", "title"} | _PROVENANCE:
            told = ": write `value = '1 if … else 0'` in its place" if (form, key) == ("when", "center") else ""
            raise TermError(f"term {name!r}: `{key}` does not go with `{form}`{told}", key)
    title = term.get("title") or name.replace("_", " ")
    evidence, source = _provenance(name, term, default)

    def made(ident: str, called: str, kind: str, text: str, weight: Any, center: Any = None, **more: Any) -> TermText:
        if not by_stratum_shape(weight):
            raise TermError(
                f"term {ident!r} needs a `coefficient`, a number (or one for each stratum){_beyond(weight)}", name
            )
        if center is not None and not by_stratum_shape(center):
            raise TermError(
                f"term {ident!r}: `center` is a number (or one for each stratum){_beyond(center)}", "center"
            )
        told = {"evidence": evidence, "source": source} | more
        return TermText(ident, called, kind, text, weight, center, pointer=name, **told)

    match form:
        case "when" | "value":
            return [made(name, title, form, _text(name, term[form], form), term.get("coefficient"), term.get("center"))]
        case "product":
            factors = term["product"]
            if not isinstance(factors, list) or len(factors) < 2 or not all(isinstance(f, str) for f in factors):
                raise TermError(f"term {name!r}: `product` lists two or more terms, derived values or inputs", name)
            shown = " × ".join(factors)
            return [made(name, title, form, shown, term.get("coefficient"), factors=tuple(factors))]
        case "powers":
            return [made(*made_of) for made_of in _powers(name, title, term)]
    return [made(ident, called, "when", text, weight, None, **more)
            for ident, called, text, weight, more in _levels(name, title, term, default, labels)]  # fmt: skip


def _text(name: str, text: Any, key: str) -> str:
    if isinstance(text, str) and text.strip():
        return text
    raise TermError(f"term {name!r}: `{key}` is an expression in quotes", name)


def _provenance(name: str, term: Mapping[str, Any], default: Mapping[str, Any]) -> tuple[str, str]:
    evidence = term.get("evidence", default.get("evidence"))
    source = term.get("source") or term.get("why") or default.get("source")
    if isinstance(evidence, str) and evidence not in EVIDENCE:
        told = f"`evidence` is one of {', '.join(EVIDENCE)}, and not {evidence!r}{suggest(evidence, EVIDENCE)}"
        own = "evidence" in term
        raise TermError(f"term {name!r}: {told}" if own else told, evidence, at=() if own else ("evidence",))
    if evidence not in EVIDENCE or not source:
        raise TermError(
            f"term {name!r} needs its `evidence` ({', '.join(EVIDENCE)}) with a `source` or a `why` "
            "(or the model says so for all)", name,
        )  # fmt: skip
    return evidence, str(source)


def by_stratum_shape(value: Any) -> bool:
    """A number, or a table of numbers."""
    return is_number(value) or (isinstance(value, dict) and bool(value) and all(map(is_number, value.values())))


def _beyond(value: Any) -> str:
    return next(filter(None, map(beyond, value.values() if isinstance(value, dict) else [value])), "")


def _powers(name: str, title: str, term: Mapping[str, Any]) -> list[tuple[str, str, str, str, Any, Any]]:
    """Fractional polynomials (Royston and Altman 1994): power 0 is the logarithm, and each time a power is repeated
    it is multiplied by the logarithm once more."""
    of = _text(name, term.get("of"), "of")
    powers = term["powers"]
    if not isinstance(powers, list) or not 0 < len(powers) <= MOST_POWERS or not all(map(is_number, powers)):
        raise TermError(f"term {name!r}: `powers` is a list of numbers, at most {MOST_POWERS}", "powers")
    weights: Any = term.get("coefficients")
    centers: Any = term.get("center", [None] * len(powers))
    for key, given in (("coefficients", weights), ("center", centers)):
        if not isinstance(given, list) or len(given) != len(powers):
            raise TermError(f"term {name!r}: `{key}` is a list with one for each of the {len(powers)} powers", name)
    shift, scale = term.get("shift", 0), term.get("scale", 1)
    if not is_number(shift) or not is_number(scale) or scale == 0:
        raise TermError(f"term {name!r}: `shift` and `scale` are numbers, `scale` not 0", "scale")
    x = bracketed(of, "**")
    x = x if shift == 0 else f"({x} {'+' if shift > 0 else '-'} {abs(shift)!r})"
    x = x if scale == 1 else f"({x} / {scale!r})"
    found = []
    for i, power in enumerate(powers):
        logs = powers[:i].count(power)
        factors = ([] if power == 0 else [x if power == 1 else f"{x} ** {power!r}"]) + [f"ln({x})"] * (
            logs + (power == 0)
        )
        ident = name if len(powers) == 1 else f"{name}.{i + 1}"
        called = title if len(powers) == 1 else f"{title}, {' × '.join(_power_words(power, logs))}"
        found.append((ident, called, "value", " * ".join(factors), weights[i], centers[i]))
    return found


def _power_words(power: float, logs: int) -> list[str]:
    return ([] if power == 0 else [f"power {power:g}"]) + ["logarithm"] * (logs + (power == 0))


def _levels(
    name: str, title: str, term: Mapping[str, Any], default: Mapping[str, Any],
    labels: Callable[[str], Sequence[str]] | None,
) -> list[tuple[str, str, str, Any, dict[str, Any]]]:  # fmt: skip
    of = _text(name, term.get("of"), "of")
    levels, reference = term["levels"], term.get("reference")
    if isinstance(levels, dict):
        levels = [{"labels": [label], "id": label, "coefficient": weight} for label, weight in levels.items()]
    levels = [level_table(level) for level in levels] if isinstance(levels, list) else levels
    if not isinstance(levels, list) or not levels or not all(isinstance(level, dict) for level in levels):
        raise TermError(f"term {name!r}: `levels` is a table of coefficients by label, or a list of tables", name)
    stands = [reference] if isinstance(reference, str) else reference
    if not isinstance(stands, list) or not stands or not all(isinstance(label, str) for label in stands):
        raise TermError(f"term {name!r} needs its `reference`: the label (or labels) without a coefficient", name)
    covered = list(stands)
    found = []
    for level in levels:
        for key in level:
            if key not in {"labels", "id", "title", "coefficient"} | _PROVENANCE:
                raise TermError(f"term {name!r}: unknown key {key!r} in a level", key)
        own = level.get("labels")
        if not isinstance(own, list) or not own or not all(isinstance(label, str) for label in own):
            raise TermError(f"term {name!r}: each level lists its `labels`", name)
        covered += own
        ident = level_name(level)
        if not isinstance(ident, str):
            raise TermError(f"term {name!r}: a level of several labels needs an `id`", name)
        more = {}
        if _PROVENANCE & set(level):
            evidence, source = _provenance(f"{name}.{ident}", {**term, **level}, default)
            more = {"evidence": evidence, "source": source}
        shown = ", ".join(f'"{label}"' for label in own)
        text = f"{bracketed(of, 'in')} in {{{shown}}}"
        found.append(
            (f"{name}.{ident}", level.get("title") or f"{title}: {ident}", text, level.get("coefficient"), more)
        )
    twice = next((label for label, times in Counter(covered).items() if times > 1), None)
    if twice is not None:
        raise TermError(f"term {name!r}: the label {twice!r} stands in it twice", twice)
    if labels is not None:
        known = labels(of)
        for label in covered:
            if label not in known:
                raise TermError(f"term {name!r}: {label!r} is not a label of {of}{suggest(label, known)}", label)
        lost = [label for label in known if label not in covered]
        if lost:
            raise TermError(
                f"term {name!r}: no coefficient for {', '.join(map(repr, lost))}: name each label in `levels`, or in "
                "`reference`", name,
            )  # fmt: skip
    return found
