"""A kind of definition is one file: what it has to have, and that nothing else has to know of it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest

from popstrat.packs.kinds.kind import Kind
from popstrat.packs.kinds.registry import KINDS, examples

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "packs.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "docs" / "examples" / "kinds.toml"


def test_the_file_of_examples_is_current() -> None:
    assert EXAMPLES.read_text(encoding="utf-8") == examples(), "docs/examples/kinds.toml is old: make kinds"


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_each_kind_is_on_the_page_as_it_says_of_itself(kind: Kind) -> None:
    row = f"| `{kind.name}` | {kind.told[0]} | {kind.told[1]} |"
    assert row in PAGE.splitlines(), f"the table of kinds in docs/packs.md lacks {row}"


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_its_keys_hold_its_rules_and_values(kind: Kind) -> None:
    assert {*kind.rules, *kind.values} <= {*kind.keys, "eligible"}
    own = set(tomllib.loads(kind.example)) - {
        "title", "means", "source", "assumption", "version", "licence", "unit", "eligible", "output", "type",
        "reference_patients",
    }  # fmt: skip
    assert own
    assert own <= kind.keys


@pytest.mark.parametrize("lost", ["name", "called", "rank", "keys", "told", "example", "rules", "values"])
def test_a_kind_that_lacks_a_fact_cannot_be_made(lost: str) -> None:
    tree = KINDS["tree"]
    facts = {k: v for k, v in vars(type(tree)).items() if k != lost and not k.startswith("__")}
    with pytest.raises(TypeError, match=f"the kind of definition Twig lacks {lost}"):
        type("Twig", (Kind,), facts)


@pytest.mark.parametrize("lost", sorted(Kind.__abstractmethods__))
def test_a_kind_that_lacks_a_part_cannot_be_made(lost: str) -> None:
    tree = KINDS["tree"]
    parts = {k: v for k, v in vars(type(tree)).items() if k != lost and not k.startswith("_")}
    twig = type("Twig", (Kind,), parts)
    with pytest.raises(TypeError, match=f"abstract method '?{lost}'?"):
        twig()


def test_what_has_to_be_shown_is_abstract() -> None:
    assert Kind.__abstractmethods__ == {
        "build", "texts", "columns", "assumptions", "page", "trace", "differences",
    }  # fmt: skip


def test_a_module_without_a_kind_is_named() -> None:
    """A file of helpers among the kinds, or a kind that forgot to be one."""
    code = "import sys, popstrat.packs.kinds as k; k.__path__.append(sys.argv[1]); import popstrat.packs.kinds.registry"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "helpers.py").write_text("from popstrat.packs.kinds.tree import Tree\n")
        ran = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=False)
    assert "ImportError: popstrat.packs.kinds.helpers has 0 classes under Kind" in ran.stderr


AT_LEAST = '''
"""``at_least``: whether so many of several conditions are true."""

from __future__ import annotations

from popstrat.core.blocks import code
from popstrat.packs import compared, shapes
from popstrat.packs.kinds.kind import Built, Kind
from popstrat.packs.trace_parts import Line, Traced


class AtLeast(Kind):
    name = "at_least"
    called = "at least so many"
    rank = 7
    keys = frozenset({"of", "least"})
    told = ("`of`, `least`", "whether so many are true")
    rules = ("eligible",)
    values = ("least",)
    example = ""

    def build(self, builder, ident, raw):
        return Built(builder.parse(ident, "of", f"count({', '.join(raw['of'])}) >= {raw['least']}", condition=True))

    def texts(self, raw):
        yield from shapes.texts(raw.get("of"))
        yield from shapes.texts(raw.get("least"))

    def columns(self, ident, raw):
        yield from ()

    def assumptions(self, raw):
        yield "how many", "somebody chose it"

    def page(self, raw, names):
        return [f"At least {code(raw['least'])} of {', '.join(map(names.link, raw['of']))}."]

    def trace(self, definition, witness):
        return Traced((Line("asked", witness.condition(definition.node), "", True),))

    def differences(self, before, after):
        yield from compared.members("of", before.get("of", ()), after.get("of", ()))
'''

USED = """
import sys
from pathlib import Path
import pyarrow as pa
import popstrat.packs.kinds
popstrat.packs.kinds.__path__.append(sys.argv[1])
from rich.console import Console
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.load import load_pack
from popstrat.pages import catalogue, explain, pack_check, pack_diff
from popstrat.reasons.trace import trace
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.pack_check import examine
from popstrat.scoring.pack_diff import diff

assert list(KINDS)[-1] == "at_least"
head = '[pack]\\nid = "p"\\nversion = "1"\\n[parameters.limit]\\nvalue = {}\\nsource = "s"\\n[definition.many]\\n'
body = 'kind = "at_least"\\ntitle = "Many"\\nmeans = "m"\\nsource = "s"\\nversion = "1"\\noutput = true\\n'
body += 'of = {}\\nleast = "limit"\\n'
for name, limit, of in (("a", 2, '["ckd", "chd"]'), ("b", 1, '["ckd", "copd"]')):
    Path(sys.argv[1], f"{name}.toml").write_text(head.format(limit) + body.format(of))
one, two = (load_pack(Path(sys.argv[1], f"{name}.toml")) for name in "ab")
keys = {"patient_id": [1], "practice_code": ["A"], "age": [50], "sex": ["male"]}
table = pa.table({**keys, "ckd": [True], "chd": [True]})
scorer = Scorer(one, "2026-06-30")
console = Console(width=100)
print(scorer.score_batch(table.to_batches()[0]).column("many").to_pylist())
explain.show(trace(scorer, table), console)
catalogue.show(one, console)
pack_check.show(examine(one, scorer.as_of), console)
pack_diff.show(diff(one, two, as_of=scorer.as_of), console)
"""


def test_a_new_kind_is_a_file_and_nothing_else(tmp_path: Path) -> None:
    """Scored, explained, on a page, checked and compared, with its words counted as used."""
    (tmp_path / "at_least.py").write_text(AT_LEAST)
    found = subprocess.run([sys.executable, "-c", USED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    shown = found.stdout
    assert shown.startswith("[True]\n")
    assert "asked" in shown
    assert "At least limit of ckd, chd." in shown
    assert "at least so many" in shown
    assert "somebody chose it" in shown
    assert "no fault found" in shown
    assert "of no longer: chd" in shown
    assert "of now also: copd" in shown


def test_a_kind_without_a_part_stops_the_import(tmp_path: Path) -> None:
    (tmp_path / "at_least.py").write_text(AT_LEAST.replace("    def trace(", "    def tracing("))
    code = (
        "import sys, popstrat.packs.kinds; popstrat.packs.kinds.__path__.append(sys.argv[1]); "
        "import popstrat.packs.kinds.registry"
    )
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "abstract method" in found.stderr
    assert "trace" in found.stderr
