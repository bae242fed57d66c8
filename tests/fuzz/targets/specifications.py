"""Feature specifications: whatever loads derives what plain Python derives; the rest is refused."""

from __future__ import annotations

import datetime as dt
import random
from functools import cache
from pathlib import Path

import mutate
from coded_record import compare
from made_specifications import specification
from target import WrongError

from popstrat.deriving.kinds.registry import examples
from popstrat.deriving.spec import load_spec
from targets.packs import WORDS

AS_OF = dt.date(2026, 6, 30)
MORE = ['["A_COD"]', '"events"', '"medications"', '"register"', '"count"', '"latest_value"', "within = 12", '"*"',
        '{ multiply = 0, add = 1 }', '"output"', "minimum = nan", "decimals = 400", "1e-320"]  # fmt: skip


@cache
def sound() -> list[str]:
    return [examples()] + [specification(random.Random(number)) for number in range(6)]


def make(number: int) -> bytes:
    rng = random.Random(number)
    text = mutate.of_words(rng.choice(sound()), rng, sound(), [*WORDS, *MORE])
    return mutate.of_bytes(text.encode(), rng) if rng.random() < 0.15 else text.encode()


def judge(content: bytes, folder: Path) -> str:
    path = folder / "specification.toml"
    path.write_bytes(content)
    features = load_spec(path).at(AS_OF)
    try:
        compare(features, random.Random(len(content)), 3, 20, tolerance=1e-9)
    except AssertionError as error:
        raise WrongError(f"the engine and plain Python differ: {str(error)[:200]}") from None
    return "read"
