"""Makes hazard-log.md from hazards.toml: ``python docs/safety/hazard_log.py --write`` (without: is it current?)."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE / "hazard-log.md"

SEVERITIES = ("minor", "significant", "considerable", "major", "catastrophic")
LIKELIHOODS = ("very low", "low", "medium", "high", "very high")
# rows: likelihood from very low to very high; columns: severity from minor to catastrophic (DCB0129's example matrix)
MATRIX = ((1, 1, 2, 2, 3), (1, 2, 2, 3, 4), (2, 2, 3, 3, 4), (2, 3, 3, 4, 5), (3, 4, 4, 5, 5))
MEANING = {
    1: "acceptable, no further action needed",
    2: "acceptable if reducing it further costs more than it gains",
    3: "undesirable: reduce it; acceptable only if that is impracticable",
    4: "mandatory to eliminate or reduce",
    5: "unacceptable",
}
WHO = {"deployer": "the deploying organisation", "later": "not in this version"}


def hazards() -> list[dict[str, Any]]:
    """The hazards, as they stand in the data file."""
    found: list[dict[str, Any]] = tomllib.loads((HERE / "hazards.toml").read_text(encoding="utf-8"))["hazard"]
    return found


def risk(rating: list[str]) -> int:
    """The risk, 1 to 5, of a severity and a likelihood."""
    severity, likelihood = rating
    return MATRIX[LIKELIHOODS.index(likelihood)][SEVERITIES.index(severity)]


def page() -> str:
    """The page in full."""
    log = hazards()
    lines = [
        "# Hazard log",
        "",
        "<!-- made by docs/safety/hazard_log.py from hazards.toml; do not edit -->",
        "",
        "**No clinical safety officer has reviewed or signed this log.** Severities, likelihoods and risks are the",
        "developers' own estimates, for a clinical safety officer to confirm or change ([case](safety-case.md)).",
        "Each control names the tests that exercise it. A control without tests is either kept by *the deploying",
        "organisation*, or is *not in this version*: popstrat should have it and does not yet. Residual risks do not",
        "count on a control that is not in this version.",
        "",
        "## Risk matrix",
        "",
        "This is the example matrix of DCB0129's guidance. Severity goes from *minor* (one person; inconvenience, or",
        "an injury that soon heals) through *significant*, *considerable* and *major* (one death, or lasting harm) to",
        "*catastrophic* (the same for several people). Likelihood goes from *very low* (negligible) through *medium*",
        "(possible) to *very high* (almost certain).",
        "",
        "| likelihood | " + " | ".join(SEVERITIES) + " |",
        "|---|" + "---|" * len(SEVERITIES),
    ]
    for name, row in zip(reversed(LIKELIHOODS), reversed(MATRIX), strict=True):
        lines.append(f"| {name} | " + " | ".join(map(str, row)) + " |")
    lines += ["", *(f"- **{level}** {meaning}" for level, meaning in MEANING.items()), ""]
    lines += ["## Overview", "", "| | hazard | initial risk | residual risk | tests |", "|---|---|---|---|---|"]
    for h in log:
        tests = {test for c in h["controls"] for test in c.get("tests", ())}
        anchor = f"[{h['id']}](#{h['id'].lower()})"
        lines.append(f"| {anchor} | {h['title']} | {risk(h['initial'])} | {risk(h['residual'])} | {len(tests)} |")
    for h in log:
        lines += [
            "",
            f'## <a id="{h["id"].lower()}"></a>{h["id"]} {h["title"]}',
            "",
            f"- **Cause:** {h['cause']}",
            f"- **Effect:** {h['effect']}",
            f"- **Initial risk:** {', '.join(h['initial'])}: **{risk(h['initial'])}**",
            f"- **Residual risk:** {', '.join(h['residual'])}: **{risk(h['residual'])}**",
            "",
            "| control | tests, or who keeps it |",
            "|---|---|",
        ]
        for c in h["controls"]:
            by = f"*{WHO[c['by']]}*" if "by" in c else "<br>".join(f"`{test}`" for test in c["tests"])
            lines.append(f"| {c['text']} | {by} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or say whether it is current."""
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page():
        return 0
    print("docs/safety/hazard-log.md is not current: python docs/safety/hazard_log.py --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
