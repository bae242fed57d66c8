"""The library as its users meet it: every public name has an example that runs, is typed, tells of itself without data,
loads nothing that was not asked for, and stays whole in other processes and threads."""

from __future__ import annotations

import datetime as dt
import doctest
import inspect
import json
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat import synthetic
from popstrat.cli import run

AS_OF = dt.date(2026, 6, 30)
NAMES = sorted(set(popstrat.__all__) - {"__version__"})
OPTIONAL = {
    "duckdb", "glum", "jinja2", "matplotlib", "numba", "openpyxl", "pandas", "polars", "pydantic", "pyspark", "rich",
    "scipy", "sklearn", "sqlglot", "statsmodels", "threadpoolctl", "tomlkit", "typer", "xlsxwriter",
}  # fmt: skip


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(300, seed=1, as_of=AS_OF)


@pytest.mark.parametrize("name", ["popstrat", *NAMES])
def test_every_public_name_has_an_example_that_runs(name: str) -> None:
    """In its own docstring; a name without one fails here."""
    thing = popstrat if name == "popstrat" else getattr(popstrat, name)
    tests = doctest.DocTestFinder(recurse=False).find(thing, name)
    examples = [example for test in tests for example in test.examples]
    assert examples, f"{name} has no example"
    assert not any(example.options.get(doctest.SKIP) for example in examples)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False)
    told: list[str] = []
    with warnings.catch_warnings():
        for test in tests:
            runner.run(test, out=told.append)
    assert not runner.failures, "".join(told)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_typed_and_described(name: str) -> None:
    thing = getattr(popstrat, name)
    assert (inspect.getdoc(thing) or "").strip()
    calls = [thing] if inspect.isfunction(thing) else [thing.__init__]
    calls += (
        []
        if inspect.isfunction(thing)
        else [f for n, f in vars(thing).items() if not n.startswith("_") and inspect.isfunction(f)]
    )
    for call in (c for c in calls if inspect.isfunction(c)):
        lacking = [
            p.name
            for p in inspect.signature(call).parameters.values()
            if p.annotation is p.empty and p.name not in ("self", "cls")
        ]
        assert not lacking, f"{call.__qualname__}: {lacking}"
        assert inspect.signature(call).return_annotation is not inspect.Signature.empty


def test_a_scored_table_says_what_it_was_scored_with(people: pa.Table, tmp_path: Path) -> None:
    """In memory, batch by batch and in files, and nothing of how the input was held."""
    people = people.replace_schema_metadata({"pandas": "a file of Jane Doe's"})
    scorer = popstrat.Scorer(as_of=AS_OF)
    said = {"as_of": "2026-06-30", "profile": "direct-care"}
    said["pack"] = {"id": "london-2026", "version": scorer.pack.version, "sha256": scorer.pack.sha256}  # type: ignore[assignment]
    source, target = tmp_path / "list.parquet", tmp_path / "scored.parquet"
    pq.write_table(people, source)
    assert run(["score", str(source), "-o", str(target), "--as-of", "2026-06-30", "-q"]) == 0
    assert run(["score", str(source), "-o", str(tmp_path / "scored.arrow"), "--as-of", "2026-06-30", "-q"]) == 0
    for schema in (
        popstrat.score(people, AS_OF).schema,
        scorer.score_batch(people.to_batches()[0]).schema,
        scorer.output_schema,
        pq.read_schema(target),
        pa.ipc.open_file(tmp_path / "scored.arrow").schema,
    ):
        assert list(schema.metadata) == [b"popstrat"]
        assert json.loads(schema.metadata[b"popstrat"]) == said
    assert json.loads(pq.read_metadata(target).metadata[b"popstrat"]) == said


