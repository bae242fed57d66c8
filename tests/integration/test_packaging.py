"""What is installed is what is in the tree."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_folder_with_code_is_packaged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    listed = set(project["packages"])
    found = {"popstrat.engine", "popstrat.engine.formats", "popstrat.synthetic"}
    for init in (ROOT / "python/popstrat").rglob("__init__.py"):
        found.add(".".join(init.parent.relative_to(ROOT / "python").parts))
    assert listed == found


def test_data_files_are_packaged() -> None:
    from importlib import resources

    assert resources.files("popstrat.packs").joinpath("patient_table.toml").is_file()
    assert resources.files("popstrat.packs").joinpath("builtin/london-2026.toml").is_file()
    assert resources.files("popstrat.synthetic").joinpath("london.toml").is_file()
    assert resources.files("popstrat").joinpath("py.typed").is_file()
    assert resources.files("popstrat").joinpath("validation", "page.html.j2").is_file()
    assert resources.files("popstrat.engine").joinpath("_engine.pyi").is_file()
    assert resources.files("popstrat.engine.formats").joinpath("parquet_read.pyi").is_file()


def test_engine_and_packs_keep_to_their_side() -> None:
    """No clinical word in the engine: none of the patient table's columns is named there."""
    from popstrat.packs.patient_table import patient_schema

    text = " ".join(
        p.read_text(encoding="utf-8") for p in (ROOT / "engine").rglob("*") if p.suffix in (".h", ".pyx", ".py")
    )
    words = {c.name for c in patient_schema()} - {"age", "place"}
    words |= {"patient", "hypertension", "frailty", "diagnosis", "clinical"}
    assert not [w for w in words if w in text.split()]
