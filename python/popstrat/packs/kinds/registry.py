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
            (kind,) = (k for k in vars(module).values() if inspect.isclass(k) and issubclass(k, Kind) and k is not Kind)
            yield kind()


KINDS: Mapping[str, Kind] = MappingProxyType({k.name: k for k in sorted(_kinds(), key=lambda k: k.rank)})
"""Every kind by its name in a pack, the plainest first."""
