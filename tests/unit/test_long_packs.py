"""Long and deep packs: compiled, or refused with the limit; never an internal error."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

import popstrat
from popstrat.lang.parser import DEEPEST
from popstrat.packs.evaluator import Reference
from popstrat.packs.load import load_pack
from popstrat.packs.read import MOST_ENTRIES
from popstrat.packs.resolve import MOST_PARTS

AS_OF = dt.date(2026, 6, 30)
HEAD = '[pack]\nid = "p"\nversion = "1"\n'
PEOPLE = pa.table({
    "patient_id": [1, 2, 3], "practice_code": ["G85001"] * 3, "age": [20, 50, 90],
    "sex": ["female", "male", "female"], "hba1c": [None, 48.0, 60.5],
})  # fmt: skip


def definition(name: str, body: str, kind: str = "expression", output: bool = True) -> str:
    return (
        f'[definition.{name}]\nkind = "{kind}"\ntitle = "T"\nsource = "s"\nversion = "1"\n'
        f"output = {str(output).lower()}\n{body}\n"
    )


def rule(text: str) -> str:
    return HEAD + definition("x", f"value = '''{text}'''")


def ors(n: int) -> str:
    return rule(" or ".join(f"hba1c == {i / 2}" for i in range(n)))


def members(n: int) -> str:
    return rule(f"hba1c in {{{', '.join(str(i / 2) for i in range(n))}}}")


def counted(n: int) -> str:
    conditions = [f"hba1c == {i}" for i in range(n)]
    return HEAD + definition("x", f"of = {conditions}", "count")


def chain(n: int, turned: bool = False) -> str:
    links = [definition(f"x{i}", f'value = "x{i - 1} + 1"', output=i == n) for i in range(1, n + 1)]
    links = [definition("x0", 'value = "age"', output=False), *links]
    return HEAD + "".join(reversed(links) if turned else links)


def sums(n: int) -> str:
    return rule(" + ".join(["age"] * n))


def choices(n: int) -> str:
    return rule("".join(f"{i} if age == {i} else " for i in range(n)) + "0")


def brackets(n: int) -> str:
    return rule("abs(" * n + "age" + ")" * n)


def tree(n: int) -> str:
    nodes = "".join(
        f'{{ id = {2 * i}, split = "age == {i}", yes = {2 * i + 1}, no = {2 * i + 2} }},\n'
        f"{{ id = {2 * i + 1}, value = {i} }},\n"
        for i in range(n)
    )
    return HEAD + definition("x", f"nodes = [\n{nodes}{{ id = {2 * n}, value = -1 }}]", "tree")


def model(terms: str, derived: str = "") -> str:
    body = 'link = "identity"\ndraft = true\nevidence = "assumption"\ninputs = { hba1c = { default = 40 } }\n'
    return HEAD + definition("x", body + derived + terms, "model")


def terms(n: int) -> str:
    return model("terms = [\n" + "".join(
        f'{{ id = "t{i}", when = "hba1c > {20 + i / 20}", coefficient = 0.5 }},\n' for i in range(n)
    ) + "]")  # fmt: skip


def derived(n: int) -> str:
    """Each twice the one before it: of 2 ** n parts, if they were written out."""
    made = "".join(f'd{i} = "d{i - 1} + d{i - 1}"\n' for i in range(1, n))
    term = f'[[definition.x.terms]]\nid = "t"\nvalue = "d{n - 1}"\ncoefficient = 1\n'
    return model(term, f'[definition.x.derived]\nd0 = "hba1c + 1"\n{made}')


def circle(n: int) -> str:
    return HEAD + "".join(definition(f"x{i}", f'value = "x{(i + 1) % n} + 1"') for i in range(n))


@pytest.mark.parametrize(
    "text", [ors(1500), members(1500), counted(1000), chain(45), chain(45, turned=True), sums(95), choices(95),
             brackets(95), tree(95), terms(1500), derived(14)],
)  # fmt: skip
def test_long_packs_compile(tmp_path: Path, text: str) -> None:
    """And the engine gives what the evaluator does."""
    (tmp_path / "p.toml").write_text(text)
    pack = load_pack(tmp_path / "p.toml")
    scored = popstrat.score(PEOPLE, pack=pack, as_of=AS_OF).to_pylist()
    reference = Reference(pack.at(AS_OF), set(PEOPLE.column_names))
    for row, found in zip(PEOPLE.to_pylist(), scored, strict=True):
        assert {k: v for k, v in found.items() if k not in row} == reference.score(row)


@pytest.mark.parametrize("make", [chain, lambda n: chain(n, turned=True), sums, choices, brackets, tree, derived])
@pytest.mark.parametrize("n", [150, 600])
def test_what_is_too_deep_is_refused(tmp_path: Path, make: Callable[[int], str], n: int) -> None:
    (tmp_path / "p.toml").write_text(make(n))
    with pytest.raises(popstrat.PackError, match=rf"p\.toml(:\d+)?: definition\.\w+: .*\b{DEEPEST}\b"):
        load_pack(tmp_path / "p.toml").at(AS_OF)


def test_what_is_too_long_is_refused(tmp_path: Path) -> None:
    for text, told in (
        (chain(10_000), f"has 10,001 entries, and a pack may have {MOST_ENTRIES:,}"),
        (derived(30), f"have more than the {MOST_PARTS:,} parts"),
    ):
        (tmp_path / "p.toml").write_text(text)
        with pytest.raises(popstrat.PackError, match=told):
            load_pack(tmp_path / "p.toml").at(AS_OF)


@pytest.mark.parametrize("n", [1, 2, 3, 25, 300])
def test_a_circle_is_refused(tmp_path: Path, n: int) -> None:
    (tmp_path / "p.toml").write_text(circle(n))
    with pytest.raises(popstrat.PackError, match="refers to itself, through x"):
        load_pack(tmp_path / "p.toml").at(AS_OF)
