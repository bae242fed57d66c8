"""What a kind of definition has to have, and what it is given: one file a kind, everything that is known of it there.

A kind that lacks a part cannot be made, so that forgetting one shows when `registry` is imported. What the parts give
is plain: typed expressions, blocks of `core.blocks`, lines of a trace, differences in words. So a kind knows nothing of
terminals or pages, and nothing else has to know the kinds by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from popstrat.core.blocks import Block
from popstrat.errors import TraceError
from popstrat.lang import nodes as n
from popstrat.packs.builder import Builder, Raw
from popstrat.packs.compared import Said
from popstrat.packs.definition import Definition
from popstrat.packs.model.parts import Model
from popstrat.packs.trace_parts import Traced


@dataclass(frozen=True)
class Built:
    """A definition's expression, and what comes with it."""

    node: n.Node
    rules: Mapping[str, n.Node] = field(default_factory=dict)  # each rule by itself, for traces
    besides: tuple[Definition, ...] = ()  # definitions of their own, such as a linear predictor
    model: Model | None = None
    tallies: Mapping[tuple[str, str, str], n.Node] = field(default_factory=dict)  # what a run counts of it


class Names(Protocol):
    """What the parts of a pack are called on its page."""

    def is_set(self, name: str) -> bool: ...
    def link(self, name: str) -> str: ...


class Witness(Protocol):
    """One patient, and the words for what a rule saw in the record."""

    def value(self, node: n.Node) -> n.Value:
        """What an expression is."""

    def named(self, ident: str) -> n.Value:
        """What a definition is, before it is rounded to its column's type."""

    def has(self, column: str) -> bool:
        """Whether a column has a plausible value."""

    def condition(self, node: n.Node) -> str:
        """A condition in words, with the values it saw."""

    def said(self, node: n.Node, alone: bool = False) -> str:
        """A value in words; `alone` where the result stands beside it."""

    def counted(self, node: n.CountTrue) -> str:
        """How many are true, and which."""

    def mention(self, ident: str) -> None:
        """Note that another definition was spoken of."""

    def definition(self, ident: str) -> Definition | None: ...
    def model(self, ident: str) -> Model: ...
    def birth_of(self, column: str) -> str | None:
        """The column that an age is counted from."""


class Kind(ABC):
    """A kind of definition."""

    name: ClassVar[str]
    """As it is written in a pack."""
    called: ClassVar[str]
    """On a page."""
    rank: ClassVar[int]
    """Where it stands in lists of kinds, the plainest first."""
    keys: ClassVar[frozenset[str]]
    """The keys of its own, besides those that every definition has."""
    told: ClassVar[tuple[str, str]]
    """In the documentation: the keys and what they hold, what it gives."""
    example: ClassVar[str]
    """A whole definition of it in TOML, without its head: documentation and tests use it. It stands by itself."""
    rules: ClassVar[tuple[str, ...]]
    """The keys that hold one rule as text, `eligible` among them, in reading order."""
    values: ClassVar[tuple[str, ...]]
    """The keys that hold a value which a reader would want compared as it stands."""

    # what only some kinds have
    reference_patients: ClassVar[int] = 0
    """How many a definition must have, unless it is a draft; what has to have some is never taken on trust."""
    decimals: ClassVar[int | None] = None
    """To how many places the result is rounded where the definition does not say; None for no rounding."""
    alone: ClassVar[bool] = False
    """Whether it is of use without a column and without another definition that uses it."""
    counted: ClassVar[bool] = False
    """Whether it is counted over people, by area, in place of being written for each."""
    defaults: ClassVar[bool] = False
    """Whether something stands in for columns without a record."""
    tells_eligible: ClassVar[bool] = False
    """Whether a trace says for whom it is where the patient is eligible, too."""

    def __init_subclass__(cls) -> None:
        parts = ("name", "called", "rank", "keys", "told", "example", "rules", "values")
        lost = [part for part in parts if part not in cls.__dict__]
        if lost:
            raise TypeError(f"the kind of definition {cls.__name__} lacks {', '.join(lost)}")

    # -- building --

    @abstractmethod
    def build(self, builder: Builder, ident: str, raw: Raw) -> Built:
        """The expression that a definition's table says. Raises `PackError`."""

    def eligible(self, builder: Builder, ident: str, raw: Raw) -> tuple[n.Node, ...]:
        """For whom it is: conditions that must all hold. Raises `PackError`."""
        if "eligible" not in raw:
            return ()
        if not isinstance(raw["eligible"], str):
            raise builder.fault(ident, "`eligible` is a condition in quotes", "eligible")
        return (builder.parse(ident, "eligible", raw["eligible"], condition=True, at=("eligible",)),)

    # -- reading without building; of a table that is written wrongly, what is there --

    @abstractmethod
    def texts(self, raw: Raw) -> Iterator[str]:
        """Every piece of rule text, those of `rules` aside."""

    @abstractmethod
    def columns(self, ident: str, raw: Raw) -> Iterator[str]:
        """The columns that it writes beside its result."""

    @abstractmethod
    def assumptions(self, raw: Raw) -> Iterator[tuple[str, str]]:
        """What of its rules is an assumption, in inline Markdown, and why."""

    def twice(self, raw: Raw) -> Iterator[tuple[tuple[str, ...], str]]:
        """The keys of a table that say again what it says elsewhere, and what is wrong with it, in a sentence."""
        yield from ()

    # -- showing --

    @abstractmethod
    def page(self, raw: Raw, names: Names) -> list[Block]:
        """Its rules on the page of the pack."""

    @abstractmethod
    def trace(self, definition: Definition, witness: Witness) -> Traced:
        """How it came to its result for one patient who is eligible. Raises `TraceError` if the rules as told lead to
        another."""

    @abstractmethod
    def differences(self, before: Raw, after: Raw) -> Said:
        """What differs between two of this kind, `rules` and `values` aside; either may be of another kind."""

    def result(self, raw: Raw, value: n.Value) -> str | None:
        """The result in a trace where it reads otherwise than a value of its type does."""
        return None

    def said(self, title: str) -> Mapping[str, tuple[str, str]]:
        """Label → what a sentence about people with it stands under, and the sentence, where a pack has none."""
        return {}

    def places(self, raw: Raw) -> int | None:
        """To how many decimal places the result is rounded."""
        return raw.get("decimals", self.decimals) if self.decimals is not None else None


def agree(definition: Definition, witness: Witness, told: n.Value) -> None:
    """The rules of a trace as told must lead to the result. Raises `TraceError`."""
    value = witness.named(definition.id)
    if told != value:
        raise TraceError(f"internal error: the rules of {definition.id} as told give {told!r}, not {value!r}")
