"""The groups that people are divided into, from columns of the scored table or of the patient list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from popstrat.engine import CODE_NULL, CODE_UNKNOWN
from popstrat.packs.patient_table import Column, patient_schema
from popstrat.scoring.columns import bind_column, label_numbers
from popstrat.validation.measures import Floats
from popstrat.validation.results import Grouping

NOT_RECORDED = "not recorded"

_AGE_BANDS = ((0, 18, "under 18"), (18, 40, "18–39"), (40, 55, "40–54"), (55, 65, "55–64"), (65, 75, "65–74"),
              (75, 85, "75–84"), (85, 1000, "85 and over"))  # fmt: skip
_ETHNIC_GROUPS = {
    "White": "ABC", "Mixed": "DEFG", "Asian or Asian British": "HJKL", "Black or Black British": "MNP",
    "Chinese or other": "RS",
}  # fmt: skip
_QUINTILES = ("1 (most deprived)", "2", "3", "4", "5 (least deprived)")
_LTC_COUNTS = ("0", "1", "2", "3", "4", "5 or more")

GROUPS: Mapping[str, tuple[str, str]] = {
    "sex": ("sex", "Sex"),
    "age": ("age", "Age"),
    "ethnicity": ("ethnicity", "Ethnic group (2001 census)"),
    "deprivation": ("imd_decile", "Deprivation quintile (IMD)"),
    "ltc_count": ("ltc_count", "Long-term conditions"),
    "frailty": ("frailty_category", "Frailty"),
    "place": ("place", "Place"),
}
"""The usual groups: the column each is made from, and its title."""
LIST_COLUMNS = ("sex", "ethnicity", "imd_decile", "place")
"""What is taken from the patient list where the scored table does not have it."""


def usual(name: str, values: pa.Array) -> Grouping:
    """One of the usual `GROUPS`, from its column. Raises `InputError` for values that cannot be told apart."""
    return _MAKERS[name](values, GROUPS[name][1])


def _cut(values: pa.Array, name: str) -> Floats:
    """A column of the patient table's numbers; NaN where null or implausible."""
    column = patient_schema().columns.get(name)
    if column is None:
        column = Column(name=name, group="", type="int", title=name, dtype=pa.int32())
    binding = bind_column(column, 0, values.type)
    converted = binding.convert(values) if binding.convert is not None else values
    numbers = np.array(converted.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    if column.minimum is not None and column.maximum is not None:
        numbers[~((numbers >= column.minimum) & (numbers <= column.maximum))] = np.nan
    return numbers


def _codes(values: Floats, edges: Sequence[float], labels: Sequence[str], title: str) -> Grouping:
    known = ~np.isnan(values)
    codes = np.where(known, np.digitize(np.where(known, values, 0), edges), len(labels))
    return Grouping(codes.astype(np.int32), (*labels, NOT_RECORDED), title)


def _age(values: pa.Array, title: str) -> Grouping:
    return _codes(_cut(values, "age"), [b[1] for b in _AGE_BANDS[:-1]], [b[2] for b in _AGE_BANDS], title)


def _quintile(values: pa.Array, title: str) -> Grouping:
    return _codes(_cut(values, "imd_decile"), [3, 5, 7, 9], _QUINTILES, title)


def _ltc(values: pa.Array, title: str) -> Grouping:
    return _codes(_cut(values, "ltc_count"), [1, 2, 3, 4, 5], _LTC_COUNTS, title)


def _category(values: pa.Array, name: str, *, group: Mapping[str, str] | None, title: str) -> Grouping:
    """A category of the patient table by its labels, or by groups of them; unknown labels are not recorded."""
    column = patient_schema()[name]
    binding = bind_column(column, 0, values.type)
    converted = binding.convert(values) if binding.convert is not None else values
    coded = converted.dictionary_encode()
    numbers = label_numbers(binding.spellings, coded.dictionary)
    labels = list(dict.fromkeys(group.values())) if group else list(column.labels)
    nowhere = len(labels)
    target = np.full(256, nowhere, dtype=np.int32)
    for i, label in enumerate(column.labels):
        target[i] = labels.index(group[label]) if group and label in group else nowhere if group else i
    null = labels.index(column.null_is) if column.null_is in labels else nowhere
    target[CODE_NULL] = null
    target[CODE_UNKNOWN] = null
    indices = np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False))
    by_entry = np.concatenate([target[numbers], [null]]).astype(np.int32)
    return Grouping(by_entry[indices], (*labels, NOT_RECORDED), title)


def _sex(values: pa.Array, title: str) -> Grouping:
    return _category(values, "sex", group=None, title=title)


def _ethnicity(values: pa.Array, title: str) -> Grouping:
    groups = {code: name for name, codes in _ETHNIC_GROUPS.items() for code in codes}
    return _category(values, "ethnicity", group=groups, title=title)


def _frailty(values: pa.Array, title: str) -> Grouping:
    found = labelled(values, title)
    order = [f for f in (*patient_schema()["frailty"].labels, NOT_RECORDED) if f in found.labels]
    order += [label for label in found.labels if label not in order]
    new = np.array([order.index(label) for label in found.labels], dtype=np.int32)
    return Grouping(new[found.codes], tuple(order), title)


def labelled(values: pa.Array, title: str) -> Grouping:
    """A column by its distinct values, in order; nulls and empty text are not recorded."""
    text = values.cast(pa.large_string())
    coded = text.dictionary_encode()
    entries = coded.dictionary.to_pylist()
    labels = [*sorted({e.strip() or NOT_RECORDED for e in entries} - {NOT_RECORDED}), NOT_RECORDED]
    code = {label: i for i, label in enumerate(labels)}
    by_entry = np.array([*(code[e.strip() or NOT_RECORDED] for e in entries), len(labels) - 1], dtype=np.int32)
    return Grouping(
        by_entry[np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False))], tuple(labels), title
    )


_MAKERS: Mapping[str, Callable[[pa.Array, str], Grouping]] = {
    "sex": _sex,
    "age": _age,
    "ethnicity": _ethnicity,
    "deprivation": _quintile,
    "ltc_count": _ltc,
    "frailty": _frailty,
    "place": labelled,
}
