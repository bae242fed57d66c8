"""Random packs of well-typed definitions on generated tables: engine and reference agree on every output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from generated import ANY, AS_OF, COLUMNS, compare, fewer_passes, invariances, packs, plain, tables
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from popstrat.compiler.options import NAMES
from popstrat.errors import PackError
from popstrat.scoring.scorer import Scorer

CONSTANT = ("is always null", "same for every patient", "true for no patient", "has no value for any patient",
            "too large", "a number is needed")  # fmt: skip
READ = [c for group in COLUMNS.values() for c in group]


def scorer_of_a_pack(data: Any, kinds: Sequence[str] = ANY) -> Scorer:
    """A generated pack at any as-of date."""
    pack = packs(data.draw, kinds)
    note(
        "\n".join(
            f"{k}: { {a: b for a, b in v.items() if a not in ('title', 'version', 'source')} }"
            for k, v in pack.raw["definition"].items()
        )
    )
    try:
        return Scorer(pack, data.draw(AS_OF))
    except PackError as error:  # what turns out constant may not be a term or a definition
        assume(not any(reason in str(error) for reason in CONSTANT))
        raise


@settings(max_examples=3 * settings.default.max_examples)
@given(st.data())
def test_engine_and_reference_agree(data: Any) -> None:
    """Definitions of all kinds, nested, referring to one another; with the compiler's optional passes and without."""
    scorer = scorer_of_a_pack(data)
    table = tables(data.draw, scorer.resolved, READ, most=70)
    note(f"{table.types}")
    scored, tally = compare(scorer, table)
    plain(scorer, table, scored, tally)
    invariances(scorer, table, scored, np.random.default_rng(data.draw(st.integers(0, 99))))


@settings(max_examples=2 * settings.default.max_examples)
@given(st.data())
def test_families_of_models_agree(data: Any) -> None:
    """Models like one another, inputs that they require, and lookups, in packs of little else."""
    scorer = scorer_of_a_pack(data, ("model", "like", "like", "like", "expression"))
    table = tables(data.draw, scorer.resolved, READ, most=40)
    scored, tally = compare(scorer, table)
    plain(scorer, table, scored, tally)


@settings(max_examples=settings.default.max_examples // 2)
@given(st.data())
def test_no_pass_of_the_compiler_changes_an_answer(data: Any) -> None:
    """Whichever are left out, each alone and some together, results are the same to the last bit."""
    scorer = scorer_of_a_pack(data)
    table = tables(data.draw, scorer.resolved, READ, most=70)
    fewer_passes(scorer, table, data.draw(st.sets(st.sampled_from(NAMES))))
