"""The cost tree of 2014: its arithmetic, and every way through it."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import itertools
import re
from functools import cache
from typing import Any

import pytest
from spec_tables import check as check_pack
from spec_tables import local_pack

from popstrat.packs.load import load_pack

pytestmark = pytest.mark.smoke

LTC = ("asthma", "copd", "lupus", "epilepsy", "ibd", "sarcoidosis", "obesity")  # conditions no split asks for


SEL_27 = local_pack('[parameters.cost_tree_conditions]\nvalue = "sel_27"\n')
"""With the 27 conditions of `ltc_count`, which every leaf can be reached with; the default set is tried below."""


def check(table: str) -> None:
    check_pack(table, pack=SEL_27)


@cache
def tree() -> dict[int, dict[str, Any]]:
    return {node["id"]: node for node in load_pack("london-2026").raw["definition"]["expected_cost_2014"]["nodes"]}


def mean(node: dict[str, Any]) -> float:
    return float(node["value"] if "value" in node else node["mean"])


def test_every_node_is_the_sum_and_the_mean_of_its_children() -> None:
    """N adds up exactly and means recombine within the rounding of what was printed, so no figure was misread."""
    for node in tree().values():
        if "value" in node:
            continue
        below = [tree()[node[side]] for side in ("yes", "no")]
        assert node["n"] == sum(child["n"] for child in below), node["id"]
        combined = sum(child["n"] * mean(child) for child in below) / node["n"]
        assert combined == pytest.approx(mean(node), rel=2e-6), node["id"]


def test_the_root() -> None:
    """The root has 153,687 people with a mean of £1,385.20. The 18 leaves have all of them."""
    leaves = [node for node in tree().values() if "value" in node]
    assert tree()[1]["n"] == 153687
    assert len(leaves) == 18
    assert sum(leaf["n"] for leaf in leaves) == 153687
    assert sum(leaf["n"] * leaf["value"] for leaf in leaves) / 153687 == pytest.approx(1385.2, rel=1e-6)


def test_by_conditions() -> None:
    """The published figures by number of conditions, which are in the nodes above the leaves, and the most expensive leaf."""
    nodes = tree()
    published = {4: (123338, 547.0933), 5: (15624, 2778.796), 6: (12474, 5900.64), 7: (2251, 12611.9)}
    assert {k: (nodes[k]["n"], mean(nodes[k])) for k in published} == published
    leaves = [node for node in nodes.values() if "value" in node]
    assert sum(leaf["n"] * leaf["value"] for leaf in leaves) == pytest.approx(212.89e6, rel=1e-4)
    assert max((leaf["value"], leaf["n"]) for leaf in leaves) == (18818.71, 263)


def test_children_are_numbered_by_their_parent() -> None:
    """Nodes 2k and 2k + 1 hang under node k, and only splits of four kinds occur."""
    for key, node in tree().items():
        if "value" not in node:
            assert {node["yes"], node["no"]} == {2 * key, 2 * key + 1}
            assert re.fullmatch(r"(cost_conditions|age) < \d+\.5|dementia|cancer|learning_disability", node["split"])


def test_every_leaf_by_hand() -> None:
    """Each leaf, with people on both sides of each age."""
    check("""
        age | asthma | copd | lupus | epilepsy | ibd | sarcoidosis | dementia | learning_disability | cancer || ltc_count | expected_cost_2014
        40  | -      | -    | -     | -        | -   | -           | -        | -                   | -      || 0         | 429.0872
        0   | -      | -    | -     | -        | -   | -           | -        | -                   | -      || 0         | 429.0872
        74  | -      | -    | -     | -        | -   | -           | -        | -                   | yes    || 0         | 3488.164
        74  | -      | -    | -     | -        | -   | -           | -        | yes                 | yes    || 0         | 8575.203
        74  | -      | -    | -     | -        | -   | -           | -        | -                   | -      || 0         | 429.0872
        75  | -      | -    | -     | -        | -   | -           | -        | yes                 | yes    || 0         | 3286.481
        84  | -      | -    | -     | -        | -   | -           | -        | -                   | -      || 0         | 3286.481
        85  | -      | -    | -     | -        | -   | -           | -        | -                   | -      || 0         | 5631.572
        120 | -      | -    | -     | -        | -   | -           | -        | -                   | -      || 0         | 5631.572
        5   | yes    | -    | -     | -        | -   | -           | -        | -                   | -      || 1         | 2530.153
        77  | yes    | -    | -     | -        | -   | -           | -        | -                   | yes    || 1         | 5804.239
        78  | yes    | -    | -     | -        | -   | -           | -        | -                   | yes    || 1         | 4937.704
        86  | yes    | -    | -     | -        | -   | -           | -        | -                   | -      || 1         | 4937.704
        87  | yes    | -    | -     | -        | -   | -           | -        | -                   | -      || 1         | 9261.335
        50  | -      | -    | -     | -        | -   | -           | yes      | -                   | -      || 1         | 2530.153
        50  | yes    | -    | -     | -        | -   | -           | yes      | -                   | -      || 2         | 17062.27
        50  | yes    | yes  | -     | -        | -   | -           | yes      | -                   | yes    || 3         | 17062.27
        50  | yes    | yes  | -     | -        | -   | -           | -        | -                   | -      || 2         | 4767.833
        50  | yes    | yes  | -     | -        | -   | -           | -        | -                   | yes    || 2         | 7931.51
        50  | yes    | yes  | yes   | -        | -   | -           | -        | -                   | -      || 3         | 7226.45
        50  | yes    | yes  | yes   | -        | -   | -           | -        | -                   | yes    || 3         | 10519.78
        78  | yes    | yes  | yes   | yes      | -   | -           | -        | -                   | -      || 4         | 10105.6
        78  | yes    | yes  | yes   | yes      | yes | -           | -        | -                   | -      || 5         | 13077.32
        79  | yes    | yes  | yes   | yes      | -   | -           | -        | -                   | -      || 4         | 14018.81
        79  | yes    | yes  | yes   | yes      | yes | -           | -        | -                   | -      || 5         | 14018.81
        50  | yes    | yes  | yes   | yes      | yes | yes         | -        | -                   | -      || 6         | 18818.71
        50  | yes    | yes  | yes   | yes      | yes | yes         | yes      | yes                 | yes    || 7         | 18818.71
    """)


def leaf(age: int, ltc: int, dementia: bool, learning_disability: bool, cancer: bool) -> float:
    """The leaf by a walk down the tree as it is written in the pack."""
    facts = {
        "age": age,
        "cost_conditions": ltc,
        "dementia": dementia,
        "learning_disability": learning_disability,
        "cancer": cancer,
    }
    node = tree()[1]
    while "value" not in node:
        node = tree()[node["yes" if eval(node["split"], {}, facts) else "no"]]
    return float(node["value"])


def test_everybody_of_known_age_gets_a_leaf_and_every_leaf_somebody() -> None:
    """All ages from 0 to 120 with all counts and conditions. There is always a mean, and each of the 18 leaves is reached."""
    ages = (0, 1, 15, 17, 18, 40, 74, 75, 77, 78, 79, 84, 85, 86, 87, 100, 120)
    rows, reached = [], set()
    for age, extra, dementia, disability, cancer in itertools.product(ages, range(8), (0, 1), (0, 1), (0, 1)):
        value = leaf(age, extra + dementia, bool(dementia), bool(disability), bool(cancer))
        reached.add(value)
        flags = ["yes" if on else "-" for on in (*(k < extra for k in range(7)), dementia, disability, cancer)]
        if extra <= 7:
            rows.append(f"{age} | {' | '.join(flags)} || {value}")
    check(
        f"age | {' | '.join(LTC)} | dementia | learning_disability | cancer || expected_cost_2014\n" + "\n".join(rows)
    )
    assert len(reached) == 18


def test_unknown_age() -> None:
    """Null only if a split asks for the age."""
    check("""
        age | asthma | copd | lupus | epilepsy | cancer || expected_cost_2014
        -   | -      | -    | -     | -        | -      || -
        -   | yes    | -    | -     | -        | -      || -
        -   | yes    | yes  | -     | -        | -      || 4767.833
        -   | yes    | yes  | yes   | -        | yes    || 10519.78
        -   | yes    | yes  | yes   | yes      | -      || -
    """)


def test_the_set_of_conditions_is_a_parameter() -> None:
    """By default, conditions with regular review count. They include cancer and learning disability, and not obesity."""
    rows = "age | obesity | asthma | cancer | learning_disability || expected_cost_2014\n"
    people = {
        "40 | yes | -   | -   | -  ": ("429.0872", "2530.153", "2530.153", "429.0872"),
        "40 | -   | yes | -   | -  ": ("2530.153", "2530.153", "2530.153", "2530.153"),
        "40 | -   | -   | yes | -  ": ("5804.239", "3488.164", "5804.239", "5804.239"),
        "40 | -   | -   | -   | yes": ("2530.153", "8575.203", "8575.203", "8575.203"),
        "40 | -   | yes | yes | -  ": ("7931.51", "5804.239", "7931.51", "7931.51"),
        "40 | -   | -   | -   | -  ": ("429.0872", "429.0872", "429.0872", "429.0872"),
    }
    for i, name in enumerate(("segmentation_grade", "sel_27", "qof_registers", "cambridge_20")):
        pack = local_pack(f'[parameters.cost_tree_conditions]\nvalue = "{name}"\n')
        check_pack(rows + "\n".join(f"{left} || {leaves[i]}" for left, leaves in people.items()), pack=pack)
    check_pack(rows + "\n".join(f"{left} || {leaves[0]}" for left, leaves in people.items()))
