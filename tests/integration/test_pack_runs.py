"""What a run of somebody's own pack tells of the list and of the pack."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat.cli import run

AS_OF = "2026-06-30"
ROWS = 200

PACK = """
[pack]
id = "own"
version = "1"

[[input]]
name = "treated"
%s

[definition.x]
kind = "expression"
title = "X"
means = "X"
source = "us"
version = "1"
value = '%s and ckd'
output = true
"""


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def listed(columns: Mapping[str, Any], rows: int = ROWS) -> pa.Table:
    people = {
        "patient_id": list(range(1, rows + 1)),
        "practice_code": ["A"] * rows,
        "sex": ["female", "male"] * (rows // 2),
        "age": [50 + i % 40 for i in range(rows)],
    }
    return pa.table({**people, **columns})


def told(data: pa.Table, pack: str, command: str) -> list[str]:
    """The warnings of `score`, or of the library."""
    Path("own.toml").write_text(pack, encoding="utf-8")
    if command == "library":
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            popstrat.score(data, AS_OF, pack="own.toml")
        return [str(w.message) for w in caught]
    pq.write_table(data, "list.parquet")
    output = ["-o", "out.parquet", "--force", "-q"]
    assert run(["score", "list.parquet", "--pack", "own.toml", "--as-of", AS_OF, *output]) == 0
    return list(json.loads(Path("out.parquet.run.json").read_text())["warnings"])


# -- a column of the pack's own that holds nothing -------------------------------------------------------------------

NOTHING = {
    "null": lambda kind: pa.nulls(ROWS, kind),
    "typeless": lambda kind: pa.nulls(ROWS),
    "text": lambda kind: pa.array([""] * ROWS),
    "dictionary": lambda kind: pa.array([""] * ROWS).dictionary_encode(),
    "NaN": lambda kind: pa.array(np.full(ROWS, np.nan), from_pandas=False),
}
TYPES = {
    "bool": ('type = "bool"', "treated", pa.bool_()),
    "int": ('type = "int"', "treated > 1", pa.int32()),
    "float": ('type = "float"', "treated > 1", pa.float64()),
    "category": ('type = "category"\nlabels = ["a", "b"]', 'treated == "a"', pa.string()),
    "date": ('type = "date"', "treated < as_of", pa.date32()),
}


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("required", ["", "required = true", "required = false"])
@pytest.mark.parametrize("kind", list(TYPES))
def test_an_own_column_that_holds_nothing_is_told(kind: str, required: str, sparse: bool) -> None:
    """Whether or not any flag is ever recorded as false, in every type, by the command and by the library."""
    declared, rule, arrow = TYPES[kind]
    pack = PACK % (f"{declared}\n{required}", rule)
    ckd = pa.array([True if i % 3 else None if sparse else False for i in range(ROWS)])
    forms = {"bool": ("null", "typeless", "text", "NaN"), "category": ("null", "typeless", "text", "dictionary")}
    for form in forms.get(kind, ("null", "typeless")):
        data = listed({"ckd": ckd, "treated": NOTHING[form](arrow)})
        for command in ("score", "library"):
            assert told(data, pack, command) == ["empty columns count as null for everybody: treated"], (form, command)
        assert json.loads(Path("out.parquet.run.json").read_text())["empty_columns"] == ["treated"]


def test_an_own_flag_is_judged_by_its_share_where_the_pack_says_it() -> None:
    """Where no flag is ever recorded as false, one that nobody is expected to have may well hold nothing; unless the
    pack requires a record of it."""
    data = listed({"ckd": pa.array([True] * ROWS), "treated": pa.nulls(ROWS, pa.bool_())})
    rare = 'type = "bool"\nper_1000 = 0.1\n'
    assert told(data, PACK % (rare, "treated"), "score") == []
    assert told(data, PACK % (f"{rare}required = true", "treated"), "score") != []
    known = listed({"ckd": pa.array([True] * ROWS), "treated": pa.array([False, *[None] * (ROWS - 1)])})
    assert told(known, PACK % ('type = "bool"\nrequired = true', "treated"), "score") == []
