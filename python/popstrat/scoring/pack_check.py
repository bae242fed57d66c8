"""Whether a pack holds at every date at which it changes, and what is odd about it."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from popstrat.errors import PackError
from popstrat.packs import shapes
from popstrat.packs.assumptions import assumptions
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.load import load_pack
from popstrat.packs.pack import Pack
from popstrat.packs.possible import remarks
from popstrat.packs.reading import boundaries, reach
from popstrat.packs.reference_patients import coarse
from popstrat.packs.resolve import resolve
from popstrat.packs.resolved import Resolved
from popstrat.packs.sentences import sentences_of
from popstrat.packs.unused import SECTIONS
from popstrat.packs.uses import versions
from popstrat.scoring.reference_patients import check_engine
from popstrat.scoring.scorer import make_scorer


@dataclass(frozen=True)
class Report:
    """What `examine` found: the pack, the dates at which it was tried, its output columns, and what is odd."""

    pack: Pack
    dates: tuple[dt.date, ...]
    outputs: tuple[str, ...]
    warnings: tuple[str, ...]
    assumptions: int
    compared: int  # results of reference patients, engine against pack


def examine(name_or_path: str | Path | Pack, as_of: dt.date | None = None) -> Report:
    """Load a pack, resolve and compile it at `as_of` (today if None) and at every date on which a definition begins
    or ends to hold. Raises `PackError`."""
    pack = load_pack(name_or_path)
    date = as_of or dt.date.today()
    outputs: dict[str, None] = {}
    compared = 0
    try:
        pack.at(date)  # which sees to what the dates are read from
        dates = tuple(sorted({date, *boundaries(pack)}))
        for date in dates:
            scorer = make_scorer(pack, date)
            sentences_of(scorer.counting)  # which raises if the readings, or the sentences, are at fault
            compared = max(compared, check_engine(scorer))
            keys = set(scorer.input_schema.names)
            outputs.update(dict.fromkeys(n for n in scorer.output_schema.names if n not in keys or n in scorer.titles))
    except PackError as error:
        told = "\n".join([str(error), *_likely(pack, date)])
        raise PackError(told, file=error.file, line=error.line) from None
    return Report(
        pack,
        dates,
        tuple(outputs),
        oddities(pack, pack.at(dates[-1])),
        len(assumptions(pack)),
        compared,
    )


def oddities(pack: Pack, resolved: Resolved) -> tuple[str, ...]:
    """What is odd about a pack as it stands at a date: what its check warns of."""
    return tuple(_oddities(pack, resolved))


def _likely(pack: Pack, date: dt.date) -> Iterator[str]:
    """What is odd about the conditions of a pack that is at fault, as lines below its error: often the cause of what a
    reference patient gets."""
    try:
        resolved = resolve(pack, date)
    except PackError:
        return  # of this the error says all
    yield from (f"warning: {told}" for told in _conditions(pack, resolved))


def _conditions(pack: Pack, resolved: Resolved) -> Iterator[str]:
    """What is odd about the conditions of a pack, each with its place."""
    for remark in remarks(resolved):
        section, text = f"definition.{remark.definition}", remark.text
        place = pack.error(section, remark.told, text, 0, len(text), at=remark.at)
        yield str(place).split("\n")[0]


def _oddities(pack: Pack, resolved: Resolved) -> Iterator[str]:
    """What is odd about the pack's own file, and what those that it extends hold for nothing; all else about them is
    for their own check to say."""
    raw = pack.raw
    own = tomllib.loads(pack.sources[0].text)
    here = pack.sources[0].name
    definitions = [resolved.definitions[k] for k in raw.get("definition", {})]
    unused = {(u.section, u.name): u.told for u in pack.unused if u.file == here}
    for d in definitions:
        if d.id not in own.get("definition", {}):
            continue
        if not d.means:
            yield f"definition {d.id} does not say what it `means`"
        if ("definition", d.id) in unused:
            yield unused["definition", d.id]
        elif (
            KINDS[d.kind].alone
            and not KINDS[d.kind].counted
            and not any(v.get("output") for v in versions(raw["definition"][d.id]))
        ):
            used = {word for o in definitions if o.id != d.id for word in reach(pack, o.id)}
            if d.id not in used:
                yield f"definition {d.id} writes no column, and nothing uses it"
    for ident, body in own.get("definition", {}).items():
        yield from _gaps(ident, shapes.tables(body.get("versions")))
    for kind in ("parameters", "sets", "windows", "lookups"):
        for name in own.get(kind, {}):
            body = raw[kind][name]
            if (kind, name) in unused:
                yield unused[kind, name]
            if kind != "windows" and not body.get("source") and not body.get("assumption"):
                yield f"{SECTIONS[kind]} {name} gives neither a source nor an assumption"
    yield from (told for (kind, _), told in unused.items() if kind == "input")
    yield from _conditions(pack, resolved)
    for d in definitions:
        if "reference_patients" in own.get("definition", {}).get(d.id, {}):
            for number, told in coarse(resolved, d):
                entry = d.raw["reference_patients"][number - 1]
                key = "tolerance" if "tolerance" in entry else "expected"
                place = pack.error(f"definition.{d.id}", told, key, 0, len(key), ("reference_patients", number))
                yield str(place).split("\n")[0]
    if not any(d.output for d in definitions):
        yield "no definition writes a column"
    yield from (told for (kind, _), told in unused.items() if kind == "pack")
    yield from (f"{u.file}: {u.told}" for u in pack.unused if u.file != here)


def _gaps(ident: str, versions: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The days between two dated versions on which neither holds."""
    held = sorted((v.get("effective_from", dt.date.min), v.get("effective_to", dt.date.max)) for v in versions)
    for (_, end), (start, _) in pairwise(held):
        first, last = end + dt.timedelta(days=1), start - dt.timedelta(days=1)
        if first <= last:
            days = f"on {first}" if first == last else f"from {first} to {last}"
            yield f"definition {ident} has no version in force {days}: the nearest would be used"
