"""The audit log: JSON Lines that are only ever added to, each holding the SHA-256 of the line before.

One line is one thing that was done to identifiable or patient-level data: who (the user of the operating system), when
(UTC), what, and what else the caller gives, which must not identify a patient. A line that is changed, removed, put
elsewhere or added in between breaks the chain. What a chain cannot show by itself, lines missing at its end, the *head
file* shows: ``<log>.head`` holds the number of lines and the hash of the last one.

Somebody who may write to both files can compute a new chain, unless there is a key (the environment variable
POPSTRAT_AUDIT_KEY_FILE names its file, or POPSTRAT_AUDIT_KEY holds it): then each line, and the head, ends in an
HMAC-SHA-256. And somebody who puts back an older copy of *both* files is found out only by whoever noted a later hash
elsewhere (`verify` with ``expect_last``).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import functools
import hashlib
import hmac
import json
import os
import platform
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from popstrat.core.small_files import parse_json, read_small
from popstrat.core.version import version
from popstrat.errors import InputError
from popstrat.privacy.identifiers import is_identifying
from popstrat.privacy.nhs_numbers import passes
from popstrat.privacy.secret_keys import read_key

LOG_VARIABLE = "POPSTRAT_AUDIT"
KEY_VARIABLE = "POPSTRAT_AUDIT_KEY"
KEY_FILE_VARIABLE = "POPSTRAT_AUDIT_KEY_FILE"
NOTHING = "0" * 64
"""What the first line has for the hash of the line before."""

_OWN = ("line", "time", "event", "who", "host", "program", "previous", "mac")
_MAC = re.compile(rb',"mac":"([0-9a-f]{64})"\}')
_MAC_BYTES = len(',"mac":"') + 64 + len('"}')
_LONGEST = 1 << 20
_HASH = re.compile(r"[0-9a-f]{64}")
_EVENT = re.compile(r"[a-z][a-z0-9-]{0,63}")
_NHS_NUMBER = re.compile(r"(?<![0-9A-Za-z])(\d{3})[ \u00a0-]?(\d{3})[ \u00a0-]?(\d{4})(?![0-9A-Za-z])")


@dataclass(frozen=True)
class Summary:
    """What `verify` found: a whole chain. ``first`` and ``last`` are times (UTC), None for a log without lines.

    ``last_hash`` is what to note elsewhere and give to a later ``expect_last``. ``keyed`` counts lines that carry a
    MAC; they were checked if ``macs_checked``. ``head_behind``: the last append was interrupted after its line was
    complete and before the head file followed, so that this one line could be removed unnoticed.
    """

    lines: int
    first: str | None
    last: str | None
    last_hash: str
    events: dict[str, int]
    keyed: int
    macs_checked: bool
    head_behind: bool

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def append(path: str | Path, event: str, **fields: Any) -> None:
    """Add a line to the log at ``path``, which is made (mode 0600) if it is not there.

    ``event`` is a word such as ``score`` or ``re-identify``; ``fields`` is whatever JSON can hold. The line is on the
    disk when the call returns; while it is added, other processes that add to the same log wait. What an interrupted
    append left behind (the beginning of a line) is removed first, and the new line says so (``repaired_bytes``). A file
    without any whole line is never touched: nothing says that it is an audit log.

    Raises `InputError` if a field is named like an identifier or a value looks like an NHS number; if the log's end is
    not what its head file says; if the log has a key and none is given.
    """
    path = Path(path)
    check_fields(event, fields)
    key = _key()
    with _locked(path) as file:
        count, last, torn = _look(file, path, key)
        line = {
            "line": count + 1,
            "time": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "event": event,
            "who": user(),
            "host": platform.node(),
            "program": f"popstrat {version('popstrat') or 'of unknown version'}",
            **fields,
            **({"repaired_bytes": torn} if torn else {}),
            "previous": last,
        }
        text = _signed(line, key)
        if len(text) > _LONGEST:
            raise InputError(f"a line of {len(text):,} bytes is too long for the audit log", file=str(path))
        size = file.seek(0, os.SEEK_END)
        if torn:
            size -= torn
            file.truncate(size)
        if not count:  # so that one line alone is known for what it is: the first, or all that somebody left
            _write_head(path, 0, NOTHING, key)
        try:
            if not count and not _head_path(path).exists():  # so that a first append which is interrupted can be seen
                _write_head(path, 0, NOTHING, key)
            if file.write(text + b"\n") != len(text) + 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(file.fileno())
            _write_head(path, count + 1, _sha(text), key)
        except BaseException:
            with contextlib.suppress(OSError):
                file.truncate(size)  # whole lines only, and none that the caller believes was not added
            raise


def verify(path: str | Path, *, expect_last: str | None = None) -> Summary:
    """Check the whole log and say what is in it.

    ``expect_last`` is the ``last_hash`` of an earlier check: the line of that hash must still be in the log. With it
    the head file may be absent, as for a copy of the log alone.

    Raises `InputError` naming the first line that was changed, removed, moved or cut short; if lines are missing at the
    end; if a MAC is wrong, or there is a key and no line has a MAC.
    """
    path = Path(path)
    name = str(path)
    key = _key()
    hashes, events, times, keyed = [NOTHING], dict[str, int](), list[str](), 0
    with _locked(path, create=False) as file:
        for number, raw in enumerate(_lines(file), 1):
            if not raw.endswith(b"\n"):
                raise _at(
                    name,
                    number,
                    "is cut short: the file was cut off, or an append was interrupted (then the next append mends it)",
                )
            text = raw[:-1]
            line = _parsed(text, name, number)
            if line["previous"] != hashes[-1] or line["line"] != number:
                before = f"line {number - 1}" if number > 1 else "the beginning"
                raise _at(name, number, f"does not follow {before}: a line was changed, removed, added or moved there")
            mac = _MAC.fullmatch(text[-_MAC_BYTES:])
            if mac:
                keyed += 1
                if key is not None and not _is_mac(key, text[:-_MAC_BYTES], mac[1]):
                    raise _at(name, number, "was changed, or written with another key: its MAC is wrong")
            elif keyed:
                raise _at(name, number, "has no MAC, though earlier lines have one")
            hashes.append(_sha(text))
            events[line["event"]] = events.get(line["event"], 0) + 1
            times = [times[0] if times else line["time"], line["time"]]
        count = len(hashes) - 1
        head = _read_head(path, key)
    if key is not None and count and not keyed:
        raise InputError("no line of it has a MAC, but there is a key: its MACs may have been stripped", file=name)
    if head is not None:
        stated = head.lines
        if stated > count:
            raise InputError(f"lines are missing at its end: it has {count:,}, and had {stated:,}", file=name)
        if key is not None and stated > count - keyed and not head.keyed:
            raise InputError("has no MAC, though the log has", file=str(_head_path(path)))
        if hashes[stated] != head.last:
            raise _at(name, stated, "is not the one that was written: the log or the head file was made again")
        if stated < count - 1:
            raise _at(name, stated + 2, "was added by something else than popstrat, or the head file is an older copy")
    elif expect_last is None and count:
        raise InputError(
            "its head file is missing, so lines may be missing at its end; if this is a copy of the log alone, give "
            "--expect-last with a hash that was noted earlier",
            file=name,
        )
    if expect_last is not None and expect_last.lower() not in hashes[1:]:
        raise InputError(
            "no line has the hash expected: the log was cut off or made again since it was noted", file=name
        )
    behind = head is not None and head.lines < count
    first, latest = (times[0], times[-1]) if times else (None, None)
    return Summary(count, first, latest, hashes[-1], events, keyed, key is not None, behind)


def check_fields(event: str, fields: Mapping[str, Any]) -> None:
    """Raise `InputError` unless these may go into an audit log; `append` does the same. To fail before the work."""
    if not _EVENT.fullmatch(event):
        raise InputError(f"an audit event is a word in small letters, digits and hyphens, not {event!r}")
    for name in fields:
        if name in (*_OWN, "repaired_bytes"):
            raise InputError(f"the audit log sets {name!r} itself")
    _refuse_identifiers(fields, "")
    try:
        json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError):
        raise InputError("the audit log takes text, finite numbers, true, false, null, lists and objects") from None


def user() -> str:
    """The operating system's name for the user of this process (not what LOGNAME says), and its number."""
    if sys.platform == "win32":
        import getpass

        return getpass.getuser()
    import pwd

    number = os.getuid()
    try:
        return f"{pwd.getpwuid(number).pw_name} ({number})"
    except KeyError:
        return f"({number})"


