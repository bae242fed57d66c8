"""docs/walkthrough.md: what it says can be done can be done, and comes out as it says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from popstrat.errors import PackError
from popstrat.packs.load import load_pack

ROOT = Path(__file__).parents[2]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("walkthrough", ROOT / "benchmarks/walkthrough.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ALL = pytest.mark.nightly("the lists and the figures of the page; by day a fifth of the people")


@pytest.mark.parametrize("part", [5, pytest.param(1, marks=ALL)])
def test_the_walk_through(part: int, tmp_path: Path) -> None:
    """From the default model, through recalibration and a fit, to the monthly run."""
    walkthrough = script()
    found = walkthrough.walk(tmp_path, part)
    slopes = {step: found[step]["measures"]["slope"] for step in found}
    assert slopes["south-default"]["high"] < (0.9 if part == 1 else 1.0)
    assert slopes["south-ours"]["low"] <= 1.0 <= slopes["south-ours"]["high"]
    away = {step: abs(found[step]["measures"]["oe"]["value"] - 1) for step in found}
    assert away["south-refitted"] < away["south-ours"] < away["south-default"]
    auroc = {step: found[step]["measures"]["auroc"]["value"] for step in found}
    assert auroc["south-ours"] == pytest.approx(auroc["south-default"], abs=2e-3)  # risks move, people do not
    assert auroc["south-refitted"] > auroc["south-ours"]
    assert part > 1 or walkthrough.table(found) in walkthrough.PAGE.read_text(encoding="utf-8"), (
        "the page's figures are not those of today: python benchmarks/walkthrough.py --write"
    )

    record = json.loads((tmp_path / "june-scored.parquet.run.json").read_text())
    assert (record["pack"]["id"], record["pack"]["version"]) == ("our-icb", "2026.1")
    assert [f["name"] for f in record["pack"]["files"]] == ["our-icb.toml", "london-2026.toml", "admission-12m.toml"]
    assert record["models"]["admission_risk"]["not_scored"]["under 18"] > 0

    edited = tmp_path / "edited.toml"
    edited.write_text((tmp_path / "our-icb.toml").read_text().replace("slope = 0.", "slope = 1."))
    with pytest.raises(PackError, match=r"edited.toml:\d+: pack: .*seal"):
        load_pack(str(edited))
