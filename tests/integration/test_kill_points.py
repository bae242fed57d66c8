"""Killed at any change of a name, a command has written all of its files or none (kill_points.py has every command)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from popstrat.core.files import Outputs
from popstrat.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")

SCRIPT = Path(__file__).with_name("kill_points.py")
WRITES = """
import functools, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import kill_points
from popstrat.core.files import Outputs

root, elsewhere = Path(sys.argv[2]), sys.argv[4] == "elsewhere"
old, to, names = root / "old", root / "to", [f"file{i}" for i in range(int(sys.argv[3]))]
def write(text):
    with Outputs() as outputs:
        for i, name in enumerate(names):
            place = to / "elsewhere" if elsewhere and i % 2 else to
            outputs.add(place / name).write_text(name + text)
        outputs.commit()
    return 0
(to / "elsewhere").mkdir(parents=True)
if sys.argv[5] != "none":
    write("old")
    if sys.argv[5] == "some":
        (to / names[0]).unlink()
to.rename(old)
points, wrong = kill_points.every_point(lambda: write("new"), to, functools.partial(kill_points.copied, old, to))
print(points, wrong)
sys.exit(bool(wrong) or points < 2 * len(names))
"""


@pytest.mark.parametrize("there", ["none", "some", "all"])
@pytest.mark.parametrize(("files", "where"), [(1, "one folder"), (2, "one folder"), (3, "elsewhere")])
def test_old_or_new_at_every_change_of_a_name(tmp_path: Path, files: int, where: str, there: str) -> None:
    given = [str(SCRIPT.parent), str(tmp_path), str(files), where, there]
    done = subprocess.run([sys.executable, "-c", WRITES, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_command_killed_at_some_changes_of_names() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--every", "14", "score"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("old or new at each") == 2


def test_two_runs_into_one_output_and_what_a_dead_one_left(tmp_path: Path) -> None:
    with Outputs() as first, Outputs() as second:
        partial = first.add(tmp_path / "a")
        partial.write_text("first")
        with pytest.raises(InputError, match="another run is writing this file"):
            second.add(tmp_path / "a")
        assert partial.read_text() == "first"
        assert partial.stat().st_mode & 0o777 == 0o600
        first.commit()
    assert (tmp_path / "a").read_text() == "first"
    script = (
        "import os, sys\nfrom popstrat.core.files import Outputs\noutputs = Outputs()\n"
        "for name in sys.argv[1:]: outputs.add(name).write_text('dead')\nos.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path / "a", tmp_path / "b"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a.partial", ".b.partial", "a"]
    with Outputs() as outputs:
        outputs.add(tmp_path / "a").write_text("third")
        outputs.add(tmp_path / "b").write_text("third")
        outputs.commit()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a": "third", "b": "third"}


def test_where_a_file_system_has_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*args: object, **kwargs: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", without)
    with Outputs() as outputs:
        for name in "ab":
            outputs.add(tmp_path / name).write_text("new")
        outputs.commit()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a": "new", "b": "new"}


def test_what_another_user_left_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".a.partial").write_text("theirs")
    (tmp_path / ".b.switch").mkdir()
    user = os.geteuid()
    with monkeypatch.context() as patched, Outputs() as outputs:
        patched.setattr(os, "geteuid", lambda: user + 1)
        for name in "ab":
            with pytest.raises(InputError, match="is in the way and belongs to another user; have it removed"):
                outputs.add(tmp_path / name)
    assert (tmp_path / ".a.partial").read_text() == "theirs"
    target = tmp_path / "precious"
    target.write_text("precious")
    (tmp_path / ".c.partial").symlink_to(target)
    with Outputs() as outputs, pytest.raises(InputError, match="is in the way; remove it"):
        outputs.add(tmp_path / "c")
    assert target.read_text() == "precious"
