"""A user's typed script: it runs, and type checkers find nothing in it that popstrat's types would be to blame for."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import popstrat
import popstrat.engine
import popstrat.synthetic

SCRIPT = Path(__file__).parents[2] / "docs" / "examples" / "library_use.py"


@pytest.fixture
def laid_out(tmp_path: Path) -> Path:
    """The package in one folder, as it is installed: type checkers do not follow an editable install."""
    package = tmp_path / "laid" / "popstrat"
    package.mkdir(parents=True)
    for path in Path(popstrat.__path__[0]).iterdir():
        (package / path.name).symlink_to(path)
    for module in (popstrat.engine, popstrat.synthetic):
        place = package / module.__name__.rpartition(".")[2]
        if not place.exists():
            place.symlink_to(module.__path__[0])
    return package.parent


def _lacks(name: str) -> bool:
    return importlib.util.find_spec(name) is None


def test_it_runs() -> None:
    subprocess.run([sys.executable, str(SCRIPT)], check=True)


@pytest.mark.skipif(_lacks("mypy"), reason="mypy is not installed")
def test_mypy_finds_nothing(laid_out: Path, tmp_path: Path) -> None:
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\n[mypy-pyarrow.*]\nignore_missing_imports = True\n", encoding="utf-8")
    options = ["--config-file", str(config), "--follow-imports", "silent", "--cache-dir", str(tmp_path / "cache")]
    found = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(SCRIPT)],
        env={"MYPYPATH": str(laid_out), "PATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout


@pytest.mark.skipif(_lacks("pyright"), reason="pyright is not installed")
def test_pyright_finds_nothing(laid_out: Path, tmp_path: Path) -> None:
    (tmp_path / "user.py").write_bytes(SCRIPT.read_bytes())
    said = {
        "include": ["user.py"],
        "extraPaths": [str(laid_out)],
        "pythonVersion": "3.11",
        "reportMissingImports": True,
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(said), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pyright",
        "--project",
        str(tmp_path),
        "--pythonpath",
        sys.executable,
        "--outputjson",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    told = [f"{d['range']['start']['line'] + 1}: {d['message']}" for d in found["generalDiagnostics"]]
    assert not told
    assert found["summary"]["filesAnalyzed"] == 1
