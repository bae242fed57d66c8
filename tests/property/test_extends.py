"""Packs that extend one another in any way, against a plain account of who changed what."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from popstrat.errors import PackError
from popstrat.packs.load import load_pack

Path_ = tuple[str, ...]
Fact = tuple[int, Path_]  # a pack, by its number, and what it wrote
VALUES = [0, 1, 1.0, True, "a", ["a"], ["a", "b"]]
LEAVES: list[Path_] = [
    ("parameters", "p", "value"), ("parameters", "p", "title"), ("parameters", "q", "value"), ("sets", "s", "members"),
    ("definition", "d", "value"), ("definition", "d", "inputs", "i", "default"), ("definition", "d", "inputs", "i"),
    ("definition", "d", "inputs", "j", "default"), ("definition", "d", "inputs"), ("definition", "e", "value"),
]  # fmt: skip


@st.composite
def families(draw: st.DrawFn) -> tuple[list[dict[Path_, Any]], list[list[int]]]:
    """What each pack writes, and which earlier ones it extends. The last is the one that is loaded."""
    count = draw(st.integers(2, 7))
    written, extends = [], []
    for i in range(count):
        own: dict[Path_, Any] = {}
        for path in draw(st.lists(st.sampled_from(LEAVES), max_size=3, unique=True)):
            if not any(path[: len(p)] == p or p[: len(path)] == path for p in own):
                own[path] = draw(st.sampled_from(VALUES))
        written.append(own)
        some = draw(st.lists(st.integers(0, i - 1), max_size=3, unique=True)) if i else []
        extends.append(some)
    if not extends[-1]:
        extends[-1] = draw(st.lists(st.integers(0, count - 2), min_size=1, max_size=3, unique=True))
    return written, extends


# -- the plain account ----------------------------------------------------------------------------------------------


def overlap(a: Path_, b: Path_) -> bool:
    return a[: len(b)] == b or b[: len(a)] == a


def account(i: int, written: list[dict[Path_, Any]], extends: list[list[int]]) -> tuple[set[Fact], set[Fact]]:
    """All that pack `i` and its bases wrote, and what of it still holds there.

    What a pack extends hands on what holds there. A fact that one of them still holds and another, which has it too,
    has changed is changed: the one that still holds it only inherited it. Then the pack's own changes what they touch.
    """
    everything: set[Fact] = set()
    holds: set[Fact] = set()
    bases = [account(b, written, extends) for b in extends[i]]
    for had, has in bases:
        everything |= had
        holds |= has
    holds = {fact for fact in holds if all(fact in has for had, has in bases if fact in had)}
    holds = {(by, path) for by, path in holds if not any(overlap(path, own) for own in written[i])}
    own = {(i, path) for path in written[i]}
    return everything | own, holds | own


def identical(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def expected(written: list[dict[Path_, Any]], extends: list[list[int]]) -> dict[Path_, Any] | None:
    """Every value of the last pack, or None where two changed the same thing."""
    _, holds = account(len(written) - 1, written, extends)
    for a in holds:
        for b in holds:
            if overlap(a[1], b[1]) and (a[1] != b[1] or not identical(written[a[0]][a[1]], written[b[0]][b[1]])):
                return None
    return {path: written[by][path] for by, path in holds}


# -- as files -------------------------------------------------------------------------------------------------------


def tables(own: Mapping[Path_, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, value in own.items():
        at = found
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at[path[-1]] = copy.deepcopy(value)
    return found


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else repr(value)


def text(i: int, own: Mapping[Path_, Any], bases: list[int]) -> str:
    head = f'[pack]\nid = "p{i}"\nversion = "1"\n'
    head += f"extends = {[f'p{b}.toml' for b in bases]}\n" if bases else ""
    for section, body in tables(own).items():
        head += "".join(f"[{section}.{name}]\n" + "".join(f"{k} = {toml(v)}\n" for k, v in table.items())
                        for name, table in body.items())  # fmt: skip
    return head


def flat(table: Mapping[str, Any], path: Path_ = ()) -> dict[Path_, Any]:
    found: dict[Path_, Any] = {}
    for key, value in table.items():
        found |= flat(value, (*path, key)) if isinstance(value, dict) else {(*path, key): value}
    return found


def loaded(written: list[dict[Path_, Any]], extends: list[list[int]]) -> tuple[dict[Path_, Any] | None, str]:
    with tempfile.TemporaryDirectory() as folder:
        for i, (own, bases) in enumerate(zip(written, extends, strict=True)):
            (Path(folder) / f"p{i}.toml").write_text(text(i, own, bases))
        try:
            pack = load_pack(Path(folder) / f"p{len(written) - 1}.toml")
        except PackError as error:
            return None, str(error)
        raw = {key: value for key, value in pack.raw.items() if key != "pack"}
        assert len(pack.sources) == len(set(pack.sources))
        return flat(raw), ""


@settings(max_examples=4 * settings.default.max_examples)
@given(families())
def test_a_pack_says_what_nobody_above_it_changed(family: tuple[list[dict[Path_, Any]], list[list[int]]]) -> None:
    written, extends = family
    meant = expected(written, extends)
    found, told = loaded(written, extends)
    if meant is None:
        assert found is None
        assert "both set" in told
        return
    assert found is not None, told
    assert found.keys() == meant.keys()
    assert all(identical(found[path], meant[path]) for path in found)


@settings(max_examples=2 * settings.default.max_examples)
@given(families(), st.randoms(use_true_random=False))
def test_the_order_of_extends_makes_no_difference(
    family: tuple[list[dict[Path_, Any]], list[list[int]]], random: Any
) -> None:
    written, extends = family
    shuffled = [random.sample(bases, len(bases)) for bases in extends]
    one, other = loaded(written, extends)[0], loaded(written, shuffled)[0]
    assert (
        repr(sorted(one.items())) == repr(sorted(other.items()))
        if one is not None and other is not None
        else (one is None and other is None)
    )


@settings(max_examples=2 * settings.default.max_examples)
@given(st.data())
def test_two_changes_of_one_base_are_merged_as_three(data: st.DataObject) -> None:
    """Base, one and other: whichever changed a value has it; both, to different ones, conflict."""
    paths = [p for p in LEAVES if not any(p != q and overlap(p, q) and len(q) < len(p) for q in LEAVES)]
    base = dict.fromkeys(paths, 0)
    one = {p: data.draw(st.sampled_from([1, 2])) for p in data.draw(st.lists(st.sampled_from(paths), unique=True))}
    other = {p: data.draw(st.sampled_from([1, 2])) for p in data.draw(st.lists(st.sampled_from(paths), unique=True))}
    merged: dict[Path_, Any] | None = {}
    for p in paths:
        a, b = one.get(p, 0), other.get(p, 0)
        if a != b and 0 not in (a, b):
            merged = None
            break
        assert merged is not None
        merged[p] = a or b
    assert loaded([base, one, other, {}], [[], [0], [0], [1, 2]])[0] == merged
    assert loaded([base, one, other, {}], [[], [0], [0], [2, 1]])[0] == merged
