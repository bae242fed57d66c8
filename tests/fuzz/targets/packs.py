"""Packs: whatever loads and compiles gives what the evaluator gives; the rest is refused."""

from __future__ import annotations

import datetime as dt
import random
from functools import cache
from pathlib import Path

import mutate
import numpy as np
from generated import compare, table_of
from target import WrongError

from popstrat.packs.load import load_pack
from popstrat.scoring.scorer import Scorer

AS_OF = dt.date(2026, 6, 30)
ROOT = Path(__file__).parents[3]
SMALL = 20_000  # bytes: the large packs would take all the time
WORDS = ["0", "-1", "1e308", "nan", "inf", "9" * 400, "true", '"x"', '""', "[]", "{}", "{ a = 1 }", "and", "or", "not",
         "==", "<", "**", "/", "in", "(", ")", "age", "sex", '"age"', "ckd", '"ckd / 0"', '"(age) ** 99"', "2026-01-01",
         "kind", '"expression"', '"/dev/zero"', '"../x"', '"london-2026"', "\x00", "\u202e", "é", "= =", "#",
         '"""']  # fmt: skip


@cache
def sound() -> list[str]:
    files = sorted((ROOT / "docs" / "examples").glob("*.toml"))
    files += sorted((ROOT / "python" / "popstrat" / "packs" / "builtin").glob("*.toml"))
    return [f.read_text(encoding="utf-8") for f in files if f.stat().st_size < SMALL]


def make(number: int) -> bytes:
    rng = random.Random(number)
    text = mutate.of_words(rng.choice(sound()), rng, sound(), WORDS)
    return mutate.of_bytes(text.encode(), rng) if rng.random() < 0.15 else text.encode()


def judge(content: bytes, folder: Path) -> str:
    path = folder / "pack.toml"
    path.write_bytes(content)
    scorer = Scorer(load_pack(path), AS_OF)
    rng = np.random.default_rng(len(content))
    table = table_of(rng, scorer.resolved, 20, 0.5, 0.2, 0.1)
    try:
        compare(scorer, table)
    except AssertionError as error:
        raise WrongError(f"engine and evaluator differ: {str(error)[:200]}") from None
    return "read"