def ready(path: str | Path, others: Collection[str | Path] = ()) -> None:
    """Raise `InputError` if `append` would, or if the log is one of the ``others``, the files of the work at hand.

    For before that work, whose outputs must not appear without a line.
    """
    if Path(path).resolve() in {Path(other).resolve() for other in others}:
        raise InputError("is the audit log, and can be neither an input nor an output", file=str(path))
    with _locked(Path(path)) as file:
        _look(file, Path(path), _key())


def _refuse_identifiers(value: Any, name: str) -> None:
    """Raise `InputError` for a name or a value that may identify a patient; the message repeats names only."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _refuse_identifiers(str(key), f"a name in {name}" if name else "a name")
            if is_identifying(str(key)):
                raise InputError(f"the audit log holds no identifiers, so no field {str(key)!r}")
            _refuse_identifiers(inner, str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_identifiers(inner, name)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        for found in _NHS_NUMBER.finditer(str(value)):
            if passes("".join(found.groups())):
                raise InputError(f"the audit log holds no identifiers; {name} has what looks like an NHS number")


# -- lines, MACs and the head file --------------------------------------------------------------------------------


def _key() -> bytes | None:
    return read_key(os.environ.get(KEY_FILE_VARIABLE) or None, KEY_VARIABLE)


def _sha(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _mac(key: bytes, text: bytes) -> str:
    return hmac.digest(key, b"popstrat audit\0" + text, "sha256").hex()


def _is_mac(key: bytes, text: bytes, mac: bytes) -> bool:
    return hmac.compare_digest(_mac(key, text).encode(), mac)


def _signed(content: Mapping[str, Any], key: bytes | None) -> bytes:
    """The content as one line of ASCII, and its MAC, over all that comes before it, as the last member."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")
    if key is None:
        return text
    return text[:-1] + f',"mac":"{_mac(key, text[:-1])}"}}'.encode("ascii")


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    return iter(functools.partial(file.readline, _LONGEST + 2), b"")


