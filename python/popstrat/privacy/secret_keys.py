"""Secret keys: read from a private file or the environment, never from an argument; weak ones are refused."""

from __future__ import annotations

import base64
import binascii
import itertools
import os
import re
import secrets
import stat
import sys
from pathlib import Path

from popstrat.errors import InputError

KEY_BYTES = 32
_FEWEST_DIFFERENT = 20  # of 32 random bytes fewer are different once in about 10^11
_HEX = re.compile(r"[0-9A-Fa-f]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_ADVICE = "make one with: popstrat pseudonymise --new-key FILE"


def new_key(path: str | Path) -> None:
    """Write a new random key of 32 bytes, as 64 hexadecimal digits, to a file that only its owner may read.

    Raises `InputError` if the file exists (a key that is written over is a key lost) or its folder cannot take it.
    """
    path = Path(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputError("exists already; a key that is written over is lost", file=str(path)) from None
    except FileNotFoundError:
        raise InputError("cannot be written: there is no such folder", file=str(path)) from None
    except PermissionError:
        raise InputError("cannot be written: the folder may not be written to", file=str(path)) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_hex(KEY_BYTES).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_key(file: str | Path | None, variable: str) -> bytes | None:
    """The key in a file, else in an environment variable, else None. Raises `InputError`; no message repeats the key.

    Both hold at least 32 random bytes as hexadecimal digits or base64. A file that others than its owner may read is
    refused (not on Windows, where modes say nothing).
    """
    if file is None:
        text = os.environ.get(variable)
        return parse_key(text, f"the environment variable {variable}") if text else None
    path = Path(file)
    try:
        with path.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read(1 << 16)
    except FileNotFoundError:
        raise InputError("there is no such key file", file=str(path)) from None
    except OSError as error:
        raise InputError(f"the key cannot be read: {error.strerror}", file=str(path)) from None
    if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
        raise InputError("other users can read or change this key file; correct that with: chmod 600", file=str(path))
    try:
        return parse_key(content.decode("ascii"), str(path))
    except UnicodeDecodeError:
        raise InputError(f"is not a key of hexadecimal digits or base64; {_ADVICE}", file=str(path)) from None


def parse_key(text: str, where: str) -> bytes:
    """The bytes of a key written in hexadecimal or base64. Raises `InputError` saying why it is too weak."""
    text = text.strip()
    if _HEX.fullmatch(text) and len(text) % 2 == 0:
        key = bytes.fromhex(text)
    else:
        try:
            if not _BASE64.fullmatch(text):
                raise binascii.Error
            key = base64.b64decode(text, validate=True)
        except binascii.Error:
            raise InputError(f"is not a key of hexadecimal digits or base64; {_ADVICE}", file=where) from None
    if len(key) < KEY_BYTES:
        raise InputError(f"the key has {len(key)} bytes; at least {KEY_BYTES} are needed; {_ADVICE}", file=where)
    if all(32 <= b < 127 for b in key):
        raise InputError(f"the key is text that somebody thought of, so it can be guessed; {_ADVICE}", file=where)
    steps = {(b - a) % 256 for a, b in itertools.pairwise(key)}
    if len(set(key)) < _FEWEST_DIFFERENT or len(steps) < _FEWEST_DIFFERENT:
        raise InputError(f"the key repeats itself, so it can be guessed; {_ADVICE}", file=where)
    return key
