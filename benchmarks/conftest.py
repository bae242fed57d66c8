"""What the benchmarks share: lists of a chosen size, the alternating measurement, the table at the end.

    pytest benchmarks                              # 500,000 patients
    pytest benchmarks --patients 2.5M -k memory    # a whole Integrated Care Board
    pytest benchmarks --peer-threads 1             # the peers on one thread as well
    pytest benchmarks --full                       # also what takes long: 10, 20 and 63 million patients
    pytest benchmarks --lists FOLDER               # keep the lists that are made there, and take what is there
    pytest benchmarks --benchmark-disable          # everything once, on a small list: a smoke test

Ours and the peer's run turn by turn (A B A B …) in one process, and what is reported is the median of the ratios of
neighbours: on a machine that others use too, that is the only figure that holds.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the peers, and what compares with them

from measuring import FIGURES, OUTCOMES, Versus, machine, popstrat, process

if TYPE_CHECKING:
    import duckdb
    import polars as pl

AS_OF = dt.date(2026, 6, 30)
USUAL, SMOKE = 500_000, 5_000
EVENTS, SMOKE_EVENTS = 4_000_000, 40_000
_UNITS = {"k": 1_000, "m": 1_000_000}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("popstrat")
    group.addoption("--patients", type=_size, default=None, metavar="N", help="10k, 250k, 2.5M … (default: 500k)")
    group.addoption("--events", type=_size, default=None, metavar="N", help="coded events (default: 4M)")
    group.addoption("--full", action="store_true", help="also what takes long")
    group.addoption("--lists", type=Path, default=None, metavar="FOLDER", help="where made lists are kept")
    group.addoption("--peer-threads", type=int, default=None, metavar="T", help="threads for the peers (default: all)")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[OUTCOMES] = []
    config.stash[FIGURES] = []
    config.addinivalue_line("markers", "full: takes long, only with --full (or once, small, as a smoke test)")
    threads = config.getoption("--peer-threads")
    if threads:
        if "polars" in sys.modules:
            raise pytest.UsageError("--peer-threads comes too late: something has imported Polars already")
        os.environ["POLARS_MAX_THREADS"] = str(threads)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full") or config.getoption("benchmark_disable"):
        return
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(pytest.mark.skip(reason="only with --full"))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    outcomes, figures = config.stash[OUTCOMES], config.stash[FIGURES]
    if not outcomes and not figures:
        return
    terminalreporter.section("popstrat beside its peers")
    terminalreporter.write_line(f"{'':40} {'patients':>10} {'popstrat':>14} {'peer':>22} {'ratio':>7} {'CPU':>7}")
    for o in outcomes:
        ours = f"{_shown(o.seconds)} [{o.threads}]"
        peer = f"{o.peer} {_shown(o.peer_seconds)} [{o.peer_threads}]" if o.peer else ""
        ratios = f"{o.ratio:>7.2f} {o.cpu_ratio:>7.2f}  ({o.low:.2f} to {o.high:.2f})" if o.peer else ""
        terminalreporter.write_line(f"{o.what:40} {o.patients:>10,} {ours:>14} {peer:>22} {ratios}")
    terminalreporter.write_line(
        "Medians; threads in brackets; ratios are the peer's time over ours, elapsed (quartiles behind) and processor."
    )
    for figure in figures:
        terminalreporter.write_line(f"{figure['figure']:40} {figure['patients']:>10,} {figure['value']:>14.3f}")


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    machine_info["popstrat"] = machine()


def _size(text: str) -> int:
    number, unit = (text[:-1], _UNITS[text[-1].lower()]) if text[-1:].lower() in _UNITS else (text, 1)
    return round(float(number) * unit)


def _shown(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


# ---- lists -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def smoke(pytestconfig: pytest.Config) -> bool:
    """Whether this is only to see that everything runs."""
    return bool(pytestconfig.getoption("benchmark_disable"))


@pytest.fixture(scope="session")
def patients(pytestconfig: pytest.Config, smoke: bool) -> int:
    return int(pytestconfig.getoption("--patients") or (SMOKE if smoke else USUAL))


@pytest.fixture(scope="session")
def events(pytestconfig: pytest.Config, smoke: bool) -> int:
    return int(pytestconfig.getoption("--events") or (SMOKE_EVENTS if smoke else EVENTS))


@pytest.fixture(scope="session")
def as_of() -> dt.date:
    return AS_OF


@pytest.fixture(scope="session")
def table(patients: int) -> pa.Table:
    """The synthetic list, in one chunk, as a file read at once would give it."""
    from popstrat import synthetic

    return synthetic.table(patients, seed=1, as_of=AS_OF).combine_chunks()


@pytest.fixture(scope="session")
def frame(table: pa.Table) -> pl.DataFrame:
    """The list as Polars likes it best."""
    import peer_polars

    return peer_polars.prepare(table)


@pytest.fixture(scope="session")
def database(table: pa.Table, pytestconfig: pytest.Config) -> duckdb.DuckDBPyConnection:
    """The list as DuckDB likes it best."""
    import peer_duckdb

    return peer_duckdb.prepare(table, pytestconfig.getoption("--peer-threads"))


@pytest.fixture(scope="session")
def make_list(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Callable[[int, str], Path]:
    """A list on disk as `popstrat synth` writes it, by number of patients and ending.

    With --lists it stays for the next time, under a name that changes when the generator does. Where the disk has no
    room for it and for what scoring makes of it, the benchmark is skipped.
    """
    kept = pytestconfig.getoption("--lists")
    folder = kept or tmp_path_factory.mktemp("lists")
    folder.mkdir(parents=True, exist_ok=True)

    @cache
    def make(patients: int, ending: str) -> Path:
        path: Path = folder / f"list-{patients}-{_generator()}{ending}"
        if not path.exists():
            needed = patients * (800 if ending == ".csv" else 60)
            if shutil.disk_usage(folder).free < needed:
                pytest.skip(f"{needed / 1e9:.1f} GB are needed in {folder} for a list of {patients:,}")
            asked = ["--seed", "1", "--as-of", str(AS_OF), "--quiet"]
            process([*popstrat(), "synth", "--patients", str(patients), *asked, "-o", str(path)])
        return path

    return make


@cache
def _generator() -> str:
    """Eight letters that change when the generator's code or parameters do."""
    from popstrat import synthetic

    files = sorted(p for p in Path(synthetic.__file__).parent.iterdir() if p.suffix in (".py", ".toml"))
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()[:8]


@pytest.fixture
def versus(benchmark: Any, pytestconfig: pytest.Config) -> Versus:
    return Versus(benchmark, pytestconfig)
