"""Columns of text of every layout come out plain, with the same values."""

from __future__ import annotations

import pyarrow as pa
import pytest

from popstrat.core.arrow import is_text, plain, without_views

VALUES = ["a", None, "a longer text than fits into a view", "", "a"]
LAYOUTS = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.uint32(), pa.large_string()),
    pa.dictionary(pa.int32(), pa.string_view()),
]


def column(kind: pa.DataType) -> pa.Array:
    """The values, with a row on either side that is sliced off."""
    padded = pa.array(["x", *VALUES, "y"])
    if pa.types.is_dictionary(kind):
        coded = padded.dictionary_encode()
        indices, entries = coded.indices.cast(kind.index_type), coded.dictionary.cast(kind.value_type)
        return pa.DictionaryArray.from_arrays(indices, entries).slice(1, len(VALUES))
    return padded.cast(kind).slice(1, len(VALUES))


@pytest.mark.parametrize("kind", LAYOUTS, ids=str)
def test_plain(kind: pa.DataType) -> None:
    found = plain(column(kind))
    found.validate(full=True)
    assert found.type in (pa.string(), pa.large_string())
    assert found.to_pylist() == VALUES


@pytest.mark.parametrize("kind", LAYOUTS, ids=str)
def test_without_views(kind: pa.DataType) -> None:
    found = without_views(column(kind))
    found.validate(full=True)
    assert pa.types.is_dictionary(found.type) == pa.types.is_dictionary(kind)
    assert "view" not in str(found.type)
    assert found.to_pylist() == VALUES
    assert is_text(kind)
    assert is_text(found.type)


def test_what_is_no_text_stays_as_it_is() -> None:
    for values in (pa.array([1, None]), pa.array([True]), pa.array([1.5])):
        assert plain(values) is values
        assert without_views(values) is values
        assert not is_text(values.type)
    coded = pa.array([7, None, 7]).dictionary_encode()
    assert plain(coded).to_pylist() == [7, None, 7]
    assert without_views(coded) is coded
