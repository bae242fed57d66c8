"""The kinds of feature that there are: one for each module of this folder that holds one."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from popstrat.deriving.kinds.kind import Feature


def _kinds() -> Iterator[type[Feature]]:
    folder = __name__.rpartition(".")[0]
    for found in iter_modules(import_module(folder).__path__):
        if found.name not in ("kind", "phrases", "reader", "registry"):
            module = import_module(f"{folder}.{found.name}")
            classes = [k for k in vars(module).values() if inspect.isclass(k) and issubclass(k, Feature)]
            kinds = [k for k in classes if k.__module__ == module.__name__]
            if len(kinds) != 1:
                raise ImportError(f"{module.__name__} has {len(kinds)} classes under Feature, not one")
            yield kinds[0]


KINDS: Mapping[str, type[Feature]] = MappingProxyType({k.name: k for k in sorted(_kinds(), key=lambda k: k.rank)})
"""Every kind by its name in a specification, the plainest first."""

_HEAD = """# One feature of each kind, each by itself. Made from popstrat.deriving.kinds: change those, not this file.

[pack]
id = "features"
version = "1.0.0"
title = "One feature of each kind"
"""


def examples() -> str:
    """A specification with the example of every kind: what `docs/examples/features.toml` has to be."""
    return _HEAD + "".join(
        f'\n[feature.{name}_example]\nkind = "{name}"\n{kind.example.strip()}\n' for name, kind in KINDS.items()
    )
