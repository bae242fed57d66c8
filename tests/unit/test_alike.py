"""Definitions that are like another: what they take, where errors point, what a pack that changes the other does."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from complaints import AS_OF, HEAD, check, complaint
from hypothesis import given
from hypothesis import strategies as st

from popstrat.errors import PackError
from popstrat.packs.alike import OWN, alike
from popstrat.packs.differences import changes
from popstrat.packs.load import load_pack
from popstrat.packs.pack import Pack
from popstrat.pages import catalogue
from popstrat.reasons.trace import trace
from popstrat.scoring.scorer import Scorer

Leaf = tuple[str, ...]
LEAVES: list[Leaf] = [
    ("value",), ("eligible",), ("title",), ("output",), ("strata", "a"), ("strata", "b"), ("strata",),
    ("inputs", "i", "why"), ("inputs", "i", "from"), ("inputs", "i"), ("inputs", "j", "why"), ("terms",),
]  # fmt: skip


def plain_fault(section: str, message: str, *_: object) -> PackError:
    return PackError(f"{section}: {message}")


def overlap(a: Leaf, b: Leaf) -> bool:
    return a[: len(b)] == b or b[: len(a)] == a


def tables(own: Mapping[Leaf, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, value in own.items():
        at = found
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at[path[-1]] = value
    return found


def flat(table: Mapping[str, Any], path: Leaf = ()) -> dict[Leaf, Any]:
    found: dict[Leaf, Any] = {}
    for key, value in table.items():
        found |= flat(value, (*path, key)) if isinstance(value, dict) else {(*path, key): value}
    return found


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[str], list[dict[Leaf, Any]]]:
    """Definitions, each like the one before it, and what each states; the values say who states them."""
    count = draw(st.integers(1, 6))
    stated = []
    for i in range(count):
        own: dict[Leaf, Any] = {}
        for path in draw(st.lists(st.sampled_from(LEAVES), max_size=5, unique=True)):
            if not any(overlap(path, p) for p in own):
                own[path] = f"d{i}"
        stated.append(own)
    return [f"d{i}" for i in range(count)], stated


@given(chains(), st.randoms())
def test_what_is_not_stated_is_the_others(chain: tuple[list[str], list[dict[Leaf, Any]]], random: Any) -> None:
    """A part holds unless a definition nearer by states that, a part of it or what it is part of; whoever states it is
    remembered; the order in which definitions stand makes no difference."""
    names, stated = chain
    raw = {
        name: {**tables(own), **({"like": names[i - 1]} if i else {})}
        for i, (name, own) in enumerate(zip(names, stated, strict=True))
    }
    order = [*names]
    random.shuffle(order)
    made, taken = alike({name: raw[name] for name in order}, plain_fault)
    assert list(made) == order
    for i, name in enumerate(names):
        wanted = {
            path: value
            for j in range(i, -1, -1)
            for path, value in stated[j].items()
            if (j == i or path[0] not in OWN)
            and not any(overlap(path, p) for nearer in stated[j + 1 : i + 1] for p in nearer)
        }
        found = flat(made[name])
        assert found.pop(("like",), None) == (names[i - 1] if i else None)
        assert found == wanted
        for path, value in found.items():
            told = [taken.get(name, {}).get(".".join(path[:n])) for n in range(len(path), 0, -1)]
            assert next((t for t in told if t), name) == value


# -- what is refused ---------------------------------------------------------------------------------------------------

RULE = 'kind = "expression"\ntitle = "t"\nsource = "s"\nversion = "1"\noutput = true\n'
LIKE = 'title = "t"\nversion = "1"\noutput = true\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('like = "«xx»"', "there is no definition 'xx' to be like (did you mean 'x'?)"),
        ('like = "«y»"', "definition.y: is like itself, through y → y"),
        ("«like» = 3", "`like` is the name of another definition"),
        ('«like» = ["x"]', "`like` is the name of another definition"),
        ('like = "x"\nkind = "«nosuch»"', "needs a `kind`"),
        ('like = "x"\n«ofthis» = 3', "unknown key 'ofthis'"),
        ('like = "x"\nvalue = "bmi > «bmii»"', "definition.y: value: unknown word 'bmii'"),
        ('like = "«dated»"', "'dated', which this is like, has dated versions: state `versions` here"),
    ],
)
def test_faults(tmp_path: Path, text: str, told: str) -> None:
    dated = 'versions = [{ version = "1", value = "ckd" }]\n'
    first = f'{HEAD}[definition.x]\n{RULE}value = "bmi > 30"\n'
    whole = f"{first}[definition.y]\n{LIKE}{text}\n[definition.dated]\n{RULE}{dated}"
    if "[" in text:
        assert told in complaint(tmp_path, whole)
    else:
        check(tmp_path, whole, told)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 500])
def test_rings_are_refused_whatever_leads_into_them(size: int) -> None:
    ring = {f"d{i}": {"like": f"d{(i + 1) % size}"} for i in range(size)}
    with pytest.raises(PackError, match="is like itself, through "):
        alike({"before": {"like": f"d{size // 2}"}, **ring}, plain_fault)


def test_a_long_chain_is_followed() -> None:
    chain = {f"d{i}": {"like": f"d{i + 1}", "title": f"t{i}"} for i in range(1500)} | {"d1500": {"value": "ckd"}}
    made, taken = alike(chain, plain_fault)
    assert made["d0"] == {"value": "ckd", "like": "d1", "title": "t0"}
    assert taken["d0"] == {"value": "d1500"}


def test_a_fault_in_what_is_taken_points_to_where_it_is_written(tmp_path: Path) -> None:
    whole = f'{HEAD}[definition.y]\n{LIKE}like = "x"\n[definition.x]\n{RULE}value = "bmi > «bmii»"\n'
    check(tmp_path, whole, "definition.y, taken from x: value: unknown word 'bmii' (did you mean 'bmi'?)")


MODEL = """
[definition.x]
kind = "model"
title = "X"
means = "what x means"
source = "us"
evidence = "assumption"
version = "1"
draft = true
link = "survival"
baseline_survival = { women = 0.9, men = 0.8 }
eligible = [{ when = "age >= 18", reason = "under 18" }]
missing_output = "gone"
reason_output = "why"
[definition.x.strata]
women = 'sex == "female"'
men = 'sex == "male"'
[definition.x.inputs]
bmi = { required = true, clip = [15, 50] }
smoking = { default = "never", why = "usual" }
[[definition.x.terms]]
id = "bmi"
of = "bmi"
powers = [1, 0]
scale = 10
coefficients = [0.1, { women = 0.2 }]
center = [2.5, 1]
[[definition.x.terms]]
id = "smoking"
of = "smoking"
reference = "never"
levels = { ex = 0.25, current = 0.5 }
[[definition.x.terms]]
id = "ckd"
when = "ckd"
coefficient = 1
"""
OTHER = """
[definition.y]
like = "x"
title = "Y"
version = "1"
draft = true
output = true
horizons = [
    { id = "one", baseline_survival = 0.7 },
    { id = "two", baseline_survival = 0.6, output = true },
]
[definition.y.inputs.bmi]
default = 27
[definition.y.coefficients]
"bmi.2" = { men = 0.3 }
"smoking.ex" = 0.125
"""
IN_FULL = """
[definition.y]
kind = "model"
title = "Y"
source = "us"
evidence = "assumption"
version = "1"
draft = true
output = true
link = "survival"
horizons = [
    { id = "one", baseline_survival = 0.7 },
    { id = "two", baseline_survival = 0.6, output = true },
]
eligible = [{ when = "age >= 18", reason = "under 18" }]
[definition.y.strata]
women = 'sex == "female"'
men = 'sex == "male"'
[definition.y.inputs]
bmi = { default = 27, clip = [15, 50] }
smoking = { default = "never", why = "usual" }
[[definition.y.terms]]
id = "bmi"
of = "bmi"
powers = [1, 0]
scale = 10
coefficients = [0.1, { men = 0.3 }]
center = [2.5, 1]
[[definition.y.terms]]
id = "smoking"
of = "smoking"
reference = "never"
levels = { ex = 0.125, current = 0.5 }
[[definition.y.terms]]
id = "ckd"
when = "ckd"
coefficient = 1
"""


def pack_of(folder: Path, text: str, name: str = "p", extends: str = "") -> Pack:
    file = folder / f"{name}.toml"
    file.write_text(HEAD.replace('"p"', f'"{name}"') + (f'extends = "{extends}"\n' if extends else "") + text)
    return load_pack(file)


def people() -> pa.Table:
    rows = [
        {"age": age, "sex": sex, "bmi": bmi, "smoking": smoking, "ckd": ckd}
        for age, sex, bmi, smoking, ckd in itertools.product(
            (17, 50), ("female", "male", "unknown"), (None, 14.0, 27.5), (None, "ex", "current"), (False, True)
        )
    ]
    ids = [{"patient_id": i, "practice_code": "Y00001", **row} for i, row in enumerate(rows)]
    return pa.Table.from_pylist(ids)


def scored(pack: Pack) -> list[dict[str, Any]]:
    scorer, table = Scorer(pack, AS_OF), people()
    for i in range(0, len(table), 7):
        trace(scorer, table.slice(i, 1))  # engine and evaluator agree
    return list(scorer.score_batch(table.combine_chunks().to_batches()[0]).to_pylist())


def test_a_model_like_another_is_that_model_written_out(tmp_path: Path) -> None:
    alike_, full = pack_of(tmp_path, MODEL + OTHER), pack_of(tmp_path, IN_FULL, "full")
    found = [{k: row[k] for k in ("patient_id", "y", "y_two")} for row in scored(alike_)]
    assert found == [{k: row[k] for k in ("patient_id", "y", "y_two")} for row in scored(full)]
    assert sum(row["y"] is not None for row in found) == 36
    only = [c for c in changes(alike_, full) if c.name == "y"]
    assert [c.kind for c in only] == ["wording"]  # that it was like another
    assert "like x, now like none" in only[0].text


def test_columns_and_what_is_said_of_one_model_are_not_taken(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, MODEL + OTHER)
    body = pack.raw["definition"]["y"]
    assert not {"means", "missing_output", "reason_output", "baseline_survival"} & set(body)
    assert body["inputs"]["bmi"] == {"default": 27, "clip": [15, 50]}
    assert pack.unused == ()
    assert [d.output for d in pack.at(AS_OF).outputs] == ["y", "gone", "why", "y_two"]


def test_the_page_and_the_explanation_say_what_is_taken(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, MODEL + OTHER)
    told = next(line for line in catalogue.markdown(pack).splitlines() if line.startswith("Taken from"))
    assert told.startswith("Taken from [X](#x): ")
    assert all(f"`{part}`" in told for part in ("link", "eligible", "strata", "inputs.bmi.clip", "terms"))
    assert "baseline_survival" not in told
    findings = trace(Scorer(pack, AS_OF), people().slice(80, 1)).findings
    assert [f.note for f in findings] == ["like X"]


def test_what_a_pack_changes_of_a_model_it_changes_of_all_that_are_like_it(tmp_path: Path) -> None:
    """Across `extends`: the base's models follow, the pack's own may be like them, and what they state stays."""
    base = pack_of(tmp_path, MODEL + OTHER, "base")
    change = '[definition.x.coefficients]\nckd = 2\n"smoking.ex" = 9\n[definition.x.inputs.bmi]\ndefault = 20\n'
    own = '[definition.z]\nlike = "y"\ntitle = "Z"\nversion = "1"\ndraft = true\noutput = true\ncoefficients.ckd = 3\n'
    pack = pack_of(tmp_path, change + own, "ours", "base.toml")
    x, y, z = (pack.raw["definition"][name] for name in "xyz")
    assert x["inputs"]["bmi"] == {"default": 20, "clip": [15, 50]}
    assert (y["coefficients"]["ckd"], y["coefficients"]["smoking.ex"], y["inputs"]["bmi"]["default"]) == (2, 0.125, 27)
    assert z["coefficients"] == y["coefficients"] | {"ckd": 3}
    assert pack.taken["z"]["terms"] == "x"
    assert pack.taken["z"]["coefficients.bmi.2"] == "y"
    by = {c.name for c in changes(base, pack) if c.kind == "changed" and c.part == "definition"}
    assert by == {"x", "y"}
    moved = [(a["y"], b["y"]) for a, b in zip(scored(base), scored(pack), strict=True)]
    assert any(a != b for a, b in moved)


TERMS = """
[[definition.x.terms]]
id = "ckd"
when = "ckd"
coefficient = 3
[[definition.x.terms]]
id = "rest"
when = 'bmi > 30 and smoking == "ex"'
coefficient = 1
"""


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        (TERMS, ("x", "coefficients")),
        ('[definition.x]\nhorizons = [{ id = "one", baseline_survival = 0.5 }]\n', ("x", "baseline_survival")),
        ("[definition.x.inputs.smoking]\nrequired = true\n", ("x", "inputs", "smoking", "default")),
    ],
)
def test_what_stands_in_the_place_of_another_key(tmp_path: Path, change: str, gone: tuple[str, ...]) -> None:
    """By `extends` as by `like`: new terms bring their own numbers, horizons take the place of one baseline, and a
    record that is required that of a default."""
    apart = re.sub(r'(when = "ckd"\n)coefficient = .*\n', r"\1", MODEL)
    pack_of(tmp_path, apart + "[definition.x.coefficients]\nckd = 0.5\n", "base")
    body: Any = pack_of(tmp_path, change, "ours", "base.toml").raw["definition"]
    for key in gone[:-1]:
        body = body[key]
    assert gone[-1] not in body
    assert Scorer(load_pack(tmp_path / "ours.toml"), AS_OF)


def test_both_stated_at_once_is_refused(tmp_path: Path) -> None:
    text = MODEL.replace("required = true, clip", "required = true, default = 27, clip")
    assert "with its `default`, or `required = true` in its place" in complaint(tmp_path, HEAD + text)


def test_any_kind_may_be_like_another(tmp_path: Path) -> None:
    first = f'[definition.x]\n{RULE}value = "bmi > 30"\neligible = "age >= 18"\n'
    text = f'{first}[definition.y]\n{LIKE}like = "x"\nvalue = "bmi > 25"\n'
    rows = scored(pack_of(tmp_path, text))
    assert {(r["x"], r["y"]) for r in rows} == {(False, False), (False, True)}
    assert sum(r["y"] for r in rows) == 18
