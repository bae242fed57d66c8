"""What is left to `make nightly`: by its reason, never a whole test, and run where it is asked for by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nightly import seeds


class Item:
    """One test, as far as the collection looks at it."""

    def __init__(self, nodeid: str, *marks: pytest.Mark) -> None:
        self.nodeid, self.marks = nodeid, marks

    def iter_markers(self, name: str) -> Iterator[pytest.Mark]:
        return (mark for mark in self.marks if mark.name == name)


Collect = Callable[..., tuple[list[str], list[str]]]


@pytest.fixture
def collect(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> Collect:
    """What is kept of some tests, and what is left out."""
    ours = Path(__file__).parents[1] / "conftest.py"
    plugins = pytestconfig.pluginmanager.get_plugins()
    conftest = next(p for p in plugins if Path(getattr(p, "__file__", None) or "").absolute() == ours)
    monkeypatch.delenv("POPSTRAT_NIGHTLY", raising=False)

    def of(*items: Item, args: tuple[str, ...] = ("tests",)) -> tuple[list[str], list[str]]:
        left: list[Item] = []
        hook = SimpleNamespace(pytest_deselected=lambda items: left.extend(items))
        kept: list[Any] = list(items)
        conftest.pytest_collection_modifyitems(SimpleNamespace(args=args, hook=hook), kept)
        return [item.nodeid for item in kept], [item.nodeid for item in left]

    return of


MORE = pytest.mark.nightly("more of the same").mark
ITEMS = (Item("a.py::test_a[0]"), Item("a.py::test_a[1]", MORE), Item("a.py::test_b"))


def test_members_are_left_to_the_night(collect: Collect, monkeypatch: pytest.MonkeyPatch) -> None:
    assert collect(*ITEMS) == (["a.py::test_a[0]", "a.py::test_b"], ["a.py::test_a[1]"])
    assert collect(ITEMS[1], args=("a.py::test_a[1]",)) == (["a.py::test_a[1]"], [])
    monkeypatch.setenv("POPSTRAT_NIGHTLY", "1")
    assert collect(*ITEMS) == ([item.nodeid for item in ITEMS], [])


def test_a_test_that_the_day_would_never_run_is_refused(collect: Collect, monkeypatch: pytest.MonkeyPatch) -> None:
    for night in (False, True):
        if night:
            monkeypatch.setenv("POPSTRAT_NIGHTLY", "1")
        with pytest.raises(pytest.UsageError, match=r"no member of it is run by day: a\.py::test_c"):
            collect(*ITEMS, Item("a.py::test_c[9]", MORE))


def test_a_reason_is_needed(collect: Collect) -> None:
    with pytest.raises(pytest.UsageError, match="nightly needs its reason"):
        collect(Item("a.py::test_a[0]", pytest.mark.nightly.mark))


def test_seeds() -> None:
    chosen = seeds(2, 5)
    assert chosen[:2] == [0, 1]
    assert [p.values for p in chosen[2:]] == [(2,), (3,), (4,)]
    assert {mark.name for p in chosen[2:] for mark in p.marks} == {"nightly"}


def test_generated_tests_have_more_examples_by_night() -> None:
    """No number of examples is written down that would be the same by day and by night."""
    tests = Path(__file__).parents[1].rglob("test_*.py")
    fixed = [
        path.name for path in tests if re.search(r"max_examples=[0-9]+\b(?! *[*/])", path.read_text(encoding="utf-8"))
    ]
    assert fixed == []
