"""The formats there are, and opening files by them: by their names' endings, checked against their first bytes.

``POPSTRAT_FORMATS=arrow`` in the environment, or ``backend="arrow"``, has pyarrow read and write everything, and the
engine's own decoders and encoders of files are not even loaded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import get_args

import pyarrow as pa

from popstrat.core.files import refuse_input_as_output
from popstrat.errors import InputError
from popstrat.formats import paths as file_paths
from popstrat.formats.arrow import ARROW
from popstrat.formats.csv import CSV
from popstrat.formats.folders import files_within, in_named_folders
from popstrat.formats.format import Backend, Format, ListsAsText, ReadOptions, WriteOptions
from popstrat.formats.parquet import PARQUET
from popstrat.formats.sink import Sink
from popstrat.formats.source import FileSource, Kinds, Source, reading

FORMATS: tuple[Format, ...] = (PARQUET, ARROW, CSV)
"""Every format. The first that recognises a file's first bytes has it: a text format comes last."""

VARIABLE = "POPSTRAT_FORMATS"
BACKENDS: tuple[Backend, ...] = get_args(Backend)


def by_suffix(suffixes: Iterable[tuple[str, Format]]) -> Mapping[str, Format]:
    """Formats by their endings; raises ``ValueError`` if two have the same."""
    found: dict[str, Format] = {}
    for suffix, form in suffixes:
        if suffix in found:
            raise ValueError(f"{suffix} is an ending of {found[suffix].title} and of {form.title}")
        found[suffix] = form
    return found


_INPUTS = by_suffix((s, f) for f in FORMATS for s in (*f.suffixes, *f.other_suffixes))
_ENDINGS = {f.title: [s + end for end in ("", ".gz")[: 1 + f.gzipped] for s in f.suffixes] for f in FORMATS}
_OUTPUTS = by_suffix((f.output_suffix + end, f) for f in FORMATS for end in ("", ".gz")[: 1 + f.gzipped])
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # `pathlib` has taken one of two slashes


def expand(paths: Sequence[str | Path]) -> list[Path]:
    """The files that names, patterns and folders stand for; those of a folder are of one format. Raises `InputError`
    for what is not there."""
    return file_paths.expand(paths, lambda folder: files_within(folder, _ENDINGS))


def backend_asked_for() -> Backend:
    """What the environment says: `native` where it says nothing. Raises `InputError` for a value that is not known."""
    given = os.environ.get(VARIABLE, "")
    if not given:
        return "native"
    for backend in BACKENDS:
        if given == backend:
            return backend
    raise InputError(f"{VARIABLE} is {given!r}; it should be {_either(BACKENDS)}, or not be set")


def open_source(
    paths: Sequence[str | Path],
    *,
    kinds: Kinds = lambda name: None,
    encoding: str = "utf-8",
    threads: int = 1,
    backend: Backend | None = None,
) -> Source:
    """Open files, globs and folders as one table; their schemas are read, their rows are not. What folders are called
    (``practice_code=Y90001``) is a column of the files in them that lack it.

    ``kinds`` says what a column of the file holds (by the file's own name for it): CSV cells are read accordingly, and
    a column of no known kind as text. ``encoding`` is for CSV, ``threads`` for CSV and Parquet; ``backend`` is that of
    the environment if it is None. Raises `InputError` for a file that is missing, repeated, unreadable or has two
    columns of one name.
    """
    options = ReadOptions(kinds=kinds, encoding=encoding, threads=threads, backend=backend or backend_asked_for())
    return Source([in_named_folders(_open_file(path, options)) for path in expand(paths)])


_OTHERS = (
    (b"PK\3\4", "is a workbook (.xlsx) or a ZIP archive: save the sheet as CSV (UTF-8), or unpack it"),
    (b"\xd0\xcf\x11\xe0", "is an old workbook (.xls): save the sheet as CSV (UTF-8)"),
    (b"PARE", "is an encrypted Parquet file, and popstrat has no keys: write it without encryption"),
    (b"{\\rtf", "is a text document (RTF): save it as CSV (UTF-8)"),
    (b"%PDF", "is a PDF"),
)
"""What else people have, by its first bytes, and what to do about it."""


