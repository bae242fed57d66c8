"""What goes with every list: what it is, by which definitions, in which order, whom it leaves out, and the caution."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from popstrat.core.numbers import day, percent
from popstrat.packs.definition import Definition
from popstrat.worklists.areas import Asked
from popstrat.worklists.lists import Reach
from popstrat.worklists.order import Order
from popstrat.worklists.sheet import SheetColumn

CONFIDENTIAL = "Confidential: information about patients, for their direct care"
CAUTION = (
    "A work list supports the review of patients by those who care for them; it decides nothing. Look at the record "
    "before you act: the list was made from an extract, and knows nothing that was not recorded or has changed since. "
    "Its order is not urgency: a very high reading can stand far down, and an empty cell is no finding, not a good one."
)

Section = tuple[str, tuple[str, ...]]
"""A heading and what stands under it."""


@dataclass(frozen=True)
class About:
    """What the read-mes of a run have in common."""

    order: Order
    asked: Asked
    as_of: dt.date
    pack: str
    program: str
    sharing: str | None
    identified: bool
    absent: Sequence[str]
    notices: Sequence[str]
    compared: str | None
    """The file of the last list."""


def title_of(about: About, area: str) -> str:
    """The heading of a list."""
    return f"{about.order.cohort.title}{f' · {area}' if area else ''}"


def counted(reach: Reach, about: About) -> Iterator[str]:
    """A list in numbers, in sentences."""
    who = f"{reach.rows:,} of the {reach.cohort:,} people in the cohort are on this list"
    yield f"{who}{f' ({reach.name})' if reach.name else ''}; {reach.registered:,} are registered."
    if reach.excluded:
        yield f"{reach.excluded:,} of the cohort were excluded, because a file names them."
    for reason, people in reach.left_out.items():
        yield f"{people:,} of the cohort were left out: {reason}."
    if reach.rows:
        measure = about.order.measure
        risk = "no record" if reach.last_measure is None else shown(reach.last_measure, measure_kind(about))
        colour = f"{reach.last_rank or 'no colour'}; " if about.order.rank is not None else ""
        yield f"The last on the list: {colour}{measure.title}: {risk}."
    if reach.tied:
        yield (
            f"{reach.tied:,} people are tied with the last; {reach.tied_on_list:,} of them are on the list, drawn by "
            "a hash of the date and the patient's key."
        )
    if reach.new is not None:
        yield f"Since the last list: {reach.new:,} new, {reach.rows - reach.new:,} still on it, {reach.gone:,} gone."


def measure_kind(about: About) -> str:
    """How the measure is written."""
    definition = about.order.measure.definition
    return "share" if definition is not None and definition.kind == "model" else about.order.measure.unit


def shown(value: float, kind: str) -> str:
    """A measure for people: a probability in %, anything else as it is."""
    if kind == "share":
        return percent(value, 1)
    text = f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{text} {kind}".rstrip()


def sections(about: About, reach: Sequence[Reach], columns: Sequence[SheetColumn], area: str) -> list[Section]:
    """The read-me of a file that holds these lists."""
    order = about.order
    made = f"Made by {about.program}, pack {about.pack}, from records up to {day(about.as_of)}."
    found: list[Section] = [
        (title_of(about, area), (f"{CONFIDENTIAL}.", CAUTION, made)),
        ("How many", tuple(line for one in reach for line in counted(one, about))),
        ("Who is on it", tuple(_defined(order.cohort.definition))),
        ("In which order", tuple(_ordered(about))),
    ]
    if about.sharing is not None:
        found.append(("Sharing", (f"NHS numbers of several practices, shared on the basis of: {about.sharing}",)))
    found.append(("Columns", tuple(f"{c.label}: {c.of.means}" for c in columns if c.of.means)))
    if about.absent:
        found.append(
            (
                "Not in the extract",
                (f"Empty for everybody, because the extract has no such column: {', '.join(about.absent)}.",),
            )
        )
    if about.notices:
        found.append(("Before you rely on it", tuple(about.notices)))
    return found


def _defined(definition: Definition) -> Iterator[str]:
    yield f"{definition.title}, version {definition.version}. {definition.means}".rstrip()
    if source := definition.raw.get("source"):
        yield f"Source: {source}"
    if assumption := definition.raw.get("assumption"):
        yield f"Assumption: {assumption}"


def _ordered(about: About) -> Iterator[str]:
    order = about.order
    if order.rank is not None:
        yield f"First by {order.rank.title}: {', '.join(order.labels)}, then no colour. {order.rank.means}"
    measure = order.measure
    if measure.ours:
        assert measure.definition is not None
        yield (
            f"Then by {measure.title}, version {measure.definition.version}, the highest first; people without one "
            "come last."
        )
        if disclaimer := measure.definition.raw.get("disclaimer"):
            yield str(disclaimer)
    else:
        yield (
            f"Then by {measure.name} ({measure.title}), the highest first; people without one come last. "
            "popstrat did not make it: it was in the extract. Ask its supplier how good it is."
        )
    yield "Between equals, a hash of the date and the patient's key decides. This is chance, and differs each month."


def as_text(found: Sequence[Section]) -> str:
    """A read-me as a text file."""
    return "\n\n".join("\n".join([heading, "-" * len(heading), *lines]) for heading, lines in found if lines) + "\n"


def as_data(found: Sequence[Section]) -> list[dict[str, object]]:
    """A read-me for records."""
    return [{"heading": heading, "lines": list(lines)} for heading, lines in found if lines]
