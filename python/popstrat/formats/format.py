"""What a format is: the one object that its folder must give, whole, and what its reader and writer are told."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from popstrat.formats.sink import Sink
from popstrat.formats.source import FileSource, Kinds

Backend = Literal["native", "arrow"]
"""Who turns bytes into columns and back: the engine as far as it can, or pyarrow alone."""
ListsAsText = Callable[[pa.Array], pa.Array]
"""A column of lists as a column of text, null where it is null."""


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """``kinds`` says what a column of the file holds, ``encoding`` is that of text, ``threads`` are at most used."""

    kinds: Kinds
    encoding: str
    threads: int
    backend: Backend


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """``keys`` are the columns passed through from the input, ``rows`` those of a row group or batch (None: as many as
    the format thinks best), ``lists_as_text`` renders lists where the format has none (None: they are refused). Values
    of ``ids`` are not to be changed for spreadsheets' sake, but refused. ``packed``: with gzip."""

    keys: Collection[str]
    ids: Collection[str]
    encoding: str
    rows: int | None
    threads: int
    lists_as_text: ListsAsText | None
    backend: Backend
    packed: bool = False


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format. Nothing has a default, so that a format with a part missing fails when its folder is imported.

    ``name`` is what records call it, ``title`` what messages do, ``described`` the same with its article. Files are
    known by ``suffixes`` (which messages list) and ``other_suffixes``; with ``gzipped`` also by these and ``.gz``.
    ``output_suffix`` is the one for outputs, and with ``gzipped`` it and ``.gz``. ``recognises`` judges the first 8
    bytes of a file. ``source`` and ``sink`` open a file and raise `InputError`; they import their modules when called,
    which keeps start-up short.
    """

    name: str
    title: str
    described: str
    suffixes: tuple[str, ...]
    other_suffixes: tuple[str, ...]
    gzipped: bool
    output_suffix: str
    recognises: Callable[[bytes], bool]
    source: Callable[[Path, ReadOptions], FileSource]
    sink: Callable[[Path, pa.Schema, WriteOptions], Sink]
