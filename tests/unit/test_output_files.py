"""Output files appear whole, together or not at all; what cannot be written is said before anything is."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from popstrat.core import claims
from popstrat.core.files import Outputs
from popstrat.errors import InputError
from popstrat.formats import check_target

pytestmark = pytest.mark.smoke


def test_outputs_appear_together_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("old")
    with Outputs() as outputs:
        outputs.add(tmp_path / "a").write_text("new")
        outputs.add(tmp_path / "b").write_text("new")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a", "old")]
    with pytest.raises(KeyboardInterrupt), Outputs() as outputs:  # noqa: PT012
        outputs.add(tmp_path / "a").write_text("new")
        raise KeyboardInterrupt
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a", "old")]
    with Outputs() as outputs:
        outputs.add(tmp_path / "a").write_text("new")
        outputs.add(tmp_path / "b").write_text("new")
        outputs.commit()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]

    real = Path.replace

    def fails_for_the_second(self: Path, target: Path) -> Path:
        if target.name == "d":
            raise OSError(errno.EIO, "broken")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", fails_for_the_second)
    with pytest.raises(OSError, match="broken"), Outputs() as outputs:  # noqa: PT012
        outputs.add(tmp_path / "c").touch()
        outputs.add(tmp_path / "d").touch()
        outputs.commit()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_a_stop_while_a_file_is_claimed_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hidden file is there and its lock is not yet: whose it is has to be known by then."""

    def stopped(descriptor: int) -> bool:
        assert list(tmp_path.iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(claims, "_locked", stopped)
    with pytest.raises(KeyboardInterrupt), Outputs() as outputs:
        outputs.add(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with Outputs() as outputs:
        with pytest.raises(InputError, match="there is no such folder"):
            outputs.add(tmp_path / "no" / "a.csv")
        (tmp_path / "dir.csv").mkdir()
        with pytest.raises(InputError, match="not a file has that name"):
            outputs.add(tmp_path / "dir.csv")
    existing = tmp_path / "in.csv"
    existing.write_text("a\n1\n")
    link = tmp_path / "link.csv"
    link.symlink_to(existing)
    for target in (existing, link):
        with pytest.raises(InputError, match="is an input"):
            check_target(target, [existing])
    with pytest.raises(InputError, match=r"should end in .parquet, .arrow, .csv or .csv.gz"):
        check_target(tmp_path / "a.xlsx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dir.csv", "in.csv", "link.csv"]
