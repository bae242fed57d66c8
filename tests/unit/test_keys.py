"""Secret keys: where they are read from, and which are refused."""

from __future__ import annotations

import base64
import os
import secrets
import stat
from pathlib import Path

import pytest

from popstrat.errors import InputError
from popstrat.privacy.secret_keys import new_key, parse_key, read_key

GOOD = "9f1c5e0b7a3d48e6a2b90c4f6d813e57d0c2a68b14f97e35b86a1d4c03f2e798"


def private(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_a_new_key_is_private_random_and_readable(tmp_path: Path) -> None:
    new_key(tmp_path / "a")
    new_key(tmp_path / "b")
    keys = [read_key(tmp_path / name, "UNSET_VARIABLE") for name in "ab"]
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert [len(k or b"") for k in keys] == [32, 32]
    assert keys[0] != keys[1]


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    new_key(tmp_path / "key")
    before = (tmp_path / "key").read_bytes()
    with pytest.raises(InputError, match="exists already"):
        new_key(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == before
    with pytest.raises(InputError, match="no such folder"):
        new_key(tmp_path / "nowhere" / "key")


def test_hexadecimal_and_base64_mean_the_same() -> None:
    raw = bytes.fromhex(GOOD)
    assert (
        parse_key(GOOD, "x") == parse_key(f" {GOOD.upper()}\n", "x") == parse_key(base64.b64encode(raw).decode(), "x")
    )


def test_the_environment_serves_where_no_file_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    assert read_key(None, "SOME_KEY") is None
    monkeypatch.setenv("SOME_KEY", GOOD)
    assert read_key(None, "SOME_KEY") == bytes.fromhex(GOOD)
    other = secrets.token_bytes(40)
    assert read_key(private(tmp_path / "key", other.hex().encode()), "SOME_KEY") == other


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not a key of hexadecimal"),
        ("correct horse battery staple, and more of it", "not a key of hexadecimal"),
        (GOOD[:62], "31 bytes"),
        ("00" * 32, "repeats itself"),
        ("0123456789abcdef" * 4, "repeats itself"),
        (GOOD[:32] * 2, "repeats itself"),
        (bytes(range(32)).hex(), "repeats itself"),
        (bytes(range(0, 96, 3)).hex(), "repeats itself"),
        (b"correct horse battery staple, and ten more words".hex(), "text that somebody thought of"),
        ("changeme" * 8, "text that somebody thought of|repeats itself"),
    ],
)
def test_weak_keys_are_refused_without_being_repeated(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        parse_key(text, "key.txt")
    assert "key.txt" in str(caught.value)
    assert not text or text not in str(caught.value)


def test_random_keys_are_not_refused() -> None:
    for size in (32, 33, 48, 64):
        for _ in range(500):
            key = secrets.token_bytes(size)
            assert parse_key(key.hex(), "x") == key


@pytest.mark.skipif(os.name == "nt", reason="modes say nothing on Windows")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / "key", GOOD.encode())
    path.chmod(mode)
    with pytest.raises(InputError, match="chmod 600"):
        read_key(path, "SOME_KEY")


def test_key_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such key file"):
        read_key(tmp_path / "absent", "SOME_KEY")
    with pytest.raises(InputError, match="cannot be read"):
        read_key(tmp_path, "SOME_KEY")
    with pytest.raises(InputError, match="not a key of hexadecimal"):
        read_key(private(tmp_path / "raw", b"\xff\x00" * 32), "SOME_KEY")
