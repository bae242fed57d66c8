"""What makes the results of a run doubtful though nothing stopped it, in sentences."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pyarrow as pa

from popstrat.core.text import closest, squeezed
from popstrat.lang.values import WHOLE
from popstrat.packs.columns_read import columns_of
from popstrat.packs.definition import NOT_HELD
from popstrat.packs.patient_table import ID, OPT_OUTS, Schema, patient_schema
from popstrat.packs.plausibility import disorder_remarks, suspicions
from popstrat.packs.questions import questions
from popstrat.privacy.identifiers import looks_like_nhs_numbers
from popstrat.runs.withheld import without_numbers
from popstrat.scoring.completeness import Earlier, Facts
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.tally import Tally

STALE_DAYS = 45
LOOKED_AT = 1000
"""Ids that tell whether they are NHS numbers."""
_OUTPUTS_NAMED = 6
_LEFT = re.compile(
    "dateofdeath|deathdate|deceased|isdead|hasdied|deducted|deductiondate|deregist|registrationend|dateleft|leavingdate"
)
_DIGITS_HELD = 15  # by a spreadsheet
_LEAST_LONG = 20  # ids that tell whether long ones are rounded
_MANY_ROWS = 1000  # among as many people somebody has opted out (about one in twenty has)


def filled(files: Sequence[Facts]) -> dict[str, Any]:
    """What a record says of how well the columns are filled: those that every file lacks, those that hold nothing in
    any, and how many values each of the others holds (of a flag, how many people have it), of several files in each."""
    first = files[0]
    columns = dict.fromkeys(c for f in files for c in f.recorded)
    found: dict[str, Any] = {
        "absent_columns": [c for c in first.absent if all(c in f.absent for f in files)],
        "empty_columns": [c for c in (*first.empty, *first.undated) if all(c in (*f.empty, *f.undated) for f in files)],
        "recorded": {c: sum(f.recorded.get(c, 0) for f in files) for c in columns},
    }
    if len(files) > 1:
        found["recorded_by_file"] = [{"name": without_numbers(f.name), "recorded": f.recorded} for f in files]
    return found


def doubts(
    scorer: Scorer,
    tally: Tally,
    files: Sequence[Facts],
    first_ids: pa.Array | pa.ChunkedArray | None,
    earlier: Earlier | None = None,
    converted: Collection[str] = (),
) -> list[str]:
    """What makes the results of a run doubtful though nothing stopped it: nobody in it, columns that are absent,
    hold nothing or too little, flags that nobody has, values set aside in numbers that point to a wrong unit, columns
    that look swapped or are asked about, opt-outs that nobody has, NHS numbers where pseudonyms should be. ``tally`` is
    of all ``files``, ``converted`` are the columns whose unit a map changes."""
    schema = scorer.pack.schema
    secondary = scorer.profile == "secondary-use"
    unfilled = []
    if secondary and tally.rows_in >= _MANY_ROWS:
        unfilled = [column for column, reason in OPT_OUTS.items() if not tally.excluded.get(reason)]
    several = len(files) > 1
    found = [
        *_nobody(files, tally),
        *scorer.remarks([f.without(unfilled) for f in files], earlier),
        *suspicions(tally.quality, tally.recorded, schema, converted),
        *(
            told
            for f in files
            for told in disorder_remarks(f.tally.disorder, schema, f" in {f.name}" if several else "")
        ),
        *_asked(files, tally, schema),
        *not_held(scorer, tally),
        *strata_of_nobody(scorer, tally),
        *(f"nobody is left out for {column}: is that column filled?" for column in unfilled),
    ]
    if first_ids is not None and looks_rounded(first_ids):
        told = "have been rounded, as spreadsheets and floating-point numbers do: different people may have become one"
        found.append(f"{ID} looks as if numbers of 16 digits and more {told}; export the column again as text")
    if secondary and first_ids is not None and looks_like_nhs_numbers(first_ids):
        found.append(f"{ID} looks like NHS numbers, and secondary use needs pseudonyms: popstrat pseudonymise")
    return found


def looks_rounded(ids: pa.Array | pa.ChunkedArray) -> bool:
    """Whether ids are numbers of more digits than a spreadsheet holds, and each has nothing but noughts behind them or
    is one of those that a double holds. Of ids that are not rounded one in two or fewer would be such."""
    if not len(ids) or len(str(ids[0].as_py())) <= _DIGITS_HELD:
        return False
    texts = (str(ids[i].as_py()) for i in range(len(ids)))  # `to_pylist` would import pandas
    long = [int(i) for i in texts if len(i) > _DIGITS_HELD and i.isascii() and i.isdigit() and i[0] != "0"]
    rounded = (not int(str(i)[_DIGITS_HELD:]) or (i > 2**53 and int(float(i)) == i) for i in long)
    return len(long) >= _LEAST_LONG and all(rounded)


def leavers(passed_over: Collection[str]) -> list[str]:
    """What is to be said of columns that tell who has died or left: it does not take them out."""
    named = [name for name in passed_over if _LEFT.search(squeezed(name))]
    return [
        f"{name} is not used: people who have died or left are counted for as long as the list has them"
        for name in named
    ]


def _nobody(files: Sequence[Facts], tally: Tally) -> Iterator[str]:
    """That a list has no rows, or one of its files; or that everybody in it is left out."""
    if not tally.rows_in:
        yield "the list is empty: there is nobody in it"
        return
    for f in files:
        if not f.tally.rows_in:
            yield f"{f.name} is empty: there is nobody in it"
    if not tally.rows_out:
        yield f"nobody is left: all {tally.rows_in:,} people are left out"


def _asked(files: Sequence[Facts], tally: Tally, schema: Schema) -> Iterator[str]:
    """What is asked about columns: of all files, of some of them, or of all together where each by itself is too small
    to tell."""
    for question in questions(schema):
        asking = [f for f in files if question.is_asked(f.tally.asked.get(question.name))]
        if len(asking) == len(files) or (not asking and question.is_asked(tally.asked.get(question.name))):
            yield question.sentence(tally.asked[question.name])
        else:
            yield from (question.sentence(f.tally.asked[question.name], f" in {f.name}") for f in asking)


def near_misses(
    scorer: Scorer, present: Sequence[Collection[str]], passed_over: Sequence[Collection[str]]
) -> list[str]:
    """Columns that a file lacks and seems to have under another name, with the outputs that would use them: for each
    file the columns of ours that it has, and the others."""
    found: dict[str, None] = {}
    standard = patient_schema()
    for ours, left in zip(present, passed_over, strict=True):
        for absent in (c for c in scorer.columns_counted if c not in ours) if left else ():
            if near := closest(absent, left, few=absent not in standard):  # a pack's own columns are few
                used = scorer.outputs_using(absent)
                outputs = ", ".join(used[:_OUTPUTS_NAMED]) + (f" and {len(used) - _OUTPUTS_NAMED} more"
                                                              if used[_OUTPUTS_NAMED:] else "")  # fmt: skip
                found[f"column {near!r} is not used, and {absent} is absent: if they are the same, rename it or map "
                      f"it; {outputs} would use it"] = None  # fmt: skip
    return list(found)


def not_held(scorer: Scorer, tally: Tally) -> Iterator[str]:
    """Numbers that a column is too narrow for, and that are null in it."""
    for ident, kind, dtype in scorer.resolved.tallies:
        if kind == NOT_HELD and (count := tally.models.get(f"{ident}.{kind}", {}).get(dtype)):
            least, most = WHOLE[dtype]
            values = "1 value" if count == 1 else f"{count:,} values"
            yield f"{ident}: null for {values} beyond what {dtype} holds ({least:,} to {most:,})"


def strata_of_nobody(scorer: Scorer, tally: Tally) -> Iterator[str]:
    """Strata of a model that nobody of many is in, with the columns that tell them from those that somebody is in."""
    resolved = scorer.resolved
    for ident, model in resolved.models.items():
        counts = tally.models.get(f"{ident}.strata", {})
        scored = sum(counts.values())
        empty = [s for s in model.strata if s.when is not None and not counts.get(s.name)]
        if scored < _MANY_ROWS or not empty:
            continue
        read = columns_of([s.when for s in empty if s.when is not None], resolved)
        others = columns_of([s.when for s in model.strata if s.when is not None and s not in empty], resolved)
        columns = ", ".join(c.name for c in scorer.pack.schema if c.name in (read - others or read))
        names = f"{'stratum' if len(empty) == 1 else 'strata'} {', '.join(s.name for s in empty)}"
        asked = f": {'are' if ',' in columns else 'is'} {columns} filled?" if columns else ""
        yield f"{ident}: nobody of {scored:,} people with a result is in the {names}{asked}"


def staleness(as_of: dt.date, newest: dt.date | None) -> list[str]:
    """A warning if the newest record date is long before the as-of date."""
    if newest is None or (days := (as_of - newest).days) <= STALE_DAYS:
        return []
    return [
        f"the newest record date is {newest.isoformat()}, {days} days before the as-of date: is this extract stale?"
    ]
