"""Audit logs and their head files: a log that says something else than was written does not verify."""

from __future__ import annotations

import json
import os
import random
import tempfile
from functools import cache
from pathlib import Path

import mutate
from target import WrongError

from popstrat.audit import append, verify
from popstrat.errors import InputError

_LINES = 5


@cache
def sound() -> tuple[bytes, bytes, str]:
    """A log, its head file, and what is added to the log's name to make the head's."""
    os.environ.pop("POPSTRAT_AUDIT_KEY", None)
    with tempfile.TemporaryDirectory(prefix="popstrat-fuzz-") as name:
        log = Path(name, "audit.log")
        for i in range(_LINES):
            append(log, "score", rows=i, output=f"list-{i}.parquet")
        (head,) = [p for p in Path(name).iterdir() if p != log and "head" in p.name]
        return log.read_bytes(), head.read_bytes(), head.name


def make(number: int) -> bytes:
    rng = random.Random(number)
    log, head, _ = sound()
    lines = log.splitlines(keepends=True)
    way = rng.randrange(9)  # of the last, nothing: what is sound must verify
    if way == 0:
        lines.insert(rng.randrange(_LINES), rng.choice(lines))
    elif way == 1:
        del lines[rng.randrange(_LINES)]
    elif way == 2:
        at = rng.randrange(_LINES)
        odd = [
            b"[" * 100_000,
            b'{"a":' * 50_000,
            b"9" * 100_000,
            b"null",
            b"[]",
            b"1",
            b"\xff",
            b"",
            b"{}",
            b'"' + b"x" * 10**6,
        ]
        lines[at] = rng.choice(odd) + b"\n"
    elif way == 3:
        head = mutate.of_bytes(head, rng, [log])
    elif way == 4:
        at = rng.randrange(_LINES)
        line = json.loads(lines[at])
        line[rng.choice(sorted(line))] = rng.choice([None, -1, 1e308, "", [], {}, "x", True, 10**30])
        lines[at] = json.dumps(line).encode() + b"\n"
    log = b"".join(lines)
    if 4 < way < 8:
        log = mutate.of_bytes(log, rng, [head])
    return len(head).to_bytes(4, "little") + head + log


def judge(content: bytes, folder: Path) -> str:
    size = int.from_bytes(content[:4], "little")
    head, log = content[4 : 4 + size], content[4 + size :]
    whole, its_head, head_name = sound()
    path = folder / "audit.log"
    path.write_bytes(log)
    (folder / head_name).write_bytes(head)
    if (head, log) == (its_head, whole):
        try:
            verify(path)
        except InputError as error:
            raise WrongError(f"a sound log is refused: {error}") from None
        return "read"
    verify(path)
    if head == its_head and log != whole:
        raise WrongError("the log was changed, and verifies")
    return "read"
