"""The safety documents: the hazard log against its data, the controls' tests against the tests that there are."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SAFETY = ROOT / "docs/safety"
DOCUMENTS = [
    ROOT / "SAFETY.md", ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md", ROOT / "docs/privacy.md",
    *sorted(SAFETY.glob("*.md")),
]  # fmt: skip

# what the hazard log must speak of, whatever else it holds
KNOWN = (
    "another patient's result", "another practice's file", "last month's file", "missing data scored as low risk",
    "alert fatigue", "duplicate", "deducted or deceased", "another unit", "efi2", "severe mental illness",
    "deprivation or ethnicity", "read as a diagnosis", "float or a spreadsheet", "overwrites newer codes",
)  # fmt: skip


@cache
def log_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hazard_log", SAFETY / "hazard_log.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HAZARDS: list[dict[str, Any]] = log_module().hazards()
CONTROLS = [(h["id"], c) for h in HAZARDS for c in h["controls"]]
TESTS = sorted({test for _, c in CONTROLS for test in c.get("tests", ())})


@cache
def functions(file: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("test", TESTS)
def test_every_test_that_a_control_names_exists_and_runs(test: str) -> None:
    file, _, name = test.partition("::")
    function = functions(file).get(name)
    assert function is not None, f"tests/{file} has no {name}"
    skipped = [d for d in function.decorator_list if re.search(r"mark\.(skip|xfail)\b", ast.unparse(d))]
    assert not skipped


def test_the_page_is_made_from_the_data() -> None:
    assert (SAFETY / "hazard-log.md").read_text(encoding="utf-8") == log_module().page()


def test_a_page_that_is_not_current_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = log_module()
    monkeypatch.setattr(module, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(module.sys, "argv", ["hazard_log.py", "--write"])
    assert module.main() == 0
    monkeypatch.setattr(module.sys, "argv", ["hazard_log.py"])
    assert module.main() == 0
    (tmp_path / "page.md").write_text("older")
    assert module.main() == 1


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda h: h["id"])
def test_every_hazard_is_whole(hazard: dict[str, Any]) -> None:
    assert set(hazard) == {"id", "title", "cause", "effect", "initial", "residual", "controls"}
    assert all(hazard[part].strip() for part in ("title", "cause", "effect"))
    risk = log_module().risk
    assert 1 <= risk(hazard["residual"]) <= risk(hazard["initial"]) <= 5
    assert risk(hazard["residual"]) <= 3
    for control in hazard["controls"]:
        assert set(control) in ({"text", "tests"}, {"text", "by"})
        assert control.get("by", "deployer") in log_module().WHO
        assert control.get("tests", True)
        assert "|" not in control["text"]
    assert any("tests" in c for c in hazard["controls"]), "no control of ours"


def test_hazards_are_numbered_and_named_once() -> None:
    assert [h["id"] for h in HAZARDS] == [f"H{i:02}" for i in range(1, len(HAZARDS) + 1)]
    assert len({h["title"] for h in HAZARDS}) == len(HAZARDS)


@pytest.mark.parametrize("words", KNOWN)
def test_known_hazards_are_in_the_log(words: str) -> None:
    assert any(words in h["title"].casefold() for h in HAZARDS)


@pytest.mark.parametrize(
    ("severity", "likelihood", "risk"),
    [
        ("minor", "very low", 1), ("minor", "very high", 3), ("catastrophic", "very low", 3),
        ("catastrophic", "very high", 5),
        ("major", "low", 3), ("major", "very low", 2), ("significant", "medium", 2), ("considerable", "medium", 3),
        ("major", "high", 4), ("catastrophic", "low", 4),
    ],
)  # fmt: skip
def test_the_matrix(severity: str, likelihood: str, risk: int) -> None:
    assert log_module().risk([severity, likelihood]) == risk


# -- the other documents --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#][^)]*)\)", text):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (document.parent / target.partition("#")[0]).exists(), target
    for anchor in re.findall(r"\]\(#([^)]+)\)", text):
        headings = {
            re.sub(r"[^\w -]", "", h).strip().casefold().replace(" ", "-") for h in re.findall(r"(?m)^#+ (.*)", text)
        }
        assert anchor in headings or f'id="{anchor}"' in text, anchor


@pytest.mark.parametrize("name", ["safety-case.md", "intended-use.md", "hazard-log.md"])
def test_nobody_is_told_that_it_is_signed(name: str) -> None:
    assert "No clinical safety officer has" in (SAFETY / name).read_text(encoding="utf-8")


def test_the_plain_statement_is_at_the_top() -> None:
    start = " ".join((ROOT / "SAFETY.md").read_text(encoding="utf-8").split())[:900]
    for words in (
        "No clinical safety officer has signed",
        "not a registered medical device",
        "Clinical judgement decides",
    ):
        assert words in start


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert [n for n in range(1, 10) if re.search(rf"(?m)^\s*{n}\. ", text)] == list(range(1, 10))
    assert "END OF TERMS AND CONDITIONS" in text


def test_no_page_shows_an_id_on_a_command_line() -> None:
    """In no page and no recipe: not as an argument, not as a here-string, not echoed."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "Makefile"]
    named = r"--patient[ =](?!-(?:\s|$|`|\)))|^popstrat .*\b[0-9]{9,}\b"
    shown = re.compile(named + r"|(?:<<<|\b(?:echo|printf)\b).*[0-9]{9}", re.M)
    assert len(pages) > 20
    for page in pages:
        assert not shown.findall(page.read_text(encoding="utf-8")), page.name
