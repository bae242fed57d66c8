"""Where the tables of a file are: found at once for every path, as one by one."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from popstrat.lang import source_map

words = st.sampled_from(["a", "b", '"a"', "a ", "ab"])
pieces = st.sampled_from(["x = 1", "# [a.b]", 's = "[a]"', 's = """\n[a]\n"""', "s = '''\n[a.b]\n'''", "'", '"""', ""])
headers = st.builds(
    lambda path, both, indent: f"{indent}{'[[' if both else '['}{'.'.join(path)}{']]' if both else ']'}",
    st.lists(words, min_size=1, max_size=4), st.booleans(), st.sampled_from(["", " "]),
)  # fmt: skip


def one_by_one(file: str, section: str) -> list[tuple[int, int]]:
    strings = [(t.start(), t.end()) for t in source_map._TOKENS.finditer(file)]
    found = re.finditer(r"^[ \t]*\[\[?\s*([^\]\n]+?)\s*\]\]?", file, re.MULTILINE)
    tables = [h for h in found if not any(begin < h.start() < end for begin, end in strings)]
    ends = [*(h.start() for h in tables[1:]), len(file)]
    return [
        (h.start(), end)
        for h, end in zip(tables, ends, strict=False)
        if (h.group(1).replace('"', "") + ".").startswith(section + ".")
    ]


@given(st.lists(headers | pieces, max_size=12).map("\n".join), st.lists(words, min_size=1, max_size=3).map(".".join))
def test_tables_at_or_below_a_path(file: str, section: str) -> None:
    assert list(source_map._spans(file, section)) == one_by_one(file, section)
