"""A Chromium that looks at pages, and what axe-core finds wrong with them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_FIND = """async (rules) => {
  const found = await axe.run(document, {runOnly: rules});
  return found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 160)).join(' | '));
}"""


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """The system's Chromium. Where there is none the test is skipped, unless POPSTRAT_CHROMIUM says that there must be
    one."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
    )
    if not found:
        if os.environ.get("POPSTRAT_CHROMIUM"):
            raise RuntimeError("POPSTRAT_CHROMIUM is set, and Chromium is not installed")
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            yield opened
        finally:
            opened.close()


@contextlib.contextmanager
def looking_at(browser: Any, page: Path, width: int, height: int = 900, **how: Any) -> Iterator[Any]:
    """A page in a window of that size; it may load nothing but itself."""
    context = browser.new_context(viewport={"width": width, "height": height}, **how)
    asked: list[str] = []
    try:
        shown = context.new_page()
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto(page.as_uri())
        yield shown
        assert asked == [page.as_uri()]
    finally:
        context.close()


def violations(shown: Any) -> list[str]:
    """What axe-core finds, by rule, with what it found it in."""
    shown.evaluate(_axe())
    found: list[str] = shown.evaluate(_FIND, list(RULES))
    return found


@cache
def _axe() -> str:
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
