"""Every example of the documentation is run: those of pages without a test of their own here, and none escapes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from popstrat.cli import run

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
AS_OF = "2025-06-30"
PEOPLE = 60_000
FENCE = re.compile(r"^[ ]*```(?:([a-z]+)[^\n]*)?\n(.*?)^[ ]*```[ ]*$", re.DOTALL | re.MULTILINE)
RUNNABLE = ("python", "pycon", "sh", "console")

ELSEWHERE = {
    "README.md": "tests/integration/test_readme.py",
    "CHANGELOG.md": "",
    "docs/upload.md": "tests/integration/test_upload_docs.py",
    "docs/walkthrough.md": "tests/integration/test_walkthrough.py",
    "docs/performance-gate.md": "",
    **{f"docs/how-to/{page.name}": "tests/integration/test_how_to.py" for page in (ROOT / "docs/how-to").glob("*.md")},
}
"""Pages whose blocks another test runs, or that show what the code holds (below)."""
SHOWN = {"docs/performance-gate.md": "benchmarks/counted.py"}
"""Pages whose Python is a piece of a file."""
WORDS_ALONE = {
    "README.md": "an overview of the commands, with … for what they need",
    "CONTRIBUTING.md": "run in part below; the rest edits a pack",
    "docs/install.md": "installs: `make packages`",
    "docs/how-to/extract.md": "one command asks for an id on standard input; the others are run by `test_how_to`",
    "docs/how-to/report.md": "one command takes the files of several months; the others are run by `test_how_to`",
    "docs/performance.md": "`make bench`",
    "docs/reference/command-line.md": "completion of a shell: `test_schedulers`",
}
"""Pages with commands in blocks without a language, which are not run, and why; `test_doc_commands` reads them."""


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(found[1] or "", found[2]) for found in FENCE.finditer(page.read_text(encoding="utf-8"))]


def commands(text: str) -> bool:
    return re.search(r"^\s*popstrat ", text, re.MULTILINE) is not None


# -- what the pages take for granted -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list and the year that followed; `later`: as `outcomes`, and nobody was lost."""
    folder = tmp_path_factory.mktemp("made")
    list_, outcomes = folder / "list.parquet", folder / "outcomes.parquet"
    synth = ["synth", "-n", str(PEOPLE), "--seed", "1", "--as-of", AS_OF, "-o", str(list_), "--outcomes", str(outcomes)]
    assert run([*synth, "-q"]) == 0
    happened = pq.read_table(outcomes)
    whole = pc.fill_null(happened["admitted_12m"], False)
    pq.write_table(pa.table({"patient_id": happened["patient_id"], "admitted_12m": whole}), folder / "later.parquet")
    at = happened.column_names.index("admitted_12m")
    pq.write_table(happened.set_column(at, "admitted_12m", whole), folder / "known.parquet")
    assert run(["score", str(list_), "--as-of", AS_OF, "-o", str(folder / "scored.parquet"), "-q"]) == 0
    return folder


def _toml(page: str) -> str:
    return next(text for language, text in blocks(ROOT / page) if language == "toml")


def _fit(folder: Path) -> None:
    Path("spec.toml").write_text(_toml("docs/fit.md").replace("[fit]\n", '[fit]\ntoo_few = "drop"\n'))
    for name in ("list", "outcomes", "later"):
        shutil.copy(folder / f"{name}.parquet", f"{name}.parquet")


def _validate(folder: Path) -> None:
    for name in ("list", "scored"):
        shutil.copy(folder / f"{name}.parquet", f"{name}.parquet")
    shutil.copy(folder / "scored.parquet.run.json", ".")
    shutil.copy(folder / "known.parquet", "outcomes.parquet")


def _privacy(folder: Path) -> None:
    people = pq.read_table(folder / "list.parquet").slice(0, 1000)
    nobody = pa.array([""] * len(people))
    pq.write_table(people.append_column("nhs_number", nobody).append_column("postcode", nobody), "extract.parquet")


def _list(folder: Path) -> None:
    pq.write_table(pq.read_table(folder / "list.parquet").slice(0, 5000), "list.parquet")


def _pack(folder: Path) -> None:
    _list(folder)
    shutil.copy(ROOT / "docs/examples/threshold.toml", "ours.toml")


def _specification(folder: Path) -> None:
    shutil.copy(ROOT / "docs/examples/specifications/our-record.toml", "ours.toml")


def _map(folder: Path) -> None:
    shutil.copy(ROOT / "docs/how-to/extract.csv", "EXTRACT.csv")


def _layout(folder: Path) -> None:
    sys.path.append(str(ROOT / "tests/unit"))
    import extracts

    extracts.emis(Path("EXTRACT"))
    assert run(["synth", "-n", "50", "--seed", "1", "--as-of", AS_OF, "--events", "record", "-q"]) == 0
    shutil.copytree("record/codelists", "CODELISTS")


