"""TOML files that users write: read, and faulted by file and entry."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from popstrat.core.small_files import parse_toml, read_small
from popstrat.errors import InputError


class Fault:
    """Makes the errors about one file: ``raise fault("[file] encoding", "is one of …")``."""

    def __init__(self, file: str) -> None:
        self.file = file

    def __call__(self, entry: str, problem: str) -> InputError:
        return InputError(f"{entry}: {problem}", file=self.file)


def read_toml(path: Path, what: str) -> tuple[dict[str, Any], bytes]:
    """The content and the bytes of a TOML file. Raises `InputError`, which calls it ``what`` if it is not there."""
    try:
        raw = read_small(path)
        return parse_toml(raw.decode("utf-8-sig")), raw
    except FileNotFoundError:
        raise InputError(f"there is no such {what}", file=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except UnicodeDecodeError:
        raise InputError("is not in UTF-8", file=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is not valid TOML: {error}", file=str(path)) from None
