"""Text views as plain text and as labels, indices numbered anew: as Arrow and Python have it; no damage is followed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from damaged_views import of_buffers
from hypothesis import given
from hypothesis import strategies as st

from popstrat.core.soundness import labels_of_sound_views, text_of_sound_views
from popstrat.engine import text_of_views, used, views_coded

TELLING = bytes.fromhex("41 80 8f 90 9f a0 bf c2 e0 ed f0 f4")  # where the rules of UTF-8 change
TEXTS = st.lists(st.none() | st.text(max_size=5) | st.text("aé", max_size=30), max_size=40)


def of_views(texts: list[str | None]) -> pa.Array:
    return pa.array(texts, pa.string_view())


def view(length: int, text: bytes = b"", buffer: int = 0, start: int = 0) -> bytes:
    if length <= 12:
        return length.to_bytes(4, "little", signed=True) + text.ljust(12, b"\0")
    return b"".join(n.to_bytes(4, "little", signed=True) for n in (length, 0, buffer, start))


def made(views: list[bytes], texts: list[bytes], valid: bytes | None = None) -> pa.Array:
    held = [None if valid is None else pa.py_buffer(valid), pa.py_buffer(b"".join(views)), *map(pa.py_buffer, texts)]
    return of_buffers(pa.string_view(), len(views), held)


@given(TEXTS, st.integers(0, 20))
def test_as_arrow_has_them(texts: list[str | None], start: int) -> None:
    """Sliced anywhere, with nulls and without, whatever the language."""
    column = of_views(texts)[start:]
    for found in (text_of_sound_views(column), text_of_sound_views(of_views(["x"] * 9 + texts)[9 + start :])):
        assert found is not None
        found.validate(full=True)
        assert found.type == pa.large_string()
        assert found.to_pylist() == texts[start:]
        assert found.null_count == texts[start:].count(None)
    labels = labels_of_sound_views(column)
    if any(len(t.encode()) > 12 for t in texts[start:] if t is not None):
        assert labels is None
    else:
        assert labels is not None
        labels.validate(full=True)
        assert labels.to_pylist() == texts[start:]


@given(st.binary(max_size=40) | st.lists(st.sampled_from(TELLING), max_size=12).map(bytes))
def test_what_is_utf8(text: bytes) -> None:
    column = made([view(len(text), text)], [text] if len(text) > 12 else [])
    try:
        expected = [text.decode()]
    except UnicodeDecodeError:
        expected = None
    found = text_of_sound_views(column)
    assert (None if found is None else found.to_pylist()) == expected
    if len(text) <= 12:
        found = labels_of_sound_views(column)
        assert (None if found is None else found.to_pylist()) == expected


@pytest.mark.parametrize(
    "bad",
    [view(-1), view(13, buffer=1), view(13, buffer=-1), view(13, start=8), view(13, start=-1), view(2**31 - 1),
     view(13, start=2**31 - 1)],
)  # fmt: skip
def test_views_that_lead_astray_are_not_followed(bad: bytes) -> None:
    """But under a null they may lead anywhere."""
    good = view(2, b"ab")
    assert text_of_sound_views(made([good, bad], [b"x" * 20])) is None
    assert labels_of_sound_views(made([good, bad], [b"x" * 20])) is None
    under = made([good, bad, good], [b"x" * 20], b"\x05")
    for found in (text_of_sound_views(under), labels_of_sound_views(under)):
        assert found is not None
        assert found.to_pylist() == ["ab", None, "ab"]


def test_many_labels() -> None:
    names = [f"label {i}" for i in range(1025)]
    few, many = of_views(names[:1024] * 3), of_views(names * 3)
    found = labels_of_sound_views(few)
    assert found is not None
    assert found.dictionary.to_pylist() == names[:1024]
    assert found.to_pylist() == few.to_pylist()
    assert labels_of_sound_views(many) is None


def test_buffers_that_are_too_short() -> None:
    out = np.zeros(3, np.int32)
    for short in (
        lambda: text_of_views(bytes(31), None, 0, 2, [], 0, bytearray),
        lambda: text_of_views(bytes(160), b"", 0, 2, [], 0, bytearray),
        lambda: text_of_views(bytes(32), None, 0, 2, [], 0, lambda _: bytearray(8)),
        lambda: text_of_views(bytes(32), None, 0, -1, [], 0, bytearray),
        lambda: views_coded(bytes(31), None, 0, 2, bytearray(8)),
        lambda: views_coded(bytes(32), None, 0, 2, bytearray(7)),
        lambda: views_coded(bytes(32), None, 1 << 60, 2, bytearray(8)),
        lambda: used(bytes(11), None, 0, 3, 5, out),
        lambda: used(bytes(16), None, 0, 4, 5, out),
        lambda: used(bytes(12), b"", 0, 3, 5, out),
        lambda: used(bytes(12), None, 0, 3, -1, out),
    ):
        with pytest.raises(ValueError):
            short()


@given(st.lists(st.none() | st.integers(0, 9), max_size=50), st.integers(0, 12))
def test_entries_that_are_used(indices: list[int | None], start: int) -> None:
    look_for_used(indices, start)


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 9), st.sampled_from([1, 2, 255, 256, 700])), max_size=8),
    st.integers(0, 300),
)
def test_entries_that_come_many_times(runs: list[tuple[int | None, int]], start: int) -> None:
    look_for_used([index for index, times in runs for _ in range(times)], start)


def look_for_used(indices: list[int | None], start: int) -> None:
    column = pa.array(indices, pa.uint32())[start:]
    out = np.full(len(column), 99, np.int32)
    found = used(column.buffers()[1], column.buffers()[0], column.offset, len(column), 10, out)
    there = [i for i in indices[start:] if i is not None]
    assert found is not None
    assert found.tolist() == list(dict.fromkeys(there))
    assert [found[o] for o, i in zip(out, indices[start:], strict=True) if i is not None] == there
    assert not any(o for o, i in zip(out, indices[start:], strict=True) if i is None)
    if there:
        assert used(column.buffers()[1], column.buffers()[0], column.offset, len(column), max(there), out) is None