SHELL: dict[str, Callable[[Path], None]] = {
    "docs/derive-specification.md": _specification,
    "docs/fit.md": _fit,
    "docs/formats.md": _list,
    "docs/layouts.md": _layout,
    "docs/map.md": _map,
    "docs/metrics.md": _list,
    "docs/packs.md": _pack,
    "docs/privacy.md": _privacy,
    "docs/validate.md": _validate,
}


def _shell(text: str) -> str:
    """The commands of a block as they can be typed: nothing is installed, and a hash is that of the log."""
    text = re.sub(r"^pip install .*\n", "", text, flags=re.MULTILINE)
    if "<hash>" in text:
        text = text.replace("<hash>", json.loads(Path("audit.jsonl.head").read_text())["last"])
    return text.replace("--capacity 30000", "--capacity 900")  # of London's list, and this one is smaller


def _bash(text: str) -> None:
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        ["bash", "-e", "-c", text], env={**os.environ, "PATH": paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", sorted(SHELL))
def test_its_commands_do_what_they_say(page: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    SHELL[page](made)
    texts = [text for language, text in blocks(ROOT / page) if language == "sh" or (not language and commands(text))]
    assert texts
    for text in texts:
        _bash(_shell(text))


def test_the_first_hour_of_a_contributor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of nobody, its scores, and the patient whose line is named: optimised, with an HbA1c of 57."""
    monkeypatch.chdir(tmp_path)
    (text,) = (text for _, text in blocks(ROOT / "CONTRIBUTING.md") if "popstrat synth" in text)
    _bash(text)
    (line,) = re.findall(r"^sed -n 369p .*$", text, re.MULTILINE)
    _bash(f"{line} | grep -A 4 'diabetes_status .* optimised' | grep 'hba1c 57'")


# -- Python ------------------------------------------------------------------------------------------------------------


def _of_synthetic(made: Path) -> dict[str, object]:
    return {}


def _of_validate(made: Path) -> dict[str, object]:
    chance = np.random.default_rng(1)
    risk = chance.random(4000) / 2
    outcome = chance.random(4000) < risk
    days = np.where(outcome, chance.integers(1, 365, 4000), 365)
    return {
        "scored": pq.read_table(made / "scored.parquet"), "listed": pq.read_table(made / "list.parquet"),
        "outcomes": pq.read_table(made / "later.parquet"), "risk": risk, "outcome": outcome, "days": days,
        "event": outcome, "died": np.zeros(4000, bool),
    }  # fmt: skip


def _of_worklist(made: Path) -> dict[str, object]:
    _list(made)
    return {}


PYTHON: dict[str, Callable[[Path], dict[str, object]]] = {
    "docs/how-to/worklist.md": _of_worklist,
    "docs/synthetic.md": _of_synthetic,
    "docs/validate.md": _of_validate,
}


@pytest.mark.parametrize("page", sorted(PYTHON))
def test_its_python_runs(page: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = PYTHON[page](made)
    for text in [text for language, text in blocks(ROOT / page) if language == "python"]:
        exec(compile(text.replace("2_500_000", "25_000"), page, "exec"), names)


@pytest.mark.parametrize("page", sorted(SHOWN))
def test_what_it_shows_of_a_file_is_there(page: str) -> None:
    there = (ROOT / SHOWN[page]).read_text(encoding="utf-8")
    shown = [text for language, text in blocks(ROOT / page) if language == "python"]
    assert shown
    assert all(text in there for text in shown)


# -- none escapes ------------------------------------------------------------------------------------------------------


def escaped(page: str, found: list[tuple[str, str]]) -> Iterator[str]:
    """The blocks of a page that no test runs."""
    for language, text in found:
        if language == "python":
            done = page in PYTHON or page in SHOWN or page in ("README.md", "docs/packs.md")
        elif language in RUNNABLE:
            done = page in SHELL or bool(ELSEWHERE.get(page))
        else:
            done = bool(language) or not commands(text) or page in SHELL or page in WORDS_ALONE
        if not done:
            yield text


def test_no_example_escapes() -> None:
    count: Counter[str] = Counter()
    for path in PAGES:
        page, found = str(path.relative_to(ROOT)), blocks(path)
        assert list(escaped(page, found)) == [], page
        count.update(language for language, text in found if language in RUNNABLE or commands(text))
    print(f"{sum(count.values())} blocks with commands or Python:", dict(count))
    assert sum(count.values()) > 70
    for test in filter(None, ELSEWHERE.values()):
        assert (ROOT / test).is_file()


def test_an_example_that_no_test_runs_is_found() -> None:
    page = "docs/planted.md"
    planted = [("python", "1\n"), ("sh", "popstrat x\n"), ("", "popstrat y\n"), ("toml", "a = 1\n")]
    assert list(escaped(page, planted)) == ["1\n", "popstrat x\n", "popstrat y\n"]
