"""A fault is pointed at where it is written, by the keys that lead there: the same word may stand in many places."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from popstrat.errors import PackError
from popstrat.lang.toml_places import spots
from popstrat.packs.key_shapes import _KEYS
from popstrat.packs.load import load_pack

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
FILES = ("kinds.toml", "score2.toml", "sex-specific-survival.toml", "small-model.toml", "tree.toml")
WRONG = "[[1]]"


def edits(file: str) -> Iterator[tuple[str, int, str]]:
    """A file with one key that has what it cannot have, on which line, and the key."""
    text = (EXAMPLES / file).read_text(encoding="utf-8")
    for path, spot in spots(text).items():
        patient = path[-2:-1] == ("patient",) or path[-1] in ("expected", "tolerance")
        shaped = path[0] == "definition" and "patient" not in path and path[-1] in _KEYS and path[-1] != "versions"
        one = isinstance(path[-1], str) and len(spot.values) == 1 and text[spot.values[0][0]] not in "[{"
        if one and (
            patient or shaped or path[-2:-1] in (("coefficients",), ("strata",)) or path[-1] in ("clip", "default")
        ):
            begin, end = spot.values[0]
            yield text[:begin] + WRONG + text[end:], text.count("\n", 0, spot.begin) + 1, str(path[-1])


@pytest.mark.parametrize("file", FILES)
def test_every_key_is_found(tmp_path: Path, file: str) -> None:
    tried = 0
    found = list(edits(file))
    for text, line, key in found[:: 1 + len(found) // 40]:  # a sample of the long ones, spread over all of the file
        (tmp_path / "p.toml").write_text(text, encoding="utf-8")
        with pytest.raises(PackError) as caught:
            load_pack(tmp_path / "p.toml").at(dt.date(2026, 6, 30))
        message = str(caught.value)
        assert message.startswith(f"p.toml:{line}: "), (key, line, message)
        tried += 1
    assert tried > 10
