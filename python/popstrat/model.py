"""Risk models: a definition of kind ``model`` turned into expressions.

However a term is written (a condition, a number, powers of a number, levels of a category, a product of other terms)
it becomes one typed expression with a weight for each stratum, so that nothing after this module knows of more than
weighted sums. A model is refused rather than guessed at: an input that no term uses, a term that is the same for
everybody, a level without a weight, a stratum that nothing names are errors when the pack is loaded.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from popstrat.core.text import suggest
from popstrat.errors import PackError, TermError
from popstrat.lang import nodes as n
from popstrat.lang.parser import ExpressionError, arithmetic, cases, coalesce, conjunction, disjunction, negation

if TYPE_CHECKING:
    from popstrat.lang.source_map import Entry
    from popstrat.pack import Resolved

EVIDENCE = ("published", "derived", "assumption")
LINKS = ("logistic", "survival", "identity")
MODEL_KEYS = {
    "inputs", "derived", "strata", "terms", "link", "intercept", "baseline_survival", "horizons", "horizon",
    "recalibration", "decimals", "missing_output", "reason_output", "intended_use", "disclaimer", "evidence",
    "provenance", "draft", "name",
}  # fmt: skip
NO_STRATUM = "in no stratum"
NO_VALUE = "a term has no value"
_PROVENANCE = {"evidence", "source", "why"}
_TERM_FORMS = {
    "when": {"when", "coefficient"},
    "value": {"value", "coefficient", "center"},
    "powers": {"of", "powers", "shift", "scale", "coefficients", "center"},
    "levels": {"of", "levels", "reference"},
    "product": {"product", "coefficient"},
}
_TERM_KEYS = {"id", "title", *_PROVENANCE} | {key for keys in _TERM_FORMS.values() for key in keys}
_ONE = n.Const(n.NUMBER, "1", 1.0)
_ZERO = n.Const(n.NUMBER, "0", 0)

ByStratum = tuple[float | None, ...]
"""A number for each stratum, None where a stratum is not named."""


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


@dataclass(frozen=True)
class Term:
    """A term of a model as it is summed. `parts` holds, for each stratum, the expression and its weight (after
    recalibration), or None where the stratum does not have the term."""

    id: str
    title: str
    evidence: str
    source: str
    parts: tuple[tuple[n.Node, float] | None, ...]


@dataclass(frozen=True)
class Stratum:
    """People who share coefficients and baseline; ``when`` is None where a model has only one."""

    name: str
    when: n.Node | None
    start: float
    survival: tuple[float, ...]  # baseline survival at each horizon; empty for other links


@dataclass(frozen=True)
class Horizon:
    """A time at which a survival model is read."""

    id: str
    title: str
    definition: str


@dataclass(frozen=True)
class Model:
    """What is known of a model besides its expressions: for contributions, explanations and counts."""

    id: str
    link: str
    eligible: n.Node | None
    strata: tuple[Stratum, ...]
    terms: tuple[Term, ...]
    horizons: tuple[Horizon, ...]

    @property
    def predictor(self) -> str:
        """The definition that holds the linear predictor."""
        return f"{self.id}.linear_predictor"


# -- terms as written --------------------------------------------------------------------------------------------------


def term_texts(raw: Mapping[str, Any], labels: Callable[[str], Sequence[str]] | None = None) -> list[TermText]:
    """The terms of a model's table, powers and levels taken apart. Raises `TermError`.

    ``labels`` tells the labels of a category, so that a level that is missing is found; None passes over that.
    """
    found: list[TermText] = []
    table = raw.get("terms", [])
    if not isinstance(table, list):
        raise TermError("`terms` is a list of tables: [[definition.….terms]]", "terms")
    default = {"evidence": raw.get("evidence"), "source": raw.get("source") if raw.get("evidence") else None}
    for number, term in enumerate(table, 1):
        if not isinstance(term, dict) or not isinstance(term.get("id"), str) or not term["id"]:
            raise TermError(f"term {number} needs an `id`")
        try:
            found += _texts(term, default, labels)
        except TermError as error:
            raise TermError(str(error), error.text, term["id"]) from None
    seen: set[str] = set()
    for text in found:
        if text.id in seen:
            raise TermError(f"two terms are called {text.id!r}", text.pointer)
        seen.add(text.id)
    return found


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
            raise TermError(f"term {name!r}: `{key}` does not go with `{form}`", key)
    title = term.get("title") or name.replace("_", " ")
    evidence, source = _provenance(name, term, default)

    def made(ident: str, called: str, kind: str, text: str, weight: Any, center: Any = None, **more: Any) -> TermText:
        if not _by_stratum_shape(weight):
            raise TermError(f"term {ident!r} needs a `coefficient`, a number (or one for each stratum)", name)
        if center is not None and not _by_stratum_shape(center):
            raise TermError(f"term {ident!r}: `center` is a number (or one for each stratum)", "center")
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
    if evidence not in EVIDENCE or not source:
        raise TermError(
            f"term {name!r} needs its `evidence` ({', '.join(EVIDENCE)}) with a `source` or a `why` "
            "(or the model says so for all)", name,
        )  # fmt: skip
    return evidence, str(source)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) <= 1e15
    )


def _by_stratum_shape(value: Any) -> bool:
    return _is_number(value) or (isinstance(value, dict) and bool(value) and all(map(_is_number, value.values())))


def _powers(name: str, title: str, term: Mapping[str, Any]) -> list[tuple[str, str, str, str, Any, Any]]:
    """Fractional polynomials (Royston and Altman 1994): power 0 is the logarithm, and each time a power is repeated
    it is multiplied by the logarithm once more."""
    of = _text(name, term.get("of"), "of")
    powers = term["powers"]
    if not isinstance(powers, list) or not powers or not all(map(_is_number, powers)):
        raise TermError(f"term {name!r}: `powers` is a list of numbers", "powers")
    weights: Any = term.get("coefficients")
    centers: Any = term.get("center", [None] * len(powers))
    for key, given in (("coefficients", weights), ("center", centers)):
        if not isinstance(given, list) or len(given) != len(powers):
            raise TermError(f"term {name!r}: `{key}` is a list with one for each of the {len(powers)} powers", name)
    shift, scale = term.get("shift", 0), term.get("scale", 1)
    if not _is_number(shift) or not _is_number(scale) or scale == 0:
        raise TermError(f"term {name!r}: `shift` and `scale` are numbers, `scale` not 0", "scale")
    x = _bracketed(of)
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


def _bracketed(text: str) -> str:
    """An expression as part of another."""
    return text if text.isidentifier() else f"({text})"


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
        ident = level.get("id", own[0] if len(own) == 1 else None)
        if not isinstance(ident, str):
            raise TermError(f"term {name!r}: a level of several labels needs an `id`", name)
        more = {}
        if _PROVENANCE & set(level):
            evidence, source = _provenance(f"{name}.{ident}", {**term, **level}, default)
            more = {"evidence": evidence, "source": source}
        shown = ", ".join(f'"{label}"' for label in own)
        text = f"{_bracketed(of)} in {{{shown}}}"
        found.append(
            (f"{name}.{ident}", level.get("title") or f"{title}: {ident}", text, level.get("coefficient"), more)
        )
    twice = next((label for label in covered if covered.count(label) > 1), None)
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


# -- building ----------------------------------------------------------------------------------------------------------


class ModelBuilder:
    """Builds the expressions of one model: its linear predictor, its result at each horizon, what it counts."""

    def __init__(self, resolved: Resolved, ident: str, raw: dict[str, Any]) -> None:
        self.resolved, self.ident, self.raw = resolved, ident, raw
        self.scope = ModelScope(resolved, ident)
        self.strata: dict[str, n.Node | None] = {"": None}
        self.factors: dict[str, tuple[n.Node | None, ...]] = {}  # what products are made of: a term's value by stratum

    def fail(self, message: str, text: str = "", entry: Entry = "") -> PackError:
        """An error that points at `text` in the model's table, or in one of its terms or horizons."""
        return self.resolved.error(self.ident, message, text=text, end=len(text), entry=entry)

    def build(self) -> n.Node:
        """The result at the first horizon. Adds the linear predictor and what else the model writes."""
        raw = self.raw
        link = raw.get("link")
        if link not in LINKS:
            shown = str(link or "")
            raise self.fail(f"needs a `link`: one of {', '.join(LINKS)}{suggest(shown, LINKS)}", shown)
        self._texts(link)
        self._read_strata()
        eligible, reasons = self._eligible()
        for name, spec in self._table("inputs").items():
            self.scope.declare(name, spec)
        for name, spec in self._table("derived").items():
            self.scope.derive(name, spec)
        intercept, slope = self._recalibration()
        terms = self._terms(slope)
        starts = self._by_stratum(raw.get("intercept", 0.0), "`intercept`", "intercept", all_of_them=True)
        survivals, horizons = self._horizons(link)
        strata = tuple(
            Stratum(name, when, intercept[i] + slope[i] * _given(starts[i]), tuple(_given(s[i]) for s in survivals))
            for i, (name, when) in enumerate(self.strata.items())
        )
        model = Model(self.ident, link, eligible, strata, terms, horizons)
        self.resolved.models[self.ident] = model
        total = self._linear_predictor(model)
        self._define("linear_predictor", f"{raw['title']}: linear predictor", eligible, total)
        placed = [s.when for s in strata if s.when is not None]
        among = [
            node for node in (eligible, disjunction(placed, "in a stratum") if placed else None) if node is not None
        ]
        self._missing(conjunction(among, "scored") if among else None)
        self._reasons(model, eligible, reasons)
        results = [self._result(model, horizon) for horizon in range(max(1, len(horizons)))]
        for horizon, entry, node in zip(horizons[1:], raw.get("horizons", ())[1:], results[1:], strict=True):
            output = entry.get("output", False)
            self._define(
                horizon.id, horizon.title, eligible, node, means=raw.get("means", ""),
                output=f"{self.ident}_{horizon.id}" if output is True else output, decimals=raw.get("decimals", 6),
            )  # fmt: skip
        return results[0]

    def _texts(self, link: str) -> None:
        for key in ("intended_use", "disclaimer", "horizon", "name"):
            if key in self.raw and not isinstance(self.raw[key], str):
                raise self.fail(f"`{key}` is text", key)
        draft = self.raw.get("draft", False)
        if not isinstance(draft, bool):
            raise self.fail("`draft` is true or false", "draft")
        if not isinstance(self.raw.get("provenance", {}), dict):
            raise self.fail("`provenance` is a table", "provenance")
        needed = ("intended_use",) if link == "identity" else ("intended_use", "disclaimer")
        for key in needed:
            if not self.raw.get(key) and not draft:
                raise self.fail(f"needs `{key}`, which is shown with the result (or `draft = true`)")

    def _table(self, key: str) -> dict[str, Any]:
        found = self.raw.get(key, {})
        if not isinstance(found, dict):
            raise self.fail(f"`{key}` is a table: bmi = {{ default = 27 }}", key)
        return found

    def _define(self, name: str, title: str, eligible: n.Node | None, node: n.Node, **more: Any) -> None:
        ident = f"{self.ident}.{name}"
        body = {"title": title, "version": self.raw["version"], "source": self.raw.get("source", "")} | more
        found = node if eligible is None else n.Only(node.type, node.text, eligible, node)
        self.resolved.definitions[ident] = self.resolved.finish(ident, "model", found, body, parent=self.ident)

    # -- strata and numbers by stratum --

    def _read_strata(self) -> None:
        written = self.raw.get("strata")
        if written is None:
            return
        if not isinstance(written, dict) or not written:
            raise self.fail("`strata` is a table of conditions: women = 'sex == \"female\"'", "strata")
        self.strata = {
            name: self.resolved.parse(self.ident, f"stratum {name}", when, condition=True)
            for name, when in written.items()
        }

    def _by_stratum(
        self, value: Any, what: str, pointer: str, *, all_of_them: bool = False, term: str = "", among: str = ""
    ) -> ByStratum:
        if _is_number(value):
            return (float(value),) * len(self.strata)
        if not _by_stratum_shape(value):
            raise self.fail(f"{what} is a number, or a table with one for each stratum", pointer, term)
        for name in value:
            if name not in self.strata or name == "":
                told = suggest(name, self.strata) if "" not in self.strata else " (this model has no strata)"
                raise self.fail(f"{what}: there is no stratum {name!r}{told}", name, term)
        found = tuple(None if name not in value else float(value[name]) for name in self.strata)
        if all_of_them and None in found:
            lost = list(self.strata)[found.index(None)]
            raise self.fail(f"{what} has no number for the stratum {lost!r}", pointer, term or among)
        return found

    def _recalibration(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Intercept and slope by stratum: the linear predictor becomes intercept + slope × linear predictor."""
        table = self.raw.get("recalibration", {})
        if not isinstance(table, dict) or not set(table) <= {"intercept", "slope"}:
            raise self.fail("`recalibration` is a table with `intercept` and `slope`", "recalibration")
        intercept = self._by_stratum(
            table.get("intercept", 0.0), "the intercept of `recalibration`", "recalibration", all_of_them=True
        )
        slope = self._by_stratum(
            table.get("slope", 1.0), "the slope of `recalibration`", "recalibration", all_of_them=True
        )
        if any(_given(s) == 0 for s in slope):
            raise self.fail("a `recalibration` with slope 0 would give everybody the same risk", "recalibration")
        return tuple(map(_given, intercept)), tuple(map(_given, slope))

    def _horizons(self, link: str) -> tuple[list[ByStratum], tuple[Horizon, ...]]:
        raw = self.raw
        if link != "survival":
            for key in ("baseline_survival", "horizons"):
                if key in raw:
                    raise self.fail(f"`{key}` goes with the survival link only", key)
            return [], ()
        entries = raw.get("horizons")
        if entries is not None and "baseline_survival" in raw:
            raise self.fail("`baseline_survival` stands in each of the `horizons`, or by itself", "baseline_survival")
        if entries is None:
            entries = [{"id": "", "baseline_survival": raw.get("baseline_survival")}]
        if not isinstance(entries, list) or not entries or not all(isinstance(e, dict) for e in entries):
            raise self.fail("`horizons` is a list of tables with `id` and `baseline_survival`", "horizons")
        survivals: list[ByStratum] = []
        horizons: list[Horizon] = []
        for place, entry in enumerate(entries):
            ident = entry.get("id", "")
            for key in entry:
                if key not in ("id", "title", "baseline_survival", "output"):
                    raise self.fail(f"unknown key {key!r} in a horizon", key)
            if raw.get("horizons") is not None and not (isinstance(ident, str) and ident.isidentifier()):
                raise self.fail("each horizon needs an `id`, one word", "horizons")
            if ident in [h.id for h in horizons] or ident in ("linear_predictor", "inputs_missing", "reason"):
                raise self.fail(f"the horizon {ident!r} cannot have that name, or stands twice", ident)
            own = raw.get("output", False)
            if place == 0 and entry.get("output", own) not in (own, bool(own)):
                raise self.fail(
                    "the first horizon is the definition's own result: its `output` stands there", "horizons"
                )
            given = entry.get("baseline_survival")
            if given is None:
                at = "link" if raw.get("horizons") is None else "horizons"
                raise self.fail("a survival link needs `baseline_survival`, between 0 and 1", at)
            found = self._by_stratum(given, "`baseline_survival`", "baseline_survival", all_of_them=True, among=ident)
            if not all(0 < _given(s) < 1 for s in found):
                raise self.fail(
                    "a survival link needs `baseline_survival`, between 0 and 1", "baseline_survival", ident
                )
            if survivals and any(_given(s) > _given(before) for s, before in zip(found, survivals[-1], strict=True)):
                raise self.fail(
                    "horizons stand from the shortest to the longest, and baseline survival does not rise from one to "
                    "the next", "baseline_survival", ident,
                )  # fmt: skip
            survivals.append(found)
            own_title = entry.get("title") or ident
            title = f"{raw['title']}, {own_title}" if own_title and place else str(raw["title"])
            horizons.append(Horizon(ident, title, self.ident if place == 0 else f"{self.ident}.{ident}"))
        return survivals, tuple(horizons)

    # -- who is eligible --

    def _eligible(self) -> tuple[n.Node | None, list[tuple[n.Node, str]]]:
        """The condition, and each part of it with the reason that stands where it is not met."""
        written = self.raw.get("eligible")
        if written is None:
            return None, []
        if isinstance(written, str):
            written = [{"when": written, "reason": f"not: {' '.join(written.split())}"}]
        if not isinstance(written, list) or not written or not all(isinstance(e, dict) for e in written):
            raise self.fail("`eligible` is a condition, or a list of { when, reason }", "eligible")
        parts = []
        for entry in written:
            if set(entry) - {"when", "reason"} or not isinstance(entry.get("reason"), str) or not entry["reason"]:
                raise self.fail("each part of `eligible` has a `when` and a `reason`", "eligible")
            node = self.resolved.parse(self.ident, "eligible", entry.get("when"), condition=True)
            parts.append((node, entry["reason"]))
        said = [reason for _, reason in parts]
        if len(set(said)) < len(said):
            raise self.fail("two parts of `eligible` give the same reason", "eligible")
        return conjunction([node for node, _ in parts], "eligible"), parts

    def _reasons(self, model: Model, eligible: n.Node | None, parts: list[tuple[n.Node, str]]) -> None:
        """Why somebody has no result, as a category and as counts."""
        from popstrat.pack import label_cases

        predictor = n.Named(n.NUMBER, "", model.predictor)
        items = [(negation(_true(node), reason), reason) for node, reason in parts]
        named = [s.when for s in model.strata if s.when is not None]
        if named:
            items.append((negation(_true(disjunction(named, "in a stratum")), NO_STRATUM), NO_STRATUM))
        items.append((n.IsNull(n.BOOL, NO_VALUE, predictor), NO_VALUE))
        node = label_cases(items, None, tuple(reason for _, reason in items))
        if "reason_output" in self.raw:
            self._define(
                "reason", f"{self.raw['title']}: why there is none", None, node,
                means="The first reason why the model gives no result; null where it gives one.",
                output=self.raw["reason_output"],
            )  # fmt: skip
        for _, reason in items:
            self.resolved.tallies[self.ident, "not_scored", reason] = n.IsIn(n.BOOL, reason, node, (reason,))

    def _missing(self, eligible: n.Node | None) -> None:
        """What stood in for what was not recorded, of whoever is ``eligible`` and in a stratum."""
        counted = n.CountTrue(n.NUMBER, "inputs missing", tuple(self.scope.missing.values()))
        if "missing_output" in self.raw:
            self._define(
                "inputs_missing", f"{self.raw['title']}: inputs missing", eligible, counted, type="uint8",
                means="How many inputs of the model had no record, so that their declared default stood in.",
                output=self.raw["missing_output"],
            )  # fmt: skip
        for kind, table in (("missing", self.scope.missing), ("clipped", self.scope.clipped)):
            for name, node in table.items():
                among = [node] if eligible is None else [eligible, node]
                self.resolved.tallies[self.ident, kind, name] = conjunction(among, name)

    # -- terms --

    def _labels(self, text: str) -> Sequence[str]:
        node = self.resolved.parse(self.ident, "of", text, scope=self.scope)
        if node.type.kind != "category":
            raise self.fail(f"`levels` are of a category, and {text!r} is {node.type}", text)
        return node.type.labels

    def _terms(self, slope: Sequence[float]) -> tuple[Term, ...]:
        try:
            texts = term_texts(self.raw, self._labels)
        except TermError as error:
            raise self.fail(str(error), error.text, error.term) from None
        if not texts:
            raise self.fail("needs `terms`")
        for term in self.raw["terms"]:
            if "powers" in term:  # looked at alone, so that a fault is shown where it is written
                key = f"term {term['id']}: of"
                self.resolved.parse(self.ident, key, term["of"], scope=self.scope, entry=term["id"])
        terms = tuple(self._term(text, slope) for text in texts)
        for i, name in enumerate(self.strata):
            if not any(term.parts[i] for term in terms):
                raise self.fail(f"no term has a coefficient for the stratum {name!r}", name)
        idle = [name for name in self.scope.inputs if name not in self.scope.used]
        if idle:
            raise self.scope.fail(f"no term uses the input {idle[0]!r}", idle[0])
        idle = [name for name in self.scope.derived if name not in self.scope.used]
        if idle:
            raise self.scope.fail(f"no term uses the derived value {idle[0]!r}", idle[0])
        return terms

    def _term(self, text: TermText, slope: Sequence[float]) -> Term:
        owner = text.pointer
        weights = self._by_stratum(text.coefficient, f"the coefficient of {text.id!r}", owner, term=owner)
        centers = (0.0,) * len(weights)
        if text.center is not None:
            given = self._by_stratum(text.center, f"`center` of {text.id!r}", "center", term=owner)
            for i, weight in enumerate(weights):
                if weight is not None and given[i] is None:
                    lost = list(self.strata)[i]
                    raise self.fail(f"`center` of {text.id!r} has no number for {lost!r}", "center", owner)
            centers = tuple(c or 0.0 for c in given)
        there = [weight is not None for weight in weights]
        values = self._products(text, there) if text.form == "product" else [self._parse(text)] * len(weights)
        if any(isinstance(node, n.Const) for node in values):
            raise self.fail(f"term {text.id!r} is the same for every patient", owner, owner)
        parts: list[tuple[n.Node, float] | None] = []
        for node, weight, center, times in zip(values, weights, centers, slope, strict=True):
            if node is None or weight is None:
                parts.append(None)
                continue
            centred = node if center == 0 else arithmetic("-", node, _number(center), f"{node.text} - {center}")
            parts.append((centred, times * weight))
        self.factors[text.id] = tuple(part[0] if part else None for part in parts)
        return Term(text.id, text.title, text.evidence, text.source, tuple(parts))

    def _parse(self, text: TermText) -> n.Node:
        key, owner = f"term {text.id}", text.pointer
        if text.form == "when":
            return self.resolved.parse(self.ident, key, text.text, condition=True, scope=self.scope, entry=owner)
        node = self.resolved.parse(self.ident, key, text.text, scope=self.scope, entry=owner)
        if node.type.kind not in ("number", "null"):
            hint = ": write `when` in its place" if node.type.kind == "bool" else ""
            raise self.fail(f"term {text.id!r}: its `value` is {node.type}{hint}", text.text, owner)
        return node

    def _products(self, text: TermText, there: Sequence[bool]) -> list[n.Node | None]:
        """The product of a term's factors in each stratum that has the term."""
        return [
            self._product(text, [self._factor(text, factor, i) for factor in text.factors]) if wanted else None
            for i, wanted in enumerate(there)
        ]

    def _factor(self, text: TermText, factor: str, stratum: int) -> n.Node:
        """One factor of a product in a stratum: a term's value, or else an input, a derived value or a condition."""
        if factor in self.factors:
            found = self.factors[factor][stratum]
            if found is None:
                name = list(self.strata)[stratum]
                raise self.fail(
                    f"term {text.id!r}: {factor!r} is not a term of the stratum {name!r}, for which this one has a "
                    "coefficient", factor, text.pointer,
                )  # fmt: skip
            return found
        parts = [ident for ident in self.factors if ident.startswith(f"{factor}.")]
        if parts:
            raise self.fail(
                f"term {text.id!r}: {factor!r} is a term of several parts: say which, {' or '.join(parts)}", factor,
                text.pointer,
            )  # fmt: skip
        try:
            node = self.scope.own(factor) or self.scope.lookup(factor) if factor.isidentifier() else None
        except ExpressionError as error:
            raise self.fail(f"term {text.id!r}: {error.message}", factor, text.pointer) from None
        if node is None:
            known = [*self.factors, *self.scope.derived, *self.scope.inputs]
            raise self.fail(
                f"term {text.id!r}: there is no term, derived value or input {factor!r} before it"
                f"{suggest(factor, known)}", factor, text.pointer,
            )  # fmt: skip
        if node.type.kind not in ("bool", "number"):
            raise self.fail(f"term {text.id!r}: {factor!r} is {node.type}, which has no product", factor, text.pointer)
        return node

    @staticmethod
    def _product(text: TermText, factors: Sequence[n.Node]) -> n.Node:
        conditions = [node for node in factors if node.type.kind == "bool"]
        numbers = [node for node in factors if node.type.kind == "number"]
        if not numbers:
            return conjunction(conditions, text.text)
        product = numbers[0]
        for other in numbers[1:]:
            product = arithmetic("*", product, other, text.text)
        if not conditions:
            return product
        return cases([(conjunction(conditions, text.text), product)], _ZERO, n.NUMBER, text.text)

    # -- results --

    def _linear_predictor(self, model: Model) -> n.Node:
        sums = []
        for i, stratum in enumerate(model.strata):
            parts = tuple(part for term in model.terms if (part := term.parts[i]) is not None)
            label = f"{self.ident}, linear predictor{f', {stratum.name}' if stratum.name else ''}"
            sums.append(n.WeightedSum(n.NUMBER, label, stratum.start, parts))
        return self._across(model, list(sums), "linear predictor")

    def _across(self, model: Model, found: Sequence[n.Node], text: str) -> n.Node:
        """Each stratum's own; null for people in none."""
        if model.strata[0].when is None:
            return found[0]
        items = [(_given_node(s.when), node) for s, node in zip(model.strata, found, strict=True)]
        return cases(items, n.Const(n.NULL, "null", None), n.NUMBER, text)

    def _result(self, model: Model, horizon: int) -> n.Node:
        lp = n.Named(n.NUMBER, model.predictor, model.predictor)
        result: n.Node = lp
        if model.link == "logistic":
            growth = n.Call(n.NUMBER, "", "exp", (n.Arithmetic(n.NUMBER, "", "-", _ZERO, lp),))
            result = n.Arithmetic(
                n.NUMBER, "1 / (1 + exp(-lp))", "/", _ONE, n.Arithmetic(n.NUMBER, "", "+", growth, _ONE)
            )
        elif model.link == "survival":
            logs = self._across(model, [_number(math.log(s.survival[horizon])) for s in model.strata], "ln S0")
            hazard = n.Arithmetic(n.NUMBER, "", "*", n.Call(n.NUMBER, "", "exp", (lp,)), logs)
            result = n.Arithmetic(n.NUMBER, "1 - S0 ** exp(lp)", "-", _ONE, n.Call(n.NUMBER, "", "exp", (hazard,)))
        places = self.raw.get("decimals", 6)
        if isinstance(places, bool) or not isinstance(places, int) or not 0 <= places <= 15:
            raise self.fail("`decimals` is a whole number from 0 to 15", "decimals")
        return n.Call(n.NUMBER, self.ident, "round", (result, n.Const(n.NUMBER, str(places), places)))


def _number(x: float) -> n.Const:
    return n.Const(n.NUMBER, repr(x), x)


def _given(x: float | None) -> float:
    assert x is not None
    return x


def _given_node(x: n.Node | None) -> n.Node:
    assert x is not None
    return x


def _true(node: n.Node) -> n.Node:
    """`node` as a condition that is true or false, never unknown."""
    if isinstance(node, n.Const):
        return n.Const(n.BOOL, node.text, node.value is True)
    return cases([(node, n.Const(n.BOOL, "true", True))], n.Const(n.BOOL, "false", False), n.BOOL, node.text)


# -- scope -------------------------------------------------------------------------------------------------------------


@dataclass
class ModelScope:
    """The scope of a model's terms: inputs, with defaults and bounds, and derived values, before the pack's words."""

    outer: Resolved
    ident: str
    inputs: dict[str, n.Node] = field(default_factory=dict)
    derived: dict[str, n.Node] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    missing: dict[str, n.Node] = field(default_factory=dict)  # input → there was no record
    clipped: dict[str, n.Node] = field(default_factory=dict)  # input → it lay beyond its bounds

    @property
    def as_of(self) -> dt.date:
        return self.outer.as_of

    @property
    def windows(self) -> Mapping[str, int]:
        return self.outer.windows

    @property
    def dated(self) -> frozenset[str]:
        return self.outer.dated

    def members(self, set_name: str) -> Sequence[str] | None:
        return self.outer.members(set_name)

    def words(self) -> Iterable[str]:
        return [*self.inputs, *self.derived, *self.outer.words()]

    def own(self, name: str) -> n.Node | None:
        """An input or a derived value, or a condition of the pack."""
        found = self.inputs.get(name) or self.derived.get(name)
        if found is not None:
            self.used.add(name)
            return found
        node = self.outer.lookup(name)
        return node if node is not None and node.type.kind == "bool" else None

    def lookup(self, name: str) -> n.Node | None:
        if name in self.inputs or name in self.derived:
            return self.own(name)
        node = self.outer.lookup(name)
        if node is not None and node.type.kind not in ("bool", "null") and not isinstance(node, n.Const):
            column = node.name if isinstance(node, n.Column) else ""
            age = column in self.outer.pack.schema and self.outer.pack.schema[column].completed_years_since
            counted = isinstance(node, n.Named) and isinstance(self.outer.definitions[node.id].node, n.CountTrue)
            named = isinstance(node, n.Coalesce) and isinstance(node.otherwise, n.Const)  # sex: null reads as unknown
            if not age and not counted and not named:
                raise ExpressionError(f"{name!r} may be null: declare it under `inputs`, with its default")
        return node

    def fail(self, message: str, name: str) -> PackError:
        return self.outer.error(self.ident, message, text=f"{name} =", end=len(name))

    def derive(self, name: str, spec: Any) -> None:
        """Declare a value made of inputs and conditions."""
        if isinstance(spec, str):
            spec = {"value": spec}
        if not isinstance(spec, dict) or not isinstance(spec.get("value"), str):
            raise self.fail(f"derived value {name!r} is an expression in quotes, or a table with a `value`", name)
        for key in spec:
            if key not in ("value", "center", "title", "why", "source"):
                raise self.fail(f"derived value {name!r}: unknown key {key!r}", name)
        if name in self.inputs or not name.isidentifier():
            raise self.fail(f"derived value {name!r}: this name is taken, or is not one word", name)
        node = self.outer.parse(self.ident, f"derived {name}", spec["value"], scope=self)
        if "center" in spec:
            if not _is_number(spec["center"]) or node.type.kind != "number":
                raise self.fail(f"derived value {name!r}: `center` is a number, and goes with a number", name)
            node = arithmetic("-", node, _number(float(spec["center"])), name)
        self.derived[name] = node

    def declare(self, name: str, spec: Any) -> None:
        """Declare an input: what stands in where there is no record, and its bounds."""
        if not isinstance(spec, dict):
            raise self.fail(f"input {name!r} is a table like {{ default = 0 }}", name)
        for key in spec:
            if key not in ("from", "default", "clip", "why", "source"):
                known = ("from", "default", "clip", "why", "source")
                raise self.outer.error(self.ident, f"unknown key {key!r}{suggest(key, known)}", text=key, end=len(key))
        source = self.outer.parse(self.ident, f"input {name}", spec.get("from", name))
        bare = source.item if isinstance(source, n.Coalesce) and source.text == source.item.text else source
        if "default" not in spec or source.type.kind not in ("number", "category"):
            raise self.fail(f"input {name!r}: a number or a category, with its `default`", name)
        default = spec["default"]
        if source.type.kind == "category":
            if default not in source.type.labels:
                near = suggest(str(default), source.type.labels)
                raise self.fail(f"input {name!r}: {default!r} is not one of its labels{near}", name)
            other: n.Node = n.Const(n.Type("category", (default,)), default, default)
        else:
            other = self.outer.parse(self.ident, f"input {name}, default", default)
            if other.type.kind != "number":
                raise self.fail(f"input {name!r}: its default is a number", name)
        node = coalesce(bare, other, name)
        if "clip" in spec:
            low, high = spec["clip"] if isinstance(spec["clip"], list) and len(spec["clip"]) == 2 else (1, 0)
            if source.type.kind != "number" or not (_is_number(low) and _is_number(high) and low < high):
                raise self.fail(f"input {name!r}: `clip` is [lowest, highest], for a number", name)
            one = _One(self, name, node)
            node = self.outer.parse(self.ident, name, f"clip({name}, {low!r}, {high!r})", scope=one)
            given = _One(self, name, bare)
            beyond = self.outer.parse(
                self.ident, name, f"{name} < {low!r} or {name} > {high!r}", condition=True, scope=given
            )
            self.clipped[name] = beyond
        self.inputs[name] = node
        self.missing[name] = n.IsNull(n.BOOL, f"{name} is null", bare)


class _One:
    """A scope with one more word."""

    def __init__(self, outer: ModelScope, name: str, node: n.Node) -> None:
        self.outer, self.name, self.node = outer, name, node

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.outer, attribute)

    def lookup(self, name: str) -> n.Node | None:
        return self.node if name == self.name else self.outer.lookup(name)
