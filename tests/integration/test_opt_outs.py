"""Opt-out columns that say nothing are refused in secondary use, in each file, like columns that are not there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat.cli.main import run

pytestmark = pytest.mark.smoke

AS_OF, ROWS = "2026-06-30", 6
SILENT: list[tuple[str, pa.Array]] = [
    ("no type", pa.nulls(ROWS)),
    ("booleans", pa.nulls(ROWS, pa.bool_())),
    ("numbers", pa.nulls(ROWS, pa.int8())),
    ("floats that are none", pa.array([float("nan")] * ROWS)),
    ("text", pa.nulls(ROWS, pa.string())),
    ("empty text", pa.array(["", " "] * (ROWS // 2))),
    ("labels", pa.nulls(ROWS, pa.string()).dictionary_encode()),
]


def table(first: int = 0, **columns: Any) -> pa.Table:
    base: dict[str, Any] = {
        "patient_id": range(first, first + ROWS), "practice_code": ["E85001"] * ROWS, "age": [50] * ROWS,
        "sex": ["F"] * ROWS, "type1_opt_out": [False] * ROWS, "national_data_opt_out": [False] * ROWS,
    }  # fmt: skip
    return pa.table({**base, **columns})


@pytest.mark.parametrize("column", ["type1_opt_out", "national_data_opt_out"])
@pytest.mark.parametrize("values", [v for _, v in SILENT], ids=[n for n, _ in SILENT])
def test_in_memory(column: str, values: pa.Array) -> None:
    with pytest.raises(popstrat.InputError, match=f"column '{column}': .*needs this column filled"):
        popstrat.score(table(**{column: values}), AS_OF, profile="secondary-use")
    assert popstrat.score(table(**{column: values}), AS_OF).num_rows == ROWS


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("values", [v for _, v in SILENT], ids=[n for n, _ in SILENT])
def test_any_one_file_of_several(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, at: int, values: pa.Array
) -> None:
    paths = []
    for i in range(3):
        data = table(100 * i, **({"type1_opt_out": values} if i == at else {}))
        paths.append(written(data, tmp_path / f"list{i}{suffix}"))
    output = tmp_path / "out.parquet"
    arguments = ["score", *map(str, paths), "-o", str(output), "--as-of", AS_OF]
    before = set(tmp_path.iterdir())
    assert run([*arguments, "--profile", "secondary-use"]) == 2
    told = capsys.readouterr().err
    assert f"list{at}{suffix}: column 'type1_opt_out'" in told
    assert set(tmp_path.iterdir()) == before
    assert run(arguments) == 0


@pytest.mark.parametrize("says", [[None] * (ROWS - 1) + [False], [None] * (ROWS - 1) + [True]])
def test_one_row_that_says_something_is_enough(says: Sequence[bool | None]) -> None:
    scored = popstrat.score(table(type1_opt_out=pa.array(says)), AS_OF, profile="secondary-use")
    assert scored.num_rows == ROWS - sum(map(bool, says))


def test_nobody_needs_to_have_said_anything() -> None:
    empty = table().slice(0, 0)
    assert popstrat.score(empty, AS_OF, profile="secondary-use").num_rows == 0


def written(data: pa.Table, path: Path) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(data, path)
    elif path.suffix == ".arrow":
        feather.write_feather(data, path, compression="uncompressed")
    else:
        rows = [",".join(data.column_names)]
        rows += [",".join("" if v is None or v != v else str(v) for v in row.values()) for row in data.to_pylist()]
        path.write_text("\n".join(rows) + "\n")
    return path