def _open_file(path: Path, options: ReadOptions) -> FileSource:
    name = str(path)
    packed = path.suffix.lower() == ".gz"
    with reading(name, "a table"), path.open("rb") as file:
        start = file.read(8)
    for mark, what in _OTHERS:
        if start.startswith(mark):
            raise InputError(what, file=name)
    form = _INPUTS.get(Path(path.stem).suffix.lower() if packed else path.suffix.lower())
    if form is None or (packed and not form.gzipped):
        known = [s + end for f in FORMATS for end in ("", ".gz")[: 1 + f.gzipped] for s in f.suffixes]
        raise InputError(f"cannot tell the format from the name; it should end in {_either(known)}", file=name)
    if not start:
        raise InputError("is empty (0 bytes)", file=name)
    looks = next((f for f in FORMATS if f.recognises(start)), None)
    if (wide := _wide_text(start)) and form.name == "csv":
        if options.encoding.lower().replace("_", "-") != wide:
            told = f"is in UTF-16 without a byte-order mark: give --encoding {wide}, or save it as UTF-8"
            raise InputError(told, file=name)
    elif not packed and looks is not form:
        hint = f"; it looks like {looks.title}" if looks else ""
        raise InputError(f"is not {form.described} file{hint}", file=name)
    return form.source(path, options)


def _wide_text(start: bytes) -> str:
    """The encoding of a text in UTF-16 without a mark, by its first bytes: every other one is zero."""
    even, odd = start[0::2], start[1::2]
    if len(start) < 4 or (0 in even) == (0 in odd):
        return ""
    return "utf-16-le" if not any(odd) else "utf-16-be" if not any(even) else ""


def check_target(target: str | Path, inputs: Collection[Path] = ()) -> None:
    """Raise `InputError` if ``target`` has no known extension or is one of the input files."""
    target = Path(target)
    if str(target) == "-":
        raise InputError("the output has to be a file: on standard output it could be incomplete")
    if _ADDRESS.match(str(target)):
        address = str(target).replace(":/", "://", 1)
        raise InputError("is an address, and popstrat writes files: write one and copy it there", file=address)
    if ending(target) not in _OUTPUTS:
        raise InputError(f"the output should end in {_either(list(_OUTPUTS))}", file=str(target))
    refuse_input_as_output(target, inputs)


def ending(target: str | Path) -> str:
    """What tells the format of an output: the end of its name, ``.gz`` and what stands before it as one."""
    path = Path(target)
    if path.suffix.lower() != ".gz":
        return path.suffix.lower()
    return Path(path.stem).suffix.lower() + ".gz"


def open_sink(
    path: Path,
    schema: pa.Schema,
    *,
    form: str,
    keys: Collection[str] = (),
    ids: Collection[str] = (),
    encoding: str = "utf-8",
    rows: int | None = None,
    threads: int = 1,
    lists_as_text: ListsAsText | None = None,
    backend: Backend | None = None,
) -> Sink:
    """Open ``path`` (usually from `Outputs.add`) to be written in the format of the `ending` ``form``.

    ``keys`` are the columns passed through from the input: text of any kind, with statistics kept in Parquet. ``rows``
    overrides the rows to a row group or batch. ``ids`` are the columns, besides ``patient_id``,
    whose text a CSV holds as it is or not at all, where other text that a spreadsheet would run gets an apostrophe.
    ``encoding`` is for CSV, ``threads`` for Parquet and CSV. ``lists_as_text`` makes text of a column of lists for CSV,
    which has none. ``backend`` is that of the environment if it is None. Raises `InputError` for a column that the
    format cannot hold.
    """
    options = WriteOptions(
        keys=keys,
        ids=ids,
        encoding=encoding,
        rows=rows,
        threads=threads,
        lists_as_text=lists_as_text,
        backend=backend or backend_asked_for(),
        packed=form.lower().endswith(".gz"),
    )
    return _OUTPUTS[form.lower()].sink(path, schema, options)


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
