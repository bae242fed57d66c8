"""What is installed is what is in the tree."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_folder_with_code_is_a_package() -> None:
    """Packages are found by setup.py, and only folders with an `__init__.py` are."""
    for folder in ("python/popstrat", "engine", "synthetic"):
        for code in (ROOT / folder).rglob("*.py*"):
            if code.suffix in (".py", ".pyx", ".pyi"):
                assert (code.parent / "__init__.py").exists(), code


def test_data_files_are_packaged() -> None:
    from importlib import resources

    assert resources.files("popstrat.packs").joinpath("patient_table.toml").is_file()
    assert resources.files("popstrat.packs").joinpath("builtin/london-2026.toml").is_file()
    assert resources.files("popstrat.synthetic").joinpath("london.toml").is_file()
    assert resources.files("popstrat").joinpath("py.typed").is_file()
    for page in ("pages/validation.html.j2", "pages/explain.html.j2", "worklists/list.html.j2"):
        assert resources.files("popstrat").joinpath(page).is_file()
    for part in ("base.html.j2", "parts.html.j2", "style.css", "enhance.js"):
        assert resources.files("popstrat.pages.design").joinpath(part).is_file()
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
