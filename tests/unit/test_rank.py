"""`rank` and `default_rank` of a pack: by which colours the people of a cohort are put in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from popstrat import PackError, Scorer, load_pack
from popstrat.packs.differences import changes
from popstrat.packs.rank import rank_of

HEAD = '[pack]\nid = "ours"\nversion = "1"\nextends = "london-2026"\n'
COHORT = """
[definition.our_cohort]
kind = "expression"
title = "Ours"
version = "1"
assumption = "a test"
value = "age >= 50"
output = true
"""


def resolved(folder: Path, text: str) -> Scorer:
    (folder / "ours.toml").write_text(HEAD + text)
    return Scorer(folder / "ours.toml", "2026-06-30")


def test_the_built_in_ranks() -> None:
    found = Scorer("london-2026", "2026-06-30").resolved
    ranks = {d.id: rank_of(found, d.id) for d in found.outputs}
    colours = {name: rank.id for name, rank in ranks.items() if rank is not None}
    assert len(colours) == len(ranks)
    assert {name for name, rank in colours.items() if rank == "cvrm_rag"} == {"mltc_int_segment", "mltc_int_priority"}
    assert set(colours.values()) == {"cvrm_rag", "need_rag"}
    for rank in ("cvrm_rag", "need_rag"):
        assert found.definitions[rank].node.type.labels == ("red", "amber", "green")


def test_a_local_cohort_has_the_usual_rank_or_its_own(tmp_path: Path) -> None:
    usual = resolved(tmp_path, COHORT).resolved
    own = resolved(tmp_path, f'{COHORT}rank = "nwl_risk_group"\n').resolved
    alike = resolved(
        tmp_path, '[definition.more]\nlike = "mltc_int_priority"\ntitle = "M"\nversion = "1"\noutput = true\n'
    )
    assert [r.id for r in (rank_of(usual, "our_cohort"), rank_of(own, "our_cohort")) if r] == [
        "need_rag",
        "nwl_risk_group",
    ]
    found = rank_of(alike.resolved, "more")
    assert found is not None
    assert found.id == "cvrm_rag"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f'{COHORT}rank = "cvrm_rga"\n', "'cvrm_rga' is none (did you mean 'cvrm_rag'?)"),
        (f'{COHORT}rank = "admission_risk"\n', "names a definition that writes a column of labels"),
        (f'{COHORT}rank = "ltc_living_with"\n', "names a definition that writes a column of labels"),
        (f"{COHORT}rank = 3\n", "`rank` is text"),
        (f"{COHORT}default_rank = true\n", "`default_rank` is for a definition that writes a column of labels"),
        ("[definition.cvrm_rag]\ndefault_rank = true\n", "'cvrm_rag' is the `default_rank` already"),
        ('[definition.cvrm_rag]\ndefault_rank = "yes"\n', "`default_rank` is true or false"),
    ],
)
def test_what_is_no_rank_is_refused_at_its_line(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(PackError) as raised:
        resolved(tmp_path, text)
    assert told in str(raised.value)
    assert str(raised.value).startswith(("ours.toml:", "london-2026.toml:"))


def test_another_rank_is_a_difference(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(f'{HEAD}[definition.mltc_int_segment]\nrank = "need_rag"\n')
    told = [
        c.text for c in changes(load_pack("london-2026"), load_pack(tmp_path / "ours.toml")) if c.part == "definition"
    ]
    assert any("rank" in text and "cvrm_rag" in text and "need_rag" in text for text in told)
