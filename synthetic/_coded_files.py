"""A coded record into files: its tables in Parquet or CSV, one file each or several, and its code lists."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from popstrat import synthetic
from popstrat.core.cpus import cores
from popstrat.core.files import writing
from popstrat.errors import InputError
from popstrat.formats import ending, open_sink
from popstrat.formats.pipeline import WriteBehind
from popstrat.synthetic._coded import SCHEMAS, SLICE, CodedSlice, coded
from popstrat.synthetic._meaning import lists, medicine_lists
from popstrat.synthetic._people import BLOCK
from popstrat.synthetic._places import stream

CODE_LISTS = "codelists"
EVENTS_PER_PATIENT = 60.0
MOST_EVENTS = 10_000  # a patient
_SHUFFLE = 1_025  # stream number
_AHEAD = 3


def check(events_per_patient: float) -> None:
    """Raise `InputError` for a number of events that cannot be made."""
    if not 0 <= events_per_patient <= MOST_EVENTS:
        raise InputError(
            f"a coded record has between 0 and {MOST_EVENTS:,} events a patient, not {events_per_patient:,}"
        )


def coded_slices(
    batches: Iterable[pa.RecordBatch],
    *,
    seed: int,
    as_of: dt.date,
    plain: bool = False,
    events_per_patient: float = 0,
    threads: int | None = None,
) -> Iterator[CodedSlice]:
    """The record of the people of a generated list, in order, a slice at a time, made a few slices ahead."""
    check(events_per_patient)
    workers = threads or cores()
    given: dict[str, Any] = {"seed": seed, "as_of": as_of, "plain": plain, "events_per_patient": events_per_patient}
    with contextlib.ExitStack() as stack:
        pool = ThreadPoolExecutor(workers, thread_name_prefix="popstrat-synth")
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        pending: deque[Future[CodedSlice]] = deque()
        number = 0
        for batch in batches:
            for at in range(0, batch.num_rows, SLICE):
                pending.append(pool.submit(coded, batch.slice(at, SLICE), number, **given))
                number += 1
                if len(pending) > workers:
                    yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def slices_of(patients: int) -> int:
    """In how many slices a list of so many people is taken."""
    return patients // BLOCK * (BLOCK // SLICE) + -(-(patients % BLOCK) // SLICE)


def folder_for(path: Path, made: contextlib.ExitStack) -> None:
    """Make a folder if it is not there; ``made`` takes it away again, if nothing is in it."""
    try:
        path.mkdir()
    except FileExistsError:
        if not path.is_dir():
            raise InputError(
                "cannot be written: something that is not a folder has that name", file=str(path)
            ) from None
        return
    except FileNotFoundError:
        raise InputError("cannot be written: there is no such folder to put it in", file=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=str(path)) from None

    def unmake() -> None:
        with contextlib.suppress(OSError):
            path.rmdir()

    made.callback(unmake)


def code_lists() -> dict[str, str]:
    """The files of the made-up code lists: name, and what stands in it."""
    return lists().files(medicine_lists())


def table_files(form: str = "parquet", files: int = 1) -> dict[str, list[str]]:
    """The names of the files of each table."""
    return {
        name: [f"{name}.{form}"] if files == 1 else [f"{name}-{i + 1}.{form}" for i in range(files)] for name in SCHEMAS
    }


class RecordFiles:
    """Writes slices into the files of the tables: ``with RecordFiles(paths, …) as files: files.put(slice)``.

    ``paths`` are, for each table, what to write and the name it will have. Several files follow each other, the slices
    (``slices`` in all) cut into as many runs; ``shuffled``: slices are dealt round, the rows of each in no order.
    """

    def __init__(
        self,
        paths: Mapping[str, Sequence[tuple[Path, Path]]],
        *,
        slices: int,
        seed: int = 0,
        shuffled: bool = False,
        encoding: str = "utf-8",
        threads: int = 1,
    ) -> None:
        self.adjusted: Counter[tuple[str, str]] = Counter()
        self.rows = dict.fromkeys(paths, 0)
        self._paths, self._slices, self._seed, self._shuffled = paths, max(slices, 1), seed, shuffled
        self._encoding, self._threads = encoding, threads
        self._stack = contextlib.ExitStack()
        self._puts: dict[str, list[Callable[[pa.RecordBatch], None]]] = {}
        self._number = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for name, files in self._paths.items():
                self._puts[name] = [
                    stack.enter_context(
                        file_of(partial, target, SCHEMAS[name], self._encoding, ahead=1,
                                threads=self._threads if name == "events" else 1)
                    )
                    for partial, target in files
                ]  # fmt: skip
            self._stack = stack.pop_all()
        return self

    def put(self, made: CodedSlice) -> None:
        """Write the next slice."""
        self.adjusted += made.adjusted
        rng = stream(self._seed, _SHUFFLE << 40 | self._number)
        for name, puts in self._puts.items():
            batch = made.tables[name]
            self.rows[name] += batch.num_rows
            which = self._number % len(puts) if self._shuffled else self._number * len(puts) // self._slices
            puts[which](batch.take(pa.array(rng.permutation(batch.num_rows))) if self._shuffled else batch)
        self._number += 1

    def __exit__(self, *exc: Any) -> bool | None:
        return self._stack.__exit__(*exc)


def coded_record(
    patients: int,
    *,
    seed: int = 0,
    as_of: dt.date,
    practices: int | None = None,
    plain: bool = False,
    events_per_patient: float = 0,
    threads: int | None = None,
) -> Iterator[CodedSlice]:
    """The coded record that means the list which `generate` gives for the same arguments, in slices of 4,096 people.

    Of each slice: its rows of the five tables (``tables``, ascending by ``patient_id``), the patient table that they
    mean (``table``, of `schema`), and how many cells of that differ from the list, with the reasons (``adjusted``). The
    same arguments give the same rows, whatever ``threads``.

    Unless ``plain``, there are rows that mean nothing, and people who are not on the list. Events with codes in no list
    are added until there are ``events_per_patient``.

    Raises `InputError` if an argument is out of range.
    """
    check(events_per_patient)
    batches = synthetic.generate(patients, seed=seed, as_of=as_of, practices=practices, threads=threads)
    return coded_slices(
        batches, seed=seed, as_of=as_of, plain=plain, events_per_patient=events_per_patient, threads=threads
    )


def write_coded_record(
    folder: str | Path,
    patients: int,
    *,
    seed: int = 0,
    as_of: dt.date,
    practices: int | None = None,
    plain: bool = False,
    events_per_patient: float = 0,
    threads: int | None = None,
    form: str = "parquet",
    files: int = 1,
    shuffled: bool = False,
) -> pa.Table:
    """Write `coded_record` and the code lists into a folder that is there, for trying out and tests; give the patient
    table that they mean.

    ``form`` is ``parquet``, ``arrow`` or ``csv``. ``files`` of each table follow each other; with ``shuffled`` they
    hold people in no order, and rows of a person apart. For all or nothing, with a record, there is ``popstrat synth``.
    """
    folder = Path(folder)
    paths = {name: [(folder / f, folder / f) for f in names] for name, names in table_files(form, files).items()}
    given: dict[str, Any] = {"seed": seed, "as_of": as_of, "practices": practices, "threads": threads}
    tables = []
    with RecordFiles(paths, slices=slices_of(patients), seed=seed, shuffled=shuffled) as out:
        for made in coded_record(patients, plain=plain, events_per_patient=events_per_patient, **given):
            out.put(made)
            tables.append(made.table)
    (folder / CODE_LISTS).mkdir(exist_ok=True)
    for name, text in code_lists().items():
        (folder / CODE_LISTS / name).write_bytes(text.encode())
    return pa.Table.from_batches(tables, synthetic.schema())


@contextlib.contextmanager
def file_of(
    partial: Path, target: Path, schema: pa.Schema, encoding: str, *, threads: int = 1, ahead: int = _AHEAD
) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Takes batches for ``target``, written by a thread of its own; complete when the block is left in peace."""
    keys = [
        f.name
        for f in schema
        if f.name == "patient_id" or str(f.type).startswith("dictionary<values=string, indices=int32")
    ]
    sink = open_sink(partial, schema, form=ending(target), keys=keys, encoding=encoding, threads=threads)
    try:
        with writing(target), WriteBehind(sink.write, ahead) as writer:
            yield writer.put
            writer.finish()
            sink.close()
    except BaseException:
        sink.abort()
        raise