def _parsed(text: bytes, name: str, number: int) -> dict[str, Any]:
    try:
        line = parse_json(text)
    except ValueError:
        raise _at(name, number, "is not JSON: it was changed or damaged") from None
    kinds = {"line": int, "time": str, "event": str, "previous": str}
    if not isinstance(line, dict) or not all(isinstance(line.get(k), kind) for k, kind in kinds.items()):
        raise _at(name, number, "is not a line of an audit log")
    return line


def _at(name: str, number: int, problem: str) -> InputError:
    return InputError(f"line {number}: {problem}", file=name)


def _head_path(path: Path) -> Path:
    return path.with_name(path.name + ".head")


@dataclass(frozen=True)
class _Head:
    lines: int
    last: str
    keyed: bool


def _read_head(path: Path, key: bytes | None) -> _Head | None:
    """What the head file says; None if there is none. Raises `InputError` if it is none, or its MAC is wrong."""
    head = _head_path(path)
    try:
        text = read_small(head, _LONGEST).rstrip(b"\n")
    except FileNotFoundError:
        return None
    try:
        content = parse_json(text)
        lines, last = content["lines"], content["last"]
        if not (isinstance(lines, int) and lines >= 0 and isinstance(last, str)):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise InputError("is not the head file of an audit log", file=str(head)) from None
    mac = _MAC.fullmatch(text[-_MAC_BYTES:])
    if key is not None and mac is not None and not _is_mac(key, text[:-_MAC_BYTES], mac[1]):
        raise InputError("was changed, or written with another key: its MAC is wrong", file=str(head))
    return _Head(lines, last, mac is not None)


