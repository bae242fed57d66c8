"""Feature specifications made up for tests: a feature or two of every kind, with whatever keys the kind has, and
definitions over them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from popstrat.deriving.canonical import KINDS as ACTIVITY
from popstrat.deriving.kinds.registry import KINDS

Keys = dict[str, Any]
_LISTS = [f"L{number}" for number in range(8)]


def specification(rng: random.Random) -> str:
    """A whole file."""
    parts = ['[pack]\nid = "made"\nversion = "1"\n[windows.lately]\nmonths = 5\n[parameters.least]\nvalue = 2\n']
    names = [f"{kind}_{number}" for kind in _MADE for number in range(rng.randint(1, 2))]
    for name in names:
        kind = name.rpartition("_")[0]
        keys = {"kind": kind, "title": name, "source": "s", "version": "1", **_MADE[kind](rng, name)}
        parts.append(f"[feature.{name}]\n" + "".join(f"{key} = {_toml(v)}\n" for key, v in keys.items()))
    for number, value in enumerate(_RULES):
        said = f'kind = "expression"\ntitle = "t"\nsource = "s"\nversion = "1"\nvalue = "{value}"\noutput = true\n'
        parts.append(f"[definition.d{number}]\n{said}")
    return "".join(parts)


_RULES = (
    "register_0 and (recorded_0 or lately(date_0)) or sex == 'female' and age >= 40",
    "coalesce(latest_value_0, 7) + count_0 * 2 - coalesce(extreme_0, 0)",
    "lately(register_0_date) or pair_0_first >= 100 or latest_value_0_date is null",
    "(as_of - coalesce(date_0, as_of)) + coalesce(age_at_first_0, 0)",
)


def _some(rng: random.Random, **keys: Any) -> Keys:
    """Each of these keys, or not."""
    return {key: value for key, value in keys.items() if rng.random() < 0.5}


def _lists(rng: random.Random, most: int = 3) -> list[str]:
    return rng.sample(_LISTS, rng.randint(1, most))


def _within(rng: random.Random) -> Any:
    return rng.choice([0, 1, 6, 12, "lately", "lately", 1800])


def _of(rng: random.Random, anything: bool = False) -> Keys:
    """A table, and codes of it."""
    table = rng.choice(["events", "medications", "activity"])
    if anything and rng.random() < 0.3:
        return {"table": table, "codes": "*"}
    names = list(ACTIVITY) if table == "activity" else _LISTS
    codes, without = rng.sample(names, 2), rng.sample(names, 1)
    return {"table": table, "codes": codes, **_some(rng, without=without)}


def _values(rng: random.Random) -> Keys:
    keys: Keys = {"minimum": rng.choice([0, 5, -3.5]), "maximum": rng.choice([80, 150.5])}
    keys |= _some(rng, decimals=rng.randint(0, 3))
    if rng.random() < 0.8:
        keys |= {"unit": "mmol/mol", "units": {"%": {"multiply": 10.929, "add": -23.5, "round": 0}, "g/dL": 10}}
        keys |= _some(rng, without_unit=rng.choice(["mmol/mol", "g/dL", "%"]))
    return keys


def _register(rng: random.Random, name: str) -> Keys:
    issued = {"codes": _lists(rng), "within": _within(rng), "at_least": rng.choice([1, "least", 3])}
    keys = _some(rng, resolved=_lists(rng), without=_lists(rng, 1), within=_within(rng), medication=issued)
    keys |= _some(rng, minimum_age=rng.choice([0, 6, 18, 50, "least"]))
    if not name.endswith("_0"):  # whose words the definitions use
        keys |= _some(rng, date_output=f"{name}_on")
        return {"codes": _lists(rng), **keys, "output": f"{name}_out"}
    return {"codes": _lists(rng), **keys, "output": True}


def _latest_value(rng: random.Random, name: str) -> Keys:
    keys = {"codes": _lists(rng), **_values(rng), "output": True} | _some(rng, tie="lowest", within=_within(rng))
    keys |= _some(rng, earlier_at_least=rng.choice([1, 89, 90, 91]))
    return keys | ({"earlier_output": f"{name}_before"} if "earlier_at_least" in keys else {})


def _latest_together(rng: random.Random, name: str) -> Keys:
    values = {
        f"v{i}": {"codes": _lists(rng), **_values(rng), **_some(rng, tie="lowest"), "output": f"{name}_v{i}"}
        for i in range(rng.randint(2, 4))
    }
    return {"values": values, "date_output": f"{name}_day", **_some(rng, within=_within(rng))}


def _pair(rng: random.Random, name: str) -> Keys:
    first, second, both = ([f"{name}{part}{i}" for i in range(2)] for part in ("F", "S", "B"))
    keys = _values(rng)
    low, high = keys.pop("minimum"), keys.pop("maximum")
    keys |= {"first_minimum": low, "first_maximum": high, "second_minimum": low + 10, "second_maximum": high - 10}
    keys |= _some(rng, both=both, within=_within(rng), second_output=f"{name}_second_out", date_output=f"{name}_day")
    named = {"one": first[:1], "two": both[:1]} if "both" in keys else {"two": first[1:], "one": first[:1]}
    if rng.random() < 0.6:
        keys |= {"labels": named, "label_output": f"{name}_label_out"}
    return {"first": first, "second": second, **keys}


def _latest_category(rng: random.Random, name: str) -> Keys:
    labels = rng.choice([["a", "b", "c"], ["3", "1", "20"], ["1", "x"]])
    return {
        "labels": {label: [f"{name}{label}0", f"{name}{label}1"] for label in labels},
        "output": True,
        **_some(rng, within=_within(rng), date_output=f"{name}_day", without=[f"{name}{labels[0]}1"]),
    }


_MADE: dict[str, Callable[[random.Random, str], Keys]] = {
    "register": _register,
    "recorded": lambda rng, name: {
        **_of(rng), "output": True, **_some(rng, within=_within(rng), at_least=rng.choice([1, 2, "least"])),
    },
    "date": lambda rng, name: {
        **_of(rng, True), "output": True, **_some(rng, within=_within(rng), which=rng.choice(["first", "last"])),
    },
    "age_at_first": lambda rng, name: {**_of(rng), "output": True},
    "latest_value": _latest_value,
    "latest_together": _latest_together,
    "extreme": lambda rng, name: {
        "codes": _lists(rng), **_values(rng), "output": True, "date_output": f"{name}_day",
        **_some(rng, which=rng.choice(["highest", "lowest"]), within=_within(rng)),
    },
    "pair": _pair,
    "count": lambda rng, name: {
        **_of(rng, True), "output": True, **_some(rng, within=_within(rng)),
        **rng.choice([{"of": "days"}, {"of": "codes"}, {"of": "rows"}, {"repeats": True}, {}]),
    },
    "latest_category": _latest_category,
}  # fmt: skip
assert {*_MADE, "person"} == set(KINDS), "a kind of feature is not made up here"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
