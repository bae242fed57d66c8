"""The parts of docs/models/admission-12m.md that come from the pack or from a run.

python benchmarks/model_card.py --write docs/models/admission-12m.md

`facts` and `coefficients` are read from the pack; `predicted` scores a synthetic list; `ranking` is of
benchmarks/ranking.py.
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ranking
from report import write

import popstrat
from popstrat import synthetic
from popstrat.packs.load import load_pack
from popstrat.packs.resolved import Resolved

PACK, MODEL = "admission-12m", "admission_risk"
PAGE = Path(__file__).parents[1] / "docs" / "models" / f"{PACK}.md"
AS_OF = dt.date(2026, 6, 30)
ANCHOR = 0.056
MEANING = {
    "published": "a published number as it stands",
    "derived": "calculated from a published number; the arithmetic is given",
    "assumption": "nobody has published it; the reason is given",
}


def _resolved() -> tuple[Resolved, dict[str, Any]]:
    pack = load_pack(PACK)
    return pack.at(AS_OF), dict(pack.raw["definition"][MODEL])


def facts() -> str:
    """What the pack says of the model as a whole, as markdown."""
    resolved, raw = _resolved()
    model = resolved.models[MODEL]
    inputs = ", ".join(f"`{name}` {spec['default']}" for name, spec in raw["inputs"].items())
    rows = {
        "pack, definition": f"`{PACK}`, `{MODEL}`",
        "version of the model": raw["version"],
        "licence": raw["licence"],
        "gives": f"{raw['means']} To {raw['decimals']} decimal places",
        "for whom": "; ".join(f"`{part['when']}` (else null: {part['reason']})" for part in raw["eligible"]),
        "form": f"1 − S₀ ^ exp(linear predictor), S₀ = {raw['baseline_survival']}",
        "terms": f"{len(model.terms)}, no interactions",
        "value used if nothing is recorded": inputs,
        "reference patients": f"{len(raw['reference_patients'])}, checked whenever the pack is used",
        "disclaimer shown with every result": raw["disclaimer"],
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def coefficients() -> str:
    """Every term with its evidence, as markdown."""
    resolved, _ = _resolved()
    terms = resolved.models[MODEL].terms
    counts = Counter(term.evidence for term in terms)
    lines = ["| evidence | means | terms |", "|---|---|--:|"]
    lines += [f"| {name} | {meaning} | {counts[name]} |" for name, meaning in MEANING.items()]
    lines += ["", "| term | coefficient | hazard ratio | evidence | where it comes from |", "|---|--:|--:|---|---|"]
    for term in terms:
        (part,) = term.parts
        assert part is not None
        weight = part[1]
        lines.append(f"| {term.title} | {weight:.4f} | {math.exp(weight):.2f} | {term.evidence} | {term.source} |")
    return "\n".join(lines)


def predicted(patients: int, seed: int) -> str:
    """What the model says of the adults of a synthetic list, as markdown."""
    found = popstrat.score(synthetic.table(patients, seed=seed, as_of=AS_OF), AS_OF, pack=PACK)
    risk = np.array(found["admission_risk"].drop_null())
    bands = Counter(found["admission_risk_band"].drop_null().to_pylist())
    lines = ["| of the adults of a synthetic list | |", "|---|--:|"]
    lines += [
        f"| mean predicted risk (the anchor: {ANCHOR:.1%}) | {risk.mean():.1%} |",
        f"| median | {np.median(risk):.1%} |",
        f"| half of the admissions that it predicts are in the top | {_half(risk):.0%} |",
        f"| predicted risk over 50% | {(risk > 0.5).mean():.1%} |",
        f"| predicted risk over 90% | {(risk > 0.9).mean():.2%} |",
    ]
    names = {
        "very_high": "over 28%",
        "high": "over 18%",
        "medium": "over 12%",
        "low": "over 7%",
        "very_low": "up to 7%",
    }
    lines += [f"| band {label} ({text}) | {bands[label] / len(risk):.1%} |" for label, text in names.items()]
    told = f"A synthetic list of {patients:,} (seed {seed}), as of {AS_OF}. `python benchmarks/model_card.py --write`"
    return "\n".join([*lines, "", told])


def _half(risk: ranking.Numbers) -> float:
    """The share of people, from the highest risk down, that holds half of the sum of all risks."""
    total = np.cumsum(np.sort(risk)[::-1])
    return float(np.searchsorted(total, total[-1] / 2) + 1) / len(risk)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--patients", type=int, default=250_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, nargs="?", const=PAGE, metavar="PAGE", help="write them into the page")
    given = parser.parse_args(arguments)
    tables = {
        "facts": facts(),
        "coefficients": coefficients(),
        "predicted": predicted(given.patients, given.seed),
        "ranking": ranking.table(ranking.compare(given.patients, given.seed), given.patients, given.seed),
    }
    if given.write:
        write(given.write, tables)
    else:
        print("\n\n".join(tables.values()))


if __name__ == "__main__":
    main()