@pytest.mark.parametrize(
    "call",
    [
        lambda people: popstrat.Scorer(),
        lambda people: popstrat.score(people),
        lambda people: popstrat.contributions(people, model="admission_risk"),
        lambda people: popstrat.sql("cha2ds2-vasc"),
    ],
    ids=["Scorer", "score", "contributions", "sql"],
)  # fmt: skip
def test_today_is_not_taken_silently(call: Callable[[pa.Table], Any], people: pa.Table) -> None:
    """And the warning names the caller's line, not one of popstrat's."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        call(people)
    mine = [w for w in warned if issubclass(w.category, popstrat.AsOfWarning)]
    assert len(mine) == 1
    assert Path(mine[0].filename) == Path(__file__)
    assert dt.date.today().isoformat() in str(mine[0].message)


def test_a_pack_error_says_where(tmp_path: Path) -> None:
    pack = tmp_path / "mine.toml"
    pack.write_text(
        '[pack]\nid = "mine"\nversion = "1"\n\n[definition.a]\nkind = "expression"\nwhen = "agee > 3"\n',
        encoding="utf-8",
    )
    with pytest.raises(popstrat.PackError) as caught:
        popstrat.Scorer(pack, AS_OF)
    assert (caught.value.file, caught.value.line) == ("mine.toml", 7)
    assert str(caught.value).startswith("mine.toml:7: ")


def test_what_is_shown_of_them_holds_no_data(people: pa.Table) -> None:
    scorer = popstrat.Scorer(as_of=AS_OF, profile="secondary-use", contributions=2, mapping={"columns": {"sex": "M"}})
    assert repr(scorer) == (
        f"<popstrat.Scorer pack=london-2026@{scorer.pack.version}, as_of=2026-06-30, profile=secondary-use, "
        f"contributions=2, mapping: {len(scorer.resolved.outputs)} outputs>"
    )
    assert repr(scorer.pack).startswith("<popstrat.Pack london-2026@")


_RUN = "import sys\nfrom popstrat.cli import run\n"


@pytest.mark.parametrize(
    "code",
    [
        "import popstrat; dir(popstrat); [getattr(popstrat, name) for name in popstrat.__all__]",
        "import popstrat as p\ndate = '2026-06-30'\np.score(p.Scorer(as_of=date).input_schema.empty_table(), date)",
        _RUN + "assert not run(['score', *sys.argv[1:], '--as-of', '2026-06-30', '-q'])",
        _RUN + "assert not run(['check', sys.argv[1], '--as-of', '2026-06-30', '-q'])",
    ],
    ids=["names", "score", "command score", "command check"],
)
def test_nothing_is_loaded_that_was_not_asked_for(code: str, people: pa.Table, tmp_path: Path) -> None:
    """The command line is typer's, and nothing of what typer may use besides is loaded."""
    pq.write_table(people, tmp_path / "list.parquet")
    program = f"{code}\nimport sys\nprint(' '.join(m for m in sys.modules))"
    command = [sys.executable, "-c", program, str(tmp_path / "list.parquet"), "-o", str(tmp_path / "scored.parquet")]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    allowed = {"typer"} if "cli" in code else {"pandas"} if "score(" in code else set()  # pyarrow takes pandas in
    assert not set(found) & (OPTIONAL - allowed)


def test_many_threads_and_packs_at_once(people: pa.Table) -> None:
    """What is kept between calls is shared by threads without a lock: none sees another's."""
    batches = [people.slice(at, 60).combine_chunks().to_batches()[0] for at in range(0, 300, 60)]
    dates = [dt.date(2026, 1 + n, 1) for n in range(12)]
    scorer = popstrat.Scorer(as_of=AS_OF)
    wanted = [scorer.score_batch(batch) for batch in batches]
    by_date = {date: popstrat.Scorer(as_of=date).score_batch(batches[0])["age"] for date in dates}
    wrong: list[str] = []

    def work(number: int) -> None:
        try:
            for turn in range(12):
                n = (number + turn) % len(batches)
                if not scorer.score_batch(batches[n]).equals(wanted[n]):
                    wrong.append(f"batch {n}")
                date = dates[(number + turn) % len(dates)]
                if not popstrat.score(batches[0], date)["age"].chunk(0).equals(by_date[date]):
                    wrong.append(str(date))
        except Exception as error:
            wrong.append(repr(error))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
