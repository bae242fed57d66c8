"""Packs that extend several others: nothing that one of them changed is undone by what another only inherited."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from complaints import AS_OF

from popstrat.errors import PackError
from popstrat.packs.load import load_pack
from popstrat.packs.pack import Pack
from popstrat.scoring.scorer import Scorer

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RULE = 'kind = "expression"\ntitle = "t"\nsource = "s"\nversion = "1"\noutput = true\n'


def written(folder: Path, name: str, text: str = "", extends: str | Sequence[str] = (), columns: str = "") -> Path:
    named = [extends] if isinstance(extends, str) else [*extends]
    head = f"extends = {[n if n == 'london-2026' else f'{n}.toml' for n in named]}\n" if named else ""
    file = folder / f"{name}.toml"
    file.write_text(f'[pack]\nid = "{name}"\nversion = "1"\n{columns}{head}{text}')
    return file


def value(pack: Pack, name: str) -> object:
    return pack.raw["parameters"][name]["value"]


def without_heads(pack: Pack) -> dict[str, object]:
    return {key: table for key, table in pack.raw.items() if key != "pack"}


@pytest.mark.parametrize("order", [*itertools.permutations(["threshold", "local-segment", "ltc-set"])], ids="-".join)
def test_the_examples_together_in_any_order(tmp_path: Path, order: Sequence[str]) -> None:
    file = tmp_path / "o.toml"
    names = [(EXAMPLES / f"{n}.toml").as_posix() for n in order]
    file.write_text(f'[pack]\nid = "o"\nversion = "1"\nextends = {names}\n')
    pack = load_pack(file)
    assert value(pack, "systolic_target") == 130
    assert pack.raw["definition"]["ltc_count"]["of"] == "qof_registers"
    table = pa.table({
        "patient_id": [1], "practice_code": ["G85001"], "age": [60], "sex": ["male"], "hypertension": [True],
        "bp_date": [AS_OF], "systolic_bp": [134.0], "diastolic_bp": [80.0], "medicines_count": [12], "cancer": [True],
    })  # fmt: skip
    found = Scorer(pack, AS_OF).score_batch(table.to_batches()[0]).to_pylist()[0]
    assert found["hypertension_status"] == "unoptimised"
    assert found["proactive_care"] == "medicines_review"
    assert found["ltc_count"] == 2


def test_each_file_of_a_diamond_once(tmp_path: Path) -> None:
    written(tmp_path, "base", f'[definition.x]\n{RULE}value = "ckd"\n')
    written(tmp_path, "left", '[definition.x]\ntitle = "left"\n', "base")
    (tmp_path / "there").mkdir()
    right = tmp_path / "there" / "right.toml"
    right.write_text('[pack]\nid = "right"\nversion = "1"\nextends = "../base.toml"\n[definition.x]\nvalue = "chd"\n')
    file = tmp_path / "o.toml"
    file.write_text('[pack]\nid = "o"\nversion = "1"\nextends = ["left.toml", "there/right.toml", "./base.toml"]\n')
    pack = load_pack(file)
    assert [s.name for s in pack.sources] == ["o.toml", "left.toml", "right.toml", "base.toml"]
    assert [f["name"] for f in pack.record["files"]] == ["o.toml", "left.toml", "right.toml", "base.toml"]
    assert (pack.raw["definition"]["x"]["title"], pack.raw["definition"]["x"]["value"]) == ("left", "chd")
    assert load_pack(file).sha256 == pack.sha256


def test_a_row_of_packs_keeps_its_hash() -> None:
    """The order of files, and so the hash in every run record, is that of the row."""
    pack = load_pack(EXAMPLES / "threshold.toml")
    assert [s.name for s in pack.sources] == ["threshold.toml", "london-2026.toml", "admission-12m.toml"]


@pytest.mark.parametrize("order", [("base", "left"), ("left", "base")])
def test_a_pack_and_its_own_base(tmp_path: Path, order: Sequence[str]) -> None:
    written(tmp_path, "base", "[parameters.p]\nvalue = 1\n")
    written(tmp_path, "left", "[parameters.p]\nvalue = 2\n", "base")
    assert value(load_pack(written(tmp_path, "o", "", order)), "p") == 2


def test_a_change_lower_down_is_not_undone_by_a_longer_way(tmp_path: Path) -> None:
    written(tmp_path, "base", "[parameters.p]\nvalue = 1\n")
    written(tmp_path, "changed", "[parameters.p]\nvalue = 2\n", "base")
    written(tmp_path, "a", "", "base")
    written(tmp_path, "b", "", ["a", "base"])
    for order in itertools.permutations(["b", "changed", "a"]):
        assert value(load_pack(written(tmp_path, "o", "", order)), "p") == 2


def test_two_that_change_the_same_thing_conflict_by_name(tmp_path: Path) -> None:
    written(tmp_path, "base", "[parameters.p]\nvalue = 1\n")
    written(tmp_path, "left", "[parameters.p]\nvalue = 2\n", "base")
    written(tmp_path, "right", "# the same\n[parameters.p]\nvalue = 3\n", "base")
    for order in (["left", "right"], ["right", "left"]):
        with pytest.raises(PackError) as caught:
            load_pack(written(tmp_path, "o", "", order))
        message = str(caught.value)
        assert message.startswith("o.toml:4: pack: ")
        assert "left.toml:6 (2)" in message
        assert "right.toml:7 (3)" in message
        assert "both set parameters.p.value, and neither extends the other: say here which holds" in message
        assert message.endswith("^^^^^^^")
        assert value(load_pack(written(tmp_path, "o", "[parameters.p]\nvalue = 3\n", order)), "p") == 3


def test_equal_values_do_not_conflict_and_lists_are_one_thing(tmp_path: Path) -> None:
    base = f'[definition.x]\n{RULE}value = "any(s)"\n[sets.s]\nsource = "s"\nmembers = ["ckd"]\n'
    written(tmp_path, "base", base)
    written(tmp_path, "left", '[sets.s]\nmembers = ["ckd", "chd"]\n', "base")
    written(tmp_path, "right", '[sets.s]\nmembers = ["ckd", "chd"]\n', "base")
    written(tmp_path, "other", '[sets.s]\nmembers = ["chd", "ckd"]\n', "base")
    pack = load_pack(written(tmp_path, "o", "", ["left", "right"]))
    assert pack.raw["sets"]["s"]["members"] == ["ckd", "chd"]
    with pytest.raises(PackError, match=r"left.toml:6 and other.toml:6 both set sets.s.members"):
        load_pack(written(tmp_path, "o", "", ["left", "other"]))
    for one, other, equal in (("1", "1.0", True), ("1", "true", False), ("0.0", "false", False), ('"1"', "1", False)):
        written(tmp_path, "one", f"[parameters.p]\nvalue = {one}\n")
        written(tmp_path, "two", f"[parameters.p]\nvalue = {other}\n")
        found = []
        for order in (["one", "two"], ["two", "one"]):
            try:
                found.append(repr(value(load_pack(written(tmp_path, "o", "", order)), "p")))
            except PackError:
                found.append("conflict")
        assert found[0] == found[1]
        assert (found[0] != "conflict") is equal


def test_different_keys_of_one_table_do_not_conflict(tmp_path: Path) -> None:
    written(tmp_path, "base", f'[definition.x]\n{RULE}value = "bmi > p"\n[parameters.p]\nvalue = 1\ntitle = "old"\n')
    written(tmp_path, "left", '[parameters.p]\ntitle = "new"\n', "base")
    written(tmp_path, "right", "[parameters.p]\nvalue = 2\n", "base")
    for order in (["left", "right"], ["right", "left"]):
        pack = load_pack(written(tmp_path, "o", "", order))
        assert pack.raw["parameters"]["p"] == {"value": 2, "title": "new"}


def test_a_value_against_a_table_is_a_conflict(tmp_path: Path) -> None:
    written(tmp_path, "base", "[definition.x]\nintercept = 1.0\n")
    written(tmp_path, "left", "[definition.x]\nintercept = 2.0\n", "base")
    written(tmp_path, "right", "[definition.x.intercept]\nwomen = 1.0\nmen = 2.0\n", "base")
    with pytest.raises(PackError, match=r"left.toml:6 \(2.0\) and right.toml.* both set definition.x.intercept"):
        load_pack(written(tmp_path, "o", "", ["left", "right"]))
    pack = load_pack(written(tmp_path, "o", "", ["base", "right"]))
    assert pack.raw["definition"]["x"]["intercept"] == {"women": 1.0, "men": 2.0}


INPUT = '[[input]]\nname = "ward"\ntype = "category"\nlabels = ["a", "b"]\n'


def test_a_shared_base_with_an_input_is_one_base(tmp_path: Path) -> None:
    base = f'{INPUT}[definition.x]\n{RULE}value = "ckd and ward == \\"a\\""\n'
    written(tmp_path, "base", base)
    written(tmp_path, "left", '[[input]]\nname = "score"\ntype = "int"\n[definition.x]\nvalue = "score > 1"\n', "base")
    written(tmp_path, "right", '[definition.x]\ntitle = "right"\n', "base")
    file = written(tmp_path, "o", "", ["left", "right"])
    assert load_pack(file).schema.names("local") == ["ward", "score"]
    assert Scorer(file, AS_OF).columns[-1] == "score"


def test_two_files_with_one_input_column(tmp_path: Path) -> None:
    """The same column twice is one; two columns of one name are not."""
    written(tmp_path, "one", INPUT)
    written(tmp_path, "two", INPUT.replace('type = "category"', "type = 'category'"))
    written(tmp_path, "three", INPUT.replace('"b"', '"b", "c"'))
    assert load_pack(written(tmp_path, "o", "", ["one", "two"])).schema["ward"].labels == ("a", "b")
    with pytest.raises(PackError, match=r"one.toml:5 and three.toml:5 both set input.ward"):
        load_pack(written(tmp_path, "o", "", ["one", "three"]))
    for again in (written(tmp_path, "o", INPUT, "one"), written(tmp_path, "o", INPUT * 2)):
        with pytest.raises(PackError, match=r"^o.toml:\d+: input: the patient table has a column 'ward' already"):
            load_pack(again)


def test_dated_versions_do_not_undo_what_another_pack_changed(tmp_path: Path) -> None:
    written(tmp_path, "base", f'[definition.x]\n{RULE}value = "ckd"\n')
    written(tmp_path, "left", '[definition.x]\nvalue = "chd"\n', "base")
    dated = '[definition.x]\nversions = [ { version = "2", effective_from = 2026-01-01, value = "age > 3" } ]\n'
    written(tmp_path, "right", dated, "base")
    for order in (["left", "right"], ["right", "left"]):
        with pytest.raises(
            PackError, match=r"left.toml:6 \(chd\) and right.toml:6 both set definition.x.value"
        ) as caught:
            load_pack(written(tmp_path, "o", "", order))
        assert "one as such and one in `versions`" in str(caught.value)
        assert (
            load_pack(written(tmp_path, "o", "[definition.x]\nversions = []\n", order)).raw["definition"]["x"]["value"]
            == "chd"
        )


def test_a_title_that_every_version_sets_again_cannot_be_changed_alone(tmp_path: Path) -> None:
    first, then = 'version = "1", effective_to = 2026-01-01, title = "a"', 'version = "2", effective_from = 2026-01-02'
    base = f'[definition.x]\n{RULE}value = "ckd"\nversions = [ {{ {first} }}, {{ {then}%s }} ]\n'
    ours = written(tmp_path, "o", '[definition.x]\ntitle = "new"\n', "base")
    written(tmp_path, "base", base % "")
    assert load_pack(ours).at(AS_OF).definitions["x"].title == "new"
    written(tmp_path, "base", base % ', title = "b"')
    with pytest.raises(PackError, match=r"^o.toml:\d+: definition.x: 'title' is set by each dated version"):
        load_pack(ours)


def test_the_order_of_columns(tmp_path: Path) -> None:
    """The pack's own, then those of what it extends in that order, a file before its base."""
    for name, extends in (("base", ()), ("left", "base"), ("right", "base")):
        written(tmp_path, name, f'[definition.{name}]\n{RULE}value = "ckd"\n', extends, f'columns = ["{name}"]\n')
    for order in (["left", "right"], ["right", "left"]):
        text = f'[definition.own]\n{RULE}value = "ckd"\n'
        pack = load_pack(written(tmp_path, "o", text, order, 'columns = ["own"]\n'))
        assert [d.output for d in pack.at(AS_OF).outputs] == ["own", *order, "base"]


