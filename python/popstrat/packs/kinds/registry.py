"""The kinds of definition that there are: one for each module of this folder that holds one."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from popstrat.packs.kinds.kind import Kind


def _kinds() -> Iterator[Kind]:
    folder = __name__.rpartition(".")[0]
    for found in iter_modules(import_module(folder).__path__):
        if found.name not in ("kind", "registry"):
            module = import_module(f"{folder}.{found.name}")
            classes = [k for k in vars(module).values() if inspect.isclass(k) and issubclass(k, Kind)]
            kinds = [k for k in classes if k.__module__ == module.__name__]
            if len(kinds) != 1:
                raise ImportError(f"{module.__name__} has {len(kinds)} classes under Kind, not one")
            yield kinds[0]()


KINDS: Mapping[str, Kind] = MappingProxyType({k.name: k for k in sorted(_kinds(), key=lambda k: k.rank)})
"""Every kind by its name in a pack, the plainest first."""

_HEAD = """# One definition of each kind, each by itself. Made from popstrat.packs.kinds: change those, not this file.

[pack]
id = "kinds"
version = "1.0.0"
title = "One definition of each kind"
"""


def examples() -> str:
    """A pack with the example of every kind: what `docs/examples/kinds.toml` has to be."""
    return _HEAD + "".join(
        f'\n[definition.{name}_example]\nkind = "{name}"\n{kind.example.strip()}\n' for name, kind in KINDS.items()
    )
