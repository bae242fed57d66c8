"""That nothing the compiled code holds grows with the calls that are made of it. `run.py` makes more of them."""

from __future__ import annotations

import platform
import re
import shutil
from pathlib import Path

import growth
import pytest

HERE = Path(__file__).parent
ENGINE = HERE.parents[1] / "engine"

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not shutil.which("cc"),
    reason="blocks are counted in glibc, with a C compiler",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("counting")


def test_nothing_grows_with_the_calls(folder: Path) -> None:
    done = growth.started(["3"], folder)
    found = growth.told(done)
    assert len(found) > 10
    assert {name: line["leaks"] for name, line in found.items() if line["leaks"]} == {}
    assert done.returncode == 0


@pytest.mark.parametrize("plant", growth.PLANTS)
def test_what_leaks_is_seen(plant: str, folder: Path) -> None:
    done = growth.started(["4", "--plant", plant], folder)
    assert growth.told(done)[plant]["leaks"]
    assert done.returncode == 1


def test_every_compiled_function_is_called() -> None:
    """All that the stubs of the compiled modules declare, by its name."""
    called = (HERE / "entry_points.py").read_text(encoding="utf-8")
    for stub in ENGINE.rglob("*.pyi"):
        for name in re.findall(r"(?:def|class) ([a-z]\w+|[A-Z]\w+)", stub.read_text(encoding="utf-8")):
            assert name == "Found" or re.search(rf"\b{name}\b", called), f"{stub.name}: {name} is not called"
