"""Every error and warning of the package has one base, and survives the way to another process."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
from collections.abc import Iterator

import pytest

import popstrat
from popstrat import errors

pytestmark = pytest.mark.smoke


def modules(package: str) -> Iterator[str]:
    """Every module of a package but those that run when they are imported."""
    yield package
    for found in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        if found.ispkg:
            yield from modules(found.name)
        elif not found.name.endswith(".__main__"):
            yield found.name


def exceptions() -> set[type[Exception]]:
    """The exception classes of popstrat's own that any of its modules holds."""
    names = {*modules("popstrat"), *modules("popstrat.engine"), *modules("popstrat.synthetic")}
    return {
        what
        for name in names
        for what in vars(importlib.import_module(name)).values()
        if isinstance(what, type) and issubclass(what, Exception) and what.__module__.partition(".")[0] == "popstrat"
    }


def test_one_base_for_all() -> None:
    found = exceptions()
    assert {errors.RunError, errors.ChunkError, errors.NotInstalledError} <= found  # the walk goes everywhere
    bases = {what: errors.PopstratWarning if issubclass(what, Warning) else errors.PopstratError for what in found}
    assert [what for what, base in bases.items() if not issubclass(what, base)] == []
    assert {what.__module__ for what in found} == {"popstrat.errors"}


def test_each_is_also_what_python_calls_it() -> None:
    assert popstrat.PopstratError is errors.PopstratError
    assert popstrat.PopstratWarning is errors.PopstratWarning
    expected = {
        errors.InputError: ValueError, errors.PackError: ValueError, errors.ExpressionError: ValueError,
        errors.TermError: ValueError, errors.ColumnError: ValueError, errors.ChunkError: ValueError,
        errors.RunError: RuntimeError, errors.ExposedError: errors.InputError,
        errors.TraceError: AssertionError, errors.NotInstalledError: errors.InputError,
        errors.FaultsError: errors.InputError,
        errors.DefinitionWarning: UserWarning,
    }  # fmt: skip
    assert [what for what, kind in expected.items() if not issubclass(what, kind)] == []


@pytest.mark.parametrize(
    "error",
    [
        errors.InputError("is null", column="age", rows=[3, 4, 5, 6, 7, 8], file="list.parquet"),
        errors.FaultsError(
            [errors.InputError("is null", column="age", rows=[1]), errors.InputError("is empty", file="a")]
        ),
        errors.NotInstalledError("fitting needs more libraries"),
        errors.PackError("ours.toml:3: no"),
        errors.ExpressionError("no such word", 3, 7),
        errors.TermError("no such term", "age", "age_term"),
        errors.RunError("rows do not add up"),
        errors.TraceError("ltc_count"),
        errors.ChunkError("fewer rows"),
        errors.DefinitionWarning("none in force"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whole_after_a_pickle(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), repr(vars(again))) == (type(error), str(error), repr(vars(error)))
