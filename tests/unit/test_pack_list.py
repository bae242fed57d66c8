"""The packs that come with popstrat, as data and as a table."""

from __future__ import annotations

import io

from rich.console import Console

from popstrat.packs.read import builtin_packs
from popstrat.packs.reading import list_packs
from popstrat.pages import pack_list


def test_list_packs() -> None:
    found = {p["id"]: p for p in list_packs()}
    assert set(found) == set(builtin_packs())
    assert all(p["version"] and p["title"] and p["path"] for p in found.values())


def test_the_table() -> None:
    page = io.StringIO()
    pack_list.show(list_packs(), Console(width=100, file=page))
    heads, *lines = page.getvalue().splitlines()
    assert heads.split() == ["pack", "version", "title"]
    for pack in list_packs():
        assert any(line.startswith(pack["id"]) and pack["version"] in line for line in lines)
    assert all(line == line.rstrip() for line in lines)