def _write_head(path: Path, lines: int, last: str, key: bytes | None) -> None:
    head = _head_path(path)
    partial = head.with_name(f".{head.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_signed({"lines": lines, "last": last}, key) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(head)
    if not lines and sys.platform != "win32":  # two new names in the folder
        with contextlib.suppress(OSError):  # not every file system can
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _end(file: IO[bytes], path: Path) -> tuple[int, str, bool, int]:
    """The number, the hash and whether there is a MAC of the last whole line, and how many bytes come after it."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - 2 * _LONGEST - 4)
    file.seek(start)
    tail = file.read()
    whole = tail.rfind(b"\n") + 1
    torn = len(tail) - whole
    if not whole:
        if start:
            raise InputError("is not an audit log: its last line is too long", file=str(path))
        if torn:  # nothing says that it is ours, so nothing of it may be removed
            raise InputError(
                "is not an audit log, or its very first append was interrupted: it holds no whole line; nothing was "
                "added or removed",
                file=str(path),
            )
        return 0, NOTHING, False, 0
    text = tail[tail.rfind(b"\n", 0, whole - 1) + 1 : whole - 1]
    try:
        line = parse_json(text)
        number = line["line"]
        good = (
            isinstance(number, int)
            and number > 0
            and isinstance(line["time"], str)
            and isinstance(line["event"], str)
            and _HASH.fullmatch(line["previous"]) is not None
            and (number == 1) == (line["previous"] == NOTHING)
        )
        if not good:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise InputError("its last line is not one of an audit log; nothing was added", file=str(path)) from None
    return number, _sha(text), _MAC.fullmatch(text[-_MAC_BYTES:]) is not None, torn


def _look(file: IO[bytes], path: Path, key: bytes | None) -> tuple[int, str, int]:
    """The number and the hash of the last line, and the bytes of a torn one after it. Raises `InputError` where nothing
    may be added."""
    head = _read_head(path, key)
    count, last, keyed, torn = _end(file, path)
    stripped = head is not None and head.lines == count and keyed and key is not None and not head.keyed
    if stripped or not _agree(head, count, last, file, path):
        raise InputError(
            "does not end where its head file says; nothing was added. Look with: popstrat audit verify",
            file=str(path),
        )
    if keyed and key is None:
        raise InputError(f"this log has a key; name it in {KEY_FILE_VARIABLE}; nothing was added", file=str(path))
    return count, last, torn


def _agree(head: _Head | None, count: int, last: str, file: IO[bytes], path: Path) -> bool:
    """Whether the log ends where the head says, or one line later (an append interrupted before the head followed)."""
    if head is None:
        return count <= 1
    if head.lines != count - 1:
        return (head.lines, head.last) == (count, last)
    before = NOTHING
    for raw in _lines(file):  # rare: read it all
        if raw.endswith(b"\n"):
            line = _parsed(raw[:-1], str(path), count)
            if line["line"] == count:
                return bool(line["previous"] == before == head.last)
            before = _sha(raw[:-1])
    return False


@contextlib.contextmanager
def _locked(path: Path, *, create: bool = True) -> Iterator[IO[bytes]]:
    """The log, open for reading and adding, and nobody else's until the block ends."""
    if path.is_dir():
        raise InputError("an audit log is a file, and this is a folder", file=str(path))
    if path.exists() and not path.is_file():  # nor is one waited for
        raise InputError("an audit log is a file, and this is a device, a pipe or a socket", file=str(path))
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT if create else os.O_RDONLY
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)
    except FileNotFoundError:
        problem = "the audit log cannot be written: there is no such folder" if create else "there is no such audit log"
        raise InputError(problem, file=str(path)) from None
    except PermissionError:
        raise InputError("the audit log may not be opened (permission denied)", file=str(path)) from None
    with os.fdopen(descriptor, "r+b" if create else "rb", buffering=0 if create else -1) as file:
        _lock(file)
        yield file  # closing it unlocks it


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(1 << 40)  # a byte that no log reaches
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX if file.writable() else fcntl.LOCK_SH)
