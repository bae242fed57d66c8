"""The specification of a fit: a pack file whose model has terms without coefficients, and a ``[fit]`` table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from popstrat.core.text import suggest
from popstrat.errors import PackError
from popstrat.fitting.outcomes import Columns
from popstrat.packs.load import load_pack
from popstrat.packs.model.terms import weighed
from popstrat.packs.pack import Pack

PENALTIES = ("none", "ridge", "lasso", "elastic")
_SIGNS = {"+": 1, "-": -1}
_KEYS = {
    "model", "column", "time_column", "event_column", "days", "penalty", "mix", "strength", "folds", "seed", "holdout",
    "signs", "monotone", "strict", "min_events_per_term", "min_events", "too_few", "bootstrap", "refit",
}  # fmt: skip


@dataclass(frozen=True)
class Penalty:
    """How coefficients are shrunk, each on the scale of its term's standard deviation; the intercept never is.

    ``mix``: 0 ridge, 1 lasso. ``strength`` is per person; None finds it by cross-validation.
    """

    kind: str = "none"
    mix: float = 0.0
    strength: float | None = None
    folds: int = 5


@dataclass(frozen=True)
class Spec:
    """What to fit and what to demand of it. ``days``: horizon id → days after the as-of date."""

    pack: Pack
    model: str
    body: Mapping[str, Any]  # of the model, terms with coefficient 1
    own: Mapping[str, Any]  # the file's own tables, [fit] left out
    columns: Columns
    days: Mapping[str, int]
    penalty: Penalty = field(default_factory=Penalty)
    seed: int = 0
    holdout: float = 0.2
    signs: Mapping[str, int] = field(default_factory=dict)
    monotone: tuple[tuple[str, ...], ...] = ()
    strict: bool = False
    min_events_per_term: float = 10.0
    min_events: int = 10
    too_few: str = "refuse"
    bootstrap: int = 0

    @property
    def unit_pack(self) -> Pack:
        """The pack with every coefficient 1, so that it can be loaded and its terms worked out."""
        definitions = {**self.pack.raw["definition"], self.model: dict(self.body)}
        return replace(self.pack, raw={**self.pack.raw, "definition": definitions})


def read_spec(path: str | Path, columns: Mapping[str, str | None]) -> Spec:
    """Read a specification; ``columns`` (column, time_column, event_column, outcome_id) are the command's and come
    first.

    Raises `PackError` pointing at the file.
    """
    pack = load_pack(Path(path))
    own = tomllib.loads(pack.sources[0].text)
    name = pack.sources[0].name
    table = own.pop("fit", None)
    if not isinstance(table, dict):
        raise PackError.at(name, None, "needs a table [fit] that names the model: a specification says what to fit")

    def fail(message: str, key: str = "") -> PackError:
        return pack.error("fit", f"{key}: {message}" if key else message, key, 0, len(key))

    for key in table:
        if key not in _KEYS:
            raise fail(f"unknown key {key!r}{suggest(key, _KEYS)}", key)
    definitions = pack.raw.get("definition", {})
    ident = table.get("model")
    models = [k for k, v in definitions.items() if v.get("kind") == "model"]
    if ident not in models:
        raise fail(f"there is no model {ident!r}{suggest(str(ident), models)}; models: {', '.join(models)}", "model")
    merged = definitions[ident]
    if merged.get("versions"):
        raise fail(f"{ident!r} has dated versions, which cannot be fitted at once", "model")
    refit = _of(table, "refit", bool, False, fail)
    body = _unit(merged, refit, fail)
    given = {key: columns.get(key) or table.get(key) for key in ("column", "time_column", "event_column")}
    penalty = _penalty(table, fail)
    spec = Spec(
        pack=pack,
        model=str(ident),
        body=body,
        own=own,
        columns=Columns(given["column"], given["time_column"], given["event_column"], columns.get("outcome_id")),
        days=_days(table.get("days", 365), body, fail),
        penalty=penalty,
        seed=_of(table, "seed", int, 0, fail),
        holdout=float(_of(table, "holdout", (int, float), 0.2, fail)),
        signs=_signs(table.get("signs", {}), fail),
        monotone=tuple(tuple(group) for group in _groups(table.get("monotone", []), fail)),
        strict=_of(table, "strict", bool, False, fail),
        min_events_per_term=float(_of(table, "min_events_per_term", (int, float), 10, fail)),
        min_events=_of(table, "min_events", int, 10, fail),
        too_few=str(_of(table, "too_few", str, "refuse", fail)),
        bootstrap=_of(table, "bootstrap", int, 0, fail),
    )
    if not 0 <= spec.holdout < 0.9:
        raise fail("a share from 0 to under 0.9", "holdout")
    if spec.too_few not in ("refuse", "drop"):
        raise fail('is "refuse" or "drop"', "too_few")
    for key, value in (("min_events", spec.min_events), ("seed", spec.seed), ("bootstrap", spec.bootstrap)):
        if value < 0:
            raise fail("is 0 or more", key)
    if spec.min_events < 8:
        raise fail("at least 8: a coefficient that rests on fewer people could tell about them", "min_events")
    if 0 < spec.bootstrap < 20:
        raise fail("at least 20 resamples, or 0 for none", "bootstrap")
    return spec


def _of(table: Mapping[str, Any], key: str, kind: Any, default: Any, fail: Any) -> Any:
    value = table.get(key, default)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise fail(f"cannot be {value!r}", key)
    return value


def _penalty(table: Mapping[str, Any], fail: Any) -> Penalty:
    kind = table.get("penalty", "none")
    if kind not in PENALTIES:
        raise fail(f"is one of {', '.join(PENALTIES)}{suggest(str(kind), PENALTIES)}", "penalty")
    mix = {"none": 0.0, "ridge": 0.0, "lasso": 1.0}.get(kind)
    if mix is None:
        mix = float(_of(table, "mix", (int, float), 0.5, fail))
        if not 0 < mix < 1:
            raise fail("is between 0 (ridge) and 1 (lasso)", "mix")
    elif "mix" in table:
        raise fail('goes with penalty = "elastic"', "mix")
    strength = table.get("strength")
    if strength is not None and (isinstance(strength, bool) or not isinstance(strength, int | float) or strength <= 0):
        raise fail("a number over 0; left out, it is found by cross-validation", "strength")
    if strength is not None and kind == "none":
        raise fail("goes with a penalty", "strength")
    folds = _of(table, "folds", int, 5, fail)
    if not 2 <= folds <= 20:
        raise fail("from 2 to 20", "folds")
    return Penalty(kind, mix, None if strength is None else float(strength), folds)


def _signs(table: Any, fail: Any) -> dict[str, int]:
    if not isinstance(table, dict) or not all(v in _SIGNS for v in table.values()):
        raise fail('a table of "+" and "-" by term', "signs")
    return {term: _SIGNS[v] for term, v in table.items()}


def _groups(groups: Any, fail: Any) -> list[list[str]]:
    fits = isinstance(groups, list) and all(
        isinstance(g, list) and len(g) >= 2 and all(isinstance(t, str) for t in g) for g in groups
    )
    if not fits:
        raise fail('lists of terms, the smallest coefficient first: [["one", "two", "three"]]', "monotone")
    found: list[list[str]] = groups
    return found


def _days(value: Any, body: Mapping[str, Any], fail: Any) -> dict[str, int]:
    """The horizons' lengths: a number for a model with one, a table by id for one with several."""
    idents = [h.get("id", "") for h in body.get("horizons", [])] or [""]
    table = {idents[0]: value} if isinstance(value, int) and not isinstance(value, bool) else value
    fits = isinstance(table, dict) and all(isinstance(v, int) and 0 < v <= 36_525 for v in table.values())
    if not fits or set(table) != set(idents):
        told = " (one for each horizon: { m12 = 365, m24 = 730 })" if len(idents) > 1 else ""
        raise fail(f"whole days over 0{told}", "days")
    if any(table[a] >= table[b] for a, b in pairwise(idents)):
        raise fail("horizons stand from the shortest to the longest, and so do their days", "days")
    return {ident: table[ident] for ident in idents}