def test_a_fit_is_said_of_one_file(tmp_path: Path) -> None:
    fit = '[fit]\nmodel = "m"\n'
    written(tmp_path, "one", fit)
    written(tmp_path, "two", fit.replace('"m"', '"k"'))
    assert "fit" not in load_pack(written(tmp_path, "o", "", ["one", "two"])).raw
    assert load_pack(written(tmp_path, "o", fit, ["one", "two"])).raw["fit"] == {"model": "m"}


def test_many_layers_of_diamonds_are_no_work(tmp_path: Path) -> None:
    """Two packs a layer, each of which extends both of the layer below: 2 to the 30 ways down."""
    written(tmp_path, "a0", "[parameters.p]\nvalue = 0\n")
    written(tmp_path, "b0")
    for i in range(1, 31):
        for name in "ab":
            text = f"[parameters.p]\nvalue = {i}\n" if name == "b" and i % 7 == 0 else ""
            written(tmp_path, f"{name}{i}", text, [f"a{i - 1}", f"b{i - 1}"])
    pack = load_pack(tmp_path / "a30.toml")
    assert (value(pack, "p"), len(pack.sources)) == (28, 61)


def test_a_row_without_end_is_refused(tmp_path: Path) -> None:
    for i in range(100):
        written(tmp_path, f"p{i}", "", f"p{i + 1}")
    with pytest.raises(PackError, match="more than 64 packs extend one another in a row"):
        load_pack(tmp_path / "p0.toml")
