"""The folder that appears whole knows nothing of what is in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from popstrat.core.hidden_folder import HiddenFolder
from popstrat.errors import InputError


def test_it_appears_when_it_is_released(tmp_path: Path) -> None:
    with HiddenFolder(tmp_path / "out", "report") as folder:
        folder.create("a.txt", b"one ", memoryview(b"two"))
        (folder.scratch / "needed on the way").touch()
        folder.drop_scratch()
        assert [p.name for p in tmp_path.iterdir()] == [".out.report-partial"]
        folder.release(["a.txt"])
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == {"a.txt": b"one two"}


def test_unreleased_or_withdrawn_it_is_gone(tmp_path: Path) -> None:
    for released in (False, True):
        with HiddenFolder(tmp_path / "out", "report") as folder:
            folder.create("a.txt", b"one")
            if released:
                folder.release(["a.txt"])
                folder.withdraw()
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("holds", "one"), [("upload", "an upload"), ("report", "a report")])
def test_messages_say_what_it_holds(tmp_path: Path, holds: str, one: str) -> None:
    with (
        HiddenFolder(tmp_path / "out", holds),
        pytest.raises(InputError, match=f"another {holds} into this folder is at work"),
        HiddenFolder(tmp_path / "out", holds),
    ):
        pass
    (tmp_path / f".out.{holds}-partial").write_text("not ours")
    with pytest.raises(InputError, match=f"is in the way of {one}; remove it"), HiddenFolder(tmp_path / "out", holds):
        pass


def test_a_folder_of_another_user_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root could: what it wrote there would be in the folder of somebody else."""
    theirs = tmp_path / ".out.upload-partial"
    theirs.mkdir()
    (theirs / "a.txt").write_text("theirs")
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with pytest.raises(InputError, match="belongs to another user"), HiddenFolder(tmp_path / "out", "upload"):
        pass
    assert (theirs / "a.txt").read_text() == "theirs"
