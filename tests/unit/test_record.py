"""The run record: hashes, host, counts, and the order of its keys."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from popstrat.core.hashing import hash_file
from popstrat.runs import doubts, host, record

pytestmark = pytest.mark.smoke


@dataclass
class FakeTally:
    rows_in: int = 10
    rows_out: int = 7
    excluded: dict[str, int] = field(default_factory=lambda: {"type 1 opt-out": 2, "national data opt-out": 1})
    groups: dict[str, dict[str, int]] = field(default_factory=lambda: {"rag": {"red": 1, "green": 6}})
    sums: dict[str, float] = field(default_factory=lambda: {"risk": 1.5, "cost": 0.0})
    counts: dict[str, int] = field(default_factory=lambda: {"risk": 6})
    quality: dict[str, dict[str, int]] = field(default_factory=lambda: {"bmi": {"outside 10 to 100 kg/m²": 2}})
    newest_date: dt.date | None = dt.date(2026, 6, 1)
    models: dict[str, dict[str, int]] = field(default_factory=lambda: {"risk.missing": {"bmi": 2}})
    disorder: dict[str, dict[str, int]] = field(default_factory=lambda: {"low": {"both": 5, "not_below": 1}})


class FakeScorer:
    pack_record: dict[str, Any] = {"id": "mini", "version": "1", "sha256": "ab"}  # noqa: RUF012
    as_of = dt.date(2026, 6, 30)
    profile = "direct-care"
    models: dict[str, Any] = {"risk": {"title": "Risk"}}  # noqa: RUF012
    quality_bits: dict[str, int] = {"bmi: outside 10 to 100 kg/m²": 3}  # noqa: RUF012
    notices = ("one", "two")
    counting = SimpleNamespace(readings=())


def assembled(**more: Any) -> dict[str, Any]:
    return record.assemble(
        FakeScorer(),  # type: ignore[arg-type]
        FakeTally(),  # type: ignore[arg-type]
        command="score",
        notices=["two", "three"],
        ignored=["a", "b", "a"],
        started=dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        seconds={"total": 2.0, "read": 0.123456},
        threads=2,
        **more,
    )


def test_counts_and_remarks() -> None:
    made = assembled(inputs=[])
    assert made["rows"] == {
        "in": 10,
        "out": 7,
        "excluded": 3,
        "excluded_by_reason": {"type 1 opt-out": 2, "national data opt-out": 1},
    }
    assert made["means"] == {"risk": {"mean": 0.25, "rows": 6}, "cost": {"mean": None, "rows": 0}}
    assert made["disorder"] == {"low": {"both": 5, "not_below": 1}}
    assert made["notices"] == ["one", "two", "three"]
    assert made["ignored_columns"] == ["a", "b"]
    assert made["warnings"] == []
    assert made["newest_record_date"] == "2026-06-01"
    assert made["started"] == "2026-07-01T11:00:00.000Z"
    assert made["seconds"] == {"total": 2.0, "read": 0.1235}
    assert made["rows_per_second"] == 5
    json.loads(record.to_json(made))


def test_keys_keep_one_order() -> None:
    names = list(assembled(output={}, inputs=[], unheard_of=1))
    assert names[:2] == ["record_version", "command"]
    assert names.index("inputs") < names.index("output") < names.index("rows") < names.index("host")
    assert names[-1] == "unheard_of"
    assert list(assembled(output={}, inputs=[])) == names[:-1]


def test_a_stale_extract_is_worth_a_warning() -> None:
    as_of = dt.date(2026, 6, 30)
    assert doubts.staleness(as_of, None) == []
    assert doubts.staleness(as_of, dt.date(2026, 5, 16)) == []
    assert "2026-05-15, 46 days before" in doubts.staleness(as_of, dt.date(2026, 5, 15))[0]


def test_hashes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 40_000
    (tmp_path / "a").write_bytes(data)
    assert hash_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()
    program = host.program()
    assert program["name"] == "popstrat"
    assert len(program["sha256"]) == 64


def test_host_and_memory() -> None:
    assert host.host()["packages"]["pyarrow"]
    assert (host.peak_memory() or 0) > 10_000_000


def test_the_summary_is_part_of_the_record() -> None:
    made = assembled(output={"name": "a"}, inputs=[])
    short = record.summary(made, Path("out/a.parquet"))
    assert (short["output"], short["record"]) == ("out/a.parquet", "out/a.parquet.run.json")
    assert short["groups"] == made["groups"]
    assert "host" not in short
