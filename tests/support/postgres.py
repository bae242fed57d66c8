"""A PostgreSQL server of our own for as long as a test module runs, on a socket in a folder that is removed with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

USER = "postgres"  # which Debian's package makes; the server refuses root


def _program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Gives what a client connects to. Where there is no PostgreSQL the test is skipped, unless POPSTRAT_POSTGRES says
    that there must be one."""
    initdb, postgres = _program("initdb"), _program("pg_ctl")
    if initdb is None or postgres is None:
        if os.environ.get("POPSTRAT_POSTGRES"):
            raise RuntimeError("POPSTRAT_POSTGRES is set, and PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed")
    as_user = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="popstrat-pg-"))
    data = folder / "data"
    try:
        if as_user:
            shutil.chown(folder, USER)
        where = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL}
        how = ["-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]
        subprocess.run([*as_user, initdb, "-D", str(data), *how], **where)  # type: ignore[call-overload]  # fmt: skip
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        subprocess.run([*as_user, postgres, "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start"],
                       **where)  # type: ignore[call-overload]  # fmt: skip
        try:
            yield f"host={folder} user={USER} dbname=postgres"
        finally:
            subprocess.run([*as_user, postgres, "-D", str(data), "-m", "immediate", "stop"], **where)  # type: ignore[call-overload]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
