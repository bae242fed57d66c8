"""Text of any layout as plain text."""

from __future__ import annotations

import pyarrow as pa


def plain_text(column: pa.Array) -> pa.Array:
    """The column with text views, in a dictionary or not, as plain text: Arrow cannot gather or encode views."""
    if pa.types.is_dictionary(column.type):
        if not pa.types.is_string_view(column.dictionary.type):
            return column
        return pa.DictionaryArray.from_arrays(column.indices, column.dictionary.cast(pa.string()))
    return column.cast(pa.large_string()) if pa.types.is_string_view(column.type) else column
