"""Every key and every entry of a list of a TOML file is found where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popstrat.core.small_files import parse_toml
from popstrat.lang.toml_places import spots

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("docs/examples/*.toml"), *ROOT.glob("python/popstrat/packs/builtin/**/*.toml")])


def paths(value: Any, path: tuple[Any, ...] = ()) -> Any:
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, below in value.items():
            yield from paths(below, (*path, key))
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from paths(below, (*path, number))


def whole(text: str) -> None:
    found = spots(text)
    meant = dict(paths(parse_toml(text)))
    assert set(found) == set(meant)
    for path, value in meant.items():
        spot = found[path]
        if isinstance(path[-1], str):
            shown = text[spot.begin : spot.end]
            assert shown == path[-1] or parse_toml(f'x = "{shown}"')["x"] == path[-1]
        begin, end = spot.values[0]
        headed = isinstance(value, list) and text.startswith("[[", begin) and isinstance(value[0], dict)
        if not isinstance(value, dict) and not headed:
            assert parse_toml(f"x = {text[begin:end]}")["x"] == value


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_packs(file: Path) -> None:
    whole(file.read_text(encoding="utf-8"))


KEYS = st.sampled_from(["a", "b", "c-1", '"d e"', "'f.g'", '"h"'])
SCALARS = st.sampled_from(
    ["1", "0.030", "-2e3", "true", "2026-06-30", '"x # y"',
     "'[z]'", '"""\n[q]\n"a" = 1\n"""', "'''it's'''", '"\\"]"', "07:32:00"]
)  # fmt: skip
GAPS = st.sampled_from(["", " ", " # [k]\n", "\n  "])


@st.composite
def values(draw: Any, depth: int = 3) -> str:
    kind = draw(st.sampled_from(["scalar", "list", "table"])) if depth else "scalar"
    if kind == "scalar":
        return draw(SCALARS)
    if kind == "list":
        return "[" + "".join(
            f"{draw(GAPS)}{draw(values(depth - 1))}{draw(GAPS)}," for _ in range(draw(st.integers(0, 3)))
        ) + draw(GAPS) + "]"  # fmt: skip
    keys = draw(st.lists(KEYS, max_size=3, unique_by=lambda k: k.strip("\"'")))
    return "{ " + ", ".join(f"{key} = {draw(values(depth - 1))}" for key in keys) + " }"


@st.composite
def files(draw: Any) -> str:
    lines = []
    for header in (
        "",
        *draw(st.lists(st.sampled_from(["[t]", "[t.u]", "[[l]]", "[l.m]", "[ 'w' . x ]", "[[l.n]]"]), max_size=6)),
    ):
        lines.append(header + draw(st.sampled_from(["", " # [[o]]"])))
        for key in draw(st.lists(KEYS, max_size=3, unique_by=lambda k: k.strip("\"'"))):
            dotted = draw(st.sampled_from(["", "", ".i", " . j.'k'"]))
            lines.append(f"  {key}{dotted} = {draw(values())}{draw(st.sampled_from(['', '  # e = 1']))}")
    return "\n".join(lines)


@given(files())
def test_generated_files(text: str) -> None:
    try:
        parse_toml(text)
    except ValueError:  # a table twice, a line break where none may be
        return
    whole(text)