_RESULTS = {
    "intercept",
    "baseline_survival",
    "recalibration",
    "reference_patients",
    "provenance",
    "evidence",
    "coefficients",
}


def _unit(merged: Mapping[str, Any], refit: bool, fail: Any) -> dict[str, Any]:
    """The model's table with what a fit finds replaced by stand-ins, so that popstrat can load it."""
    terms = weighed(merged)
    if not isinstance(terms, list) or not terms or not all(isinstance(t, dict) for t in terms):
        raise fail("the model needs `terms`", "model")
    if not refit:
        for term in terms:
            levels = term.get("levels", [])
            known = isinstance(levels, dict) or any(isinstance(x, dict) and "coefficient" in x for x in levels)
            if "coefficient" in term or "coefficients" in term or known:
                raise fail(
                    f"the term {term.get('id')!r} has a coefficient already: leave it out, or say `refit = true` to "
                    "fit all of them again", "model",
                )  # fmt: skip
    link = merged.get("link")
    if link not in ("logistic", "survival"):
        raise fail(f'the model\'s link is "logistic" or "survival", not {link!r}', "model")
    if link == "logistic" and {"baseline_survival", "horizons"} & set(merged):
        raise fail(
            "a logistic model has no baseline survival: where it extends a survival model, give it its own id", "model"
        )
    body = {k: v for k, v in merged.items() if k not in _RESULTS}
    body["draft"] = True
    body["evidence"], body["source"] = "derived", str(merged.get("source") or "to be fitted")
    body.setdefault("version", "0")
    body["terms"] = [_unit_term(term) for term in terms]
    if link == "survival":
        if "horizons" in body:
            body["horizons"] = [{**h, "baseline_survival": 0.5} for h in body["horizons"]]
        else:
            body["baseline_survival"] = 0.5
    return body


def _unit_term(term: Mapping[str, Any]) -> dict[str, Any]:
    made = {
        k: v for k, v in term.items() if k not in ("evidence", "source", "why", "in", "coefficient", "coefficients")
    }
    strata = term.get("in")
    old = next(iter(term.get("coefficients", ())), term.get("coefficient"))
    one: Any = 1.0
    if isinstance(strata, list):
        one = dict.fromkeys(strata, 1.0)
    elif isinstance(old, dict):  # of a model that is fitted again: the same strata have the term
        one = dict.fromkeys(old, 1.0)
    if "powers" in made:
        made["coefficients"] = [one] * len(made["powers"])
    elif "levels" in made:
        levels = made["levels"]
        if isinstance(levels, dict):
            levels = [{"labels": [label], "id": label} for label in levels]
        made["levels"] = [
            {"labels": [x], "id": x, "coefficient": one}
            if isinstance(x, str)
            else {**{k: v for k, v in x.items() if k not in ("evidence", "source", "why")}, "coefficient": one}
            for x in levels
        ]
    else:
        made["coefficient"] = one
    return made
