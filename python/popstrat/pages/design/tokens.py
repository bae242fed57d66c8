"""Colours and sizes, as data: the style sheet has their names, and a test works out every contrast from them."""

from __future__ import annotations

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "page": "#f0f4f5",
    "surface": "#ffffff",
    "sunken": "#e8edee",
    "text": "#212b32",
    "muted": "#425563",
    "line": "#d8dde0",
    "strong-line": "#768692",
    "heading": "#003087",
    "link": "#005eb8",
    "band": "#005eb8",
    "on-band": "#ffffff",
    "focus": "#ffb81c",
    "on-focus": "#212b32",
    "red": "#d5281b",
    "on-red": "#ffffff",
    "amber": "#ffb81c",
    "on-amber": "#212b32",
    "green": "#007f3b",
    "on-green": "#ffffff",
    "grey": "#768692",
    # marks in charts: each 3:1 against the surface, so that none needs another sign to be seen
    "mark-1": "#005eb8",
    "mark-2": "#003087",
    "mark-3": "#00756f",
    "mark-4": "#7c2855",
    "mark-5": "#768692",
    "mark-6": "#330072",
    "mark-7": "#b35900",
    "mark-8": "#ae2573",
    "mark-9": "#006747",
    "mark-red": "#d5281b",
    "mark-amber": "#b57a00",
    "mark-green": "#007f3b",
    "band-fill": "#cfe1f2",
    "grid": "#d8dde0",
}
DARK: Mapping[str, str] = {
    "page": "#10181f",
    "surface": "#1b252d",
    "sunken": "#26323b",
    "text": "#f0f4f5",
    "muted": "#b8c4cc",
    "line": "#3b4953",
    "strong-line": "#8a99a5",
    "heading": "#a9d4fb",
    "link": "#8cc8ff",
    "band": "#003087",
    "on-band": "#ffffff",
    "focus": "#ffb81c",
    "on-focus": "#212b32",
    "red": "#d5281b",
    "on-red": "#ffffff",
    "amber": "#ffb81c",
    "on-amber": "#212b32",
    "green": "#007f3b",
    "on-green": "#ffffff",
    "grey": "#8a99a5",
    "mark-1": "#66b3ff",
    "mark-2": "#b3c7ff",
    "mark-3": "#4fd1c5",
    "mark-4": "#e79ac4",
    "mark-5": "#9aa8b3",
    "mark-6": "#c4a5f5",
    "mark-7": "#f2a154",
    "mark-8": "#ff8cc6",
    "mark-9": "#6fd6a0",
    "mark-red": "#ff8478",
    "mark-amber": "#ffb81c",
    "mark-green": "#5fd08a",
    "band-fill": "#27445f",
    "grid": "#3b4953",
}
SIZES: Mapping[str, str] = {
    "font": "Arial, Helvetica, sans-serif",
    "size": "1rem",
    "small": ".875rem",
    "h1": "clamp(1.5rem, 1.2rem + 1.4vw, 2.1rem)",
    "h2": "clamp(1.2rem, 1.1rem + .6vw, 1.5rem)",
    "h3": "1.0625rem",
    "figure": "clamp(1.6rem, 1.3rem + 1.2vw, 2.25rem)",
    "gap": "1rem",
    "wide": "84rem",
    "measure": "46rem",
}
READ_ON = ("page", "surface", "sunken")
"""The grounds that text, links and headings stand on."""
MARKS = 9


def style() -> str:
    """The tokens as custom properties: light, dark where the reader's system asks for it, and light on paper."""
    light, dark, sizes = (_properties(tokens) for tokens in (LIGHT, DARK, SIZES))
    return (
        f":root{{color-scheme:light;{sizes}{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{dark}}}}}\n"
    )


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, as WCAG 2.2 works it out: 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _properties(tokens: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in tokens.items())
