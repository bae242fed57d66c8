"""What changed between two packs, in words; and, with data, which patients that moves.

Packs are compared as they stand after `extends`, so a change in an inherited part shows. Order counts only where it
means something: the rules of a first match, not the members of a set, the terms of a sum or the sides of an `and`.
"""

from __future__ import annotations

import ast
import dataclasses
import datetime as dt
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from popstrat.catalogue import code, styled
from popstrat.core.cpus import cores
from popstrat.errors import DefinitionWarning
from popstrat.pack import Pack
from popstrat.packs.uses import used_words, versions
from popstrat.scorer import KEY_COLUMNS, PLACE_COLUMNS, Scorer, as_table

Kind = Literal["added", "removed", "changed", "wording"]

_WORDING = ("title", "means", "source", "assumption", "licence", "unit", "intended_use", "disclaimer", "horizon", "why",
            "evidence", "note")  # fmt: skip
_MOST_REWORDED = 3  # terms, nodes or inputs, each in a line of its own
_RULES = ("value", "eligible", "diagnosed", "optimised", "undiagnosed", "when", "split", "from")
_NONE = "no value"  # how a null reads in a count of who moves


@dataclass(frozen=True)
class Change:
    """One thing that differs. `reaches` names the output columns that depend on it."""

    kind: Kind
    part: str  # parameter, set, window, input column, definition, pack
    name: str
    text: str  # inline Markdown
    reaches: tuple[str, ...] = ()


@dataclass(frozen=True)
class Move:
    """So many patients who go from one label to another."""

    before: str
    after: str
    patients: int


@dataclass(frozen=True)
class ColumnDiff:
    """How one output column differs over the data: labels as moves, numbers as how many and by how much."""

    column: str
    title: str
    changed: int
    moves: tuple[Move, ...] = ()
    mean_before: float | None = None
    mean_after: float | None = None
    mean_difference: float | None = None  # over the patients who have a number in both
    became_null: int = 0
    no_longer_null: int = 0


@dataclass
class PackDiff:
    """What differs between pack `a` and pack `b`."""

    a: str
    b: str
    as_of: dt.date
    changes: list[Change] = field(default_factory=list)
    only_a: list[str] = field(default_factory=list)
    only_b: list[str] = field(default_factory=list)
    retyped: list[str] = field(default_factory=list)
    patients: int | None = None  # None: no data was given
    moved: int = 0  # patients with a change in any column that both have
    columns: list[ColumnDiff] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        found = dataclasses.asdict(self)
        found["as_of"] = self.as_of.isoformat()
        return found

    def render(self, console: Console) -> None:
        """Print the differences."""
        if console.is_terminal:
            _render(self, console)
            return
        with console.capture() as captured:
            _render(self, console)
        # tables are padded to their width, which a file can do without
        console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def diff(a: Pack, b: Pack, data: Any = None, as_of: dt.date | None = None) -> PackDiff:
    """Compare two packs; with `data` (a table, or an iterable of tables or record batches) count who moves.

    Both packs are resolved at `as_of` (today if None). Raises `PackError` for a pack at fault, `InputError` for data.
    """
    date = as_of or dt.date.today()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DefinitionWarning)
        before, after = Scorer(a, date), Scorer(b, date)
    reach = _Reach(a, b)
    changes = [dataclasses.replace(c, reaches=reach.outputs(c)) for c in _changes(a, b)]
    types = [{str(d.output): d.dtype for d in s.resolved.outputs} for s in (before, after)]
    found = PackDiff(
        a=f"{a.id} {a.version}",
        b=f"{b.id} {b.version}",
        as_of=date,
        changes=changes,
        only_a=[c for c in types[0] if c not in types[1]],
        only_b=[c for c in types[1] if c not in types[0]],
        retyped=[c for c in types[0] if c in types[1] and _family(types[0][c]) != _family(types[1][c])],
    )
    if data is not None:
        _count(found, before, after, _tables(data))
    return found


# -- in words ----------------------------------------------------------------------------------------------------------


def _changes(a: Pack, b: Pack) -> Iterator[Change]:
    for key in ("id", "version", "title"):
        if getattr(a, key) != getattr(b, key):
            kind: Kind = "wording" if key == "title" else "changed"
            yield Change(kind, "pack", key, f"{code(getattr(a, key))} → {code(getattr(b, key))}")
    yield from _tables_of("parameters", "parameter", a, b, _parameter)
    yield from _tables_of("windows", "window", a, b, _window)
    yield from _tables_of("sets", "set", a, b, _set)
    yield from _inputs(a, b)
    yield from _tables_of("definition", "definition", a, b, _definition)


def _tables_of(section: str, part: str, a: Pack, b: Pack, compare: Any) -> Iterator[Change]:
    before, after = a.raw.get(section, {}), b.raw.get(section, {})
    for name in before:
        if name not in after:
            yield Change("removed", part, name, _summary(part, before[name]))
    for name in after:
        if name not in before:
            yield Change("added", part, name, _summary(part, after[name]))
        else:
            for kind, text in compare(before[name], after[name]):
                yield Change(kind, part, name, text)


def _summary(part: str, body: Mapping[str, Any]) -> str:
    title = body.get("title", "")
    match part:
        case "parameter":
            return f"{title} = {_shown(body.get('value'))} {body.get('unit', '')}".strip()
        case "window":
            return f"{body.get('months')} months"
        case "set":
            return f"{title}, {len(body.get('members', ()))} members"
        case _:
            output = body.get("output", False)
            column = f", column {code(output if isinstance(output, str) else 'of the same name')}" if output else ""
            return f"{title} ({body.get('kind')}{column})"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "; ".join(map(_shown, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _wording(before: Mapping[str, Any], after: Mapping[str, Any], of: str = "") -> Iterator[tuple[Kind, str]]:
    """Differences of text that no rule reads, all in one sentence."""
    keys = [k for k in _WORDING if before.get(k) != after.get(k)]
    if keys:
        told = f"{_and(keys)}{of} reworded" if len(keys) > 1 else f"{keys[0]}{of}: {_words(before, after, keys[0])}"
        yield "wording", told


def _and(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1]


def _words(before: Mapping[str, Any], after: Mapping[str, Any], key: str) -> str:
    old, new = before.get(key), after.get(key)
    if old is None or new is None:
        return f"added, “{new}”" if old is None else f"removed, was “{old}”"
    return f"“{old}” → “{new}”"


def _value(name: str, before: Any, after: Any, unit: str = "") -> Iterator[tuple[Kind, str]]:
    if before != after or isinstance(before, bool) != isinstance(after, bool):
        old = "not set" if before is None else _shown(before)
        new = "not set" if after is None else _shown(after)
        yield "changed", f"{name} {old} → {new}{f' {unit}' if unit else ''}".strip()


def _parameter(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    yield from _value("", before.get("value"), after.get("value"), after.get("unit", ""))
    yield from _wording(before, after)


def _window(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    yield from _value("", before.get("months"), after.get("months"), "months")
    yield from _wording(before, after)


def _set(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    yield from _members("members", before.get("members", ()), after.get("members", ()))
    yield from _wording(before, after)


def _members(name: str, before: Iterable[str], after: Iterable[str]) -> Iterator[tuple[Kind, str]]:
    """What a list whose order means nothing lost and gained."""
    old, new = Counter(map(canonical, before)), Counter(map(canonical, after))
    gone, come = list((old - new).elements()), list((new - old).elements())
    if gone:
        yield "changed", f"{name} no longer: {', '.join(map(code, gone))}"
    if come:
        yield "changed", f"{name} now also: {', '.join(map(code, come))}"


def _inputs(a: Pack, b: Pack) -> Iterator[Change]:
    before = {c["name"]: c for c in a.raw.get("input", ())}
    after = {c["name"]: c for c in b.raw.get("input", ())}
    for name in before.keys() | after.keys():
        if name not in after:
            yield Change("removed", "input column", name, before[name].get("title", ""))
        elif name not in before:
            yield Change("added", "input column", name, after[name].get("title", ""))
        else:
            for key in sorted(before[name].keys() | after[name].keys()):
                for _, text in _value(key, before[name].get(key), after[name].get(key)):
                    yield Change("wording" if key in _WORDING else "changed", "input column", name, text)


def canonical(text: Any) -> str:
    """A rule in one way of writing it: spaces, brackets and the order of `and`, `or` and `{…}` aside."""
    plain = " ".join(str(text).split())
    try:
        tree = ast.parse(f"({text}\n)", mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return plain
    for node in ast.walk(tree):
        if isinstance(node, ast.BoolOp):
            node.values.sort(key=ast.dump)
        elif isinstance(node, ast.Set):
            node.elts.sort(key=ast.dump)
    return ast.unparse(tree)


def _rule(name: str, before: Any, after: Any) -> Iterator[tuple[Kind, str]]:
    if before is None and after is None:
        return
    if before is None or after is None or canonical(before) != canonical(after):
        old = "none" if before is None else code(before)
        new = "none" if after is None else code(after)
        yield "changed", f"{name}: {old} → {new}"


def _definition(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    if before.get("kind") != after.get("kind"):
        yield "changed", f"kind {before.get('kind')} → {after.get('kind')}: another rule altogether"
    old, new = versions(before), versions(after)
    if len(old) == len(new) == 1:
        yield from _one_version(old[0], new[0], "")
        return
    # versions of one name belong together; what is left over pairs by its place
    pairs = []
    for y in list(new):
        x = next((x for x in old if x.get("version") == y.get("version")), None)
        if x is not None:
            pairs.append((x, y))
            old.remove(x)
            new.remove(y)
    pairs += zip(old, new, strict=False)
    for x, y in pairs:
        yield from _one_version(x, y, f"version {y.get('version')}, ")
    for x in old[len(new) :]:
        yield "removed", f"version {x.get('version')}, {_dates(x)}"
    for y in new[len(old) :]:
        told = next((f": {code(y[k])}" for k in _RULES if k in y), "")
        yield "added", f"version {y.get('version')}, {_dates(y)}{told}"


def _dates(version: Mapping[str, Any]) -> str:
    start, end = version.get("effective_from"), version.get("effective_to")
    told = [f"{word} {date}" for word, date in (("from", start), ("to", end)) if date is not None]
    return f"in force {' '.join(told)}" if told else "in force at any date"


def _one_version(x: Mapping[str, Any], y: Mapping[str, Any], which: str) -> Iterator[tuple[Kind, str]]:
    if _dates(x) != _dates(y):
        yield "changed", f"{which}{_dates(x)} → {_dates(y)}"
    for kind, text in _parts(x, y):
        yield kind, f"{which}{text}"
    for kind, text in _wording(x, y):
        yield kind, f"{which}{text}"


def _parts(x: Mapping[str, Any], y: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    if x.get("version") != y.get("version"):
        yield "wording", f"called version {x.get('version')}, now {y.get('version')}"
    for key in _RULES:
        if isinstance(x.get(key, ""), str) and isinstance(y.get(key, ""), str):
            yield from _rule("rule" if key == "value" else key, x.get(key), y.get(key))
        else:
            yield from _value(key, x.get(key), y.get(key))
    for key in (
        "otherwise",
        "link",
        "intercept",
        "baseline_survival",
        "horizons",
        "recalibration",
        "decimals",
        "missing_output",
        "reason_output",
        "draft",
        "type",
    ):
        yield from _value(key, x.get(key), y.get(key))
    yield from _value("output", x.get("output", False), y.get("output", False))
    if "of" in x or "of" in y:
        yield from _members("counts", _listed(x.get("of")), _listed(y.get("of")))
    if "rules" in x or "rules" in y:
        yield from _first_match(x.get("rules", ()), y.get("rules", ()))
    if x.get("labels") != y.get("labels"):
        yield "changed", f"order of labels {_listing(x.get('labels'))} → {_listing(y.get('labels'))}"
    yield from _keyed("node", x.get("nodes", ()), y.get("nodes", ()))
    yield from _keyed("term", x.get("terms", ()), y.get("terms", ()))
    for what, key, single in (
        ("stratum", "strata", "when"),
        ("input", "inputs", "default"),
        ("derived", "derived", "value"),
    ):
        tables = [
            [{"id": k, **(spec if isinstance(spec, dict) else {single: spec})} for k, spec in v.get(key, {}).items()]
            for v in (x, y)
        ]
        yield from _keyed(what, *tables)


def _listed(of: Any) -> list[str]:
    return [of] if isinstance(of, str) else list(of or ())


def _listing(labels: Sequence[str] | None) -> str:
    return "as in the rules" if labels is None else ", ".join(map(code, labels))


def _first_match(x: Sequence[Mapping[str, Any]], y: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Kind, str]]:
    old, new = _numbered(x), _numbered(y)
    for key, rule in old.items():
        if key not in new:
            yield "removed", f"rule for {code(key[0])}: {code(rule['when'])}"
    for place, (key, rule) in enumerate(new.items(), 1):
        if key not in old:
            yield "added", f"rule {place}, for {code(key[0])}: {code(rule['when'])}"
            continue
        yield from _rule(f"rule for {code(key[0])}", old[key]["when"], rule["when"])
        yield from _wording(old[key], rule, f" of the rule for {code(key[0])}")
    before, after = [k for k in old if k in new], [k for k in new if k in old]
    if before != after:
        yield "changed", f"order of rules {_listing([k[0] for k in before])} → {_listing([k[0] for k in after])}"


def _numbered(rules: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Rules by label, and where a label has several, by which of them."""
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for rule in rules:
        number = sum(label == rule["label"] for label, _ in found)
        found[rule["label"], number] = rule
    return found


def _keyed(what: str, x: Iterable[Mapping[str, Any]], y: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Kind, str]]:
    """Nodes of a tree, terms and inputs of a model: by their id."""
    old, new = {i["id"]: i for i in x}, {i["id"]: i for i in y}
    reworded: dict[tuple[str, ...], list[Any]] = {}
    for key, item in old.items():
        if key not in new:
            yield "removed", f"{what} {code(key)}{_weight(item)}"
    for key, item in new.items():
        if key not in old:
            yield "added", f"{what} {code(key)}{_weight(item)}"
            continue
        for part in dict.fromkeys([*old[key], *item]):
            if part in _WORDING or part == "id":
                continue
            before, after = old[key].get(part), item.get(part)
            if isinstance(before, str) and isinstance(after, str):
                yield from _rule(f"{what} {code(key)}, {part}", before, after)
            else:
                yield from _value(f"{what} {code(key)}, {part}", before, after)
        changed = tuple(k for k in _WORDING if old[key].get(k) != item.get(k))
        if changed:
            reworded.setdefault(changed, []).append(key)
    for changed, keys in reworded.items():
        if len(keys) > _MOST_REWORDED:  # as when a whole model was fitted again
            several = {"stratum": "strata", "derived": "derived values"}.get(what, f"{what}s")
            yield "wording", f"{_and(changed)} of {len(keys)} {several} reworded"
            continue
        for key in keys:
            yield from _wording(old[key], new[key], f" of {what} {code(key)}")


def _weight(item: Mapping[str, Any]) -> str:
    rule = next((f": {code(item[k])}" for k in ("when", "value", "split", "from") if isinstance(item.get(k), str)), "")
    return f"{rule}, coefficient {_shown(item['coefficient'])}" if "coefficient" in item else rule


class _Reach:
    """Which output columns depend on a part of either pack."""

    def __init__(self, *packs: Pack) -> None:
        self.users: dict[str, set[str]] = {}
        self.columns: dict[str, set[str]] = {}
        for pack in packs:
            for name, body in pack.raw.get("sets", {}).items():
                for member in body.get("members", ()):
                    self.users.setdefault(member, set()).add(name)
            for ident, body in pack.raw.get("definition", {}).items():
                for word in used_words(body):
                    if word != ident:
                        self.users.setdefault(word, set()).add(ident)
                for version in versions(body):
                    output = version.get("output", False)
                    written = [ident] if output is True else [output] if output else []
                    if version.get("missing_output"):
                        written.append(version["missing_output"])
                    self.columns.setdefault(ident, set()).update(written)

    def outputs(self, change: Change) -> tuple[str, ...]:
        if change.kind == "wording" or change.part == "pack":
            return ()
        found: set[str] = set()
        waiting, done = [change.name], set()
        while waiting:
            name = waiting.pop()
            if name in done:
                continue
            done.add(name)
            found |= self.columns.get(name, set())
            waiting += self.users.get(name, ())
        return tuple(sorted(found))


# -- who moves ---------------------------------------------------------------------------------------------------------


def _tables(data: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(data, pa.RecordBatch):
        yield data
    elif isinstance(data, pa.Table | Mapping) or hasattr(data, "__arrow_c_stream__"):
        yield from as_table(data).to_batches()
    else:
        for part in data:
            yield from _tables(part)


def _family(dtype: str) -> str:
    return dtype if dtype in ("bool", "dictionary") else "number"


@dataclass
class _Numbers:
    """Sums over one numeric column."""

    changed: int = 0
    became_null: int = 0
    no_longer_null: int = 0
    both: int = 0
    difference: float = 0.0
    before: float = 0.0
    after: float = 0.0


def _count(found: PackDiff, before: Scorer, after: Scorer, data: Iterable[pa.RecordBatch]) -> None:
    """Score every batch with both packs, and count the differences into `found`."""
    threads = cores()
    skip = {*KEY_COLUMNS, *PLACE_COLUMNS, "quality_flags", *found.only_a, *found.retyped}
    moves: dict[str, Counter[tuple[str, str]]] = {}
    numbers: dict[str, _Numbers] = {}
    found.patients = 0
    common = [str(d.output) for d in before.resolved.outputs if d.output not in skip]
    for batch in data:
        old = before.bind(batch.schema).score(batch, threads=threads)[0]
        new = after.bind(batch.schema).score(batch, threads=threads)[0]
        found.patients += batch.num_rows
        moved = np.zeros(batch.num_rows, bool)
        for name in common:
            x, y = old.column(name), new.column(name)
            if pa.types.is_boolean(x.type) or pa.types.is_dictionary(x.type):
                moved |= _count_labels(_labels(x), _labels(y), moves.setdefault(name, Counter()))
            else:
                moved |= _count_numbers(x, y, numbers.setdefault(name, _Numbers()))
        found.moved += int(moved.sum())
    titles = {**after.titles, **before.titles}
    for name in common:
        if name in moves:
            by_size = sorted(moves[name].items(), key=lambda item: (-item[1], item[0]))
            told = tuple(Move(x, y, n) for (x, y), n in by_size)
            found.columns.append(ColumnDiff(name, titles[name], sum(m.patients for m in told), told))
        elif name in numbers:
            s = numbers[name]
            made = ColumnDiff(name, titles[name], s.changed, became_null=s.became_null, no_longer_null=s.no_longer_null)
            if s.both:
                made = dataclasses.replace(
                    made,
                    mean_before=s.before / s.both,
                    mean_after=s.after / s.both,
                    mean_difference=s.difference / s.both,
                )
            found.columns.append(made)


def _labels(array: pa.Array) -> tuple[np.ndarray[Any, Any], list[str]]:
    """Codes and what they stand for, the last for null."""
    if pa.types.is_boolean(array.type):
        names = ["no", "yes"]
        codes = pc.fill_null(array.cast(pa.int8()), 2)
    else:
        names = array.dictionary.to_pylist()
        codes = pc.fill_null(array.indices.cast(pa.int16()), len(names))
    return codes.to_numpy(zero_copy_only=False), [*names, _NONE]


def _count_labels(
    old: tuple[np.ndarray[Any, Any], list[str]], new: tuple[np.ndarray[Any, Any], list[str]],
    moves: Counter[tuple[str, str]],
) -> np.ndarray[Any, Any]:  # fmt: skip
    x, before = old
    y, after = new
    width = len(after)
    pairs = np.bincount(x.astype(np.int64) * width + y, minlength=len(before) * width)
    same = np.zeros(len(pairs), bool)
    for key in np.flatnonzero(pairs):
        here, there = divmod(int(key), width)
        same[key] = (here == len(before) - 1) == (there == width - 1) and before[here] == after[there]
        if not same[key]:
            moves[before[here], after[there]] += int(pairs[key])
    changed: np.ndarray[Any, Any] = ~same[x.astype(np.int64) * width + y]
    return changed


def _count_numbers(x: pa.Array, y: pa.Array, sums: _Numbers) -> np.ndarray[Any, Any]:
    there, here = x.is_valid().to_numpy(zero_copy_only=False), y.is_valid().to_numpy(zero_copy_only=False)
    a = pc.fill_null(x.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
    b = pc.fill_null(y.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
    both = there & here
    changed: np.ndarray[Any, Any] = (both & (a != b)) | (there != here)
    sums.changed += int(changed.sum())
    sums.became_null += int((there & ~here).sum())
    sums.no_longer_null += int((here & ~there).sum())
    sums.both += int(both.sum())
    sums.before += float(a[both].sum())
    sums.after += float(b[both].sum())
    sums.difference += float((b[both] - a[both]).sum())
    return changed


# -- on a terminal -----------------------------------------------------------------------------------------------------

_HEADINGS: dict[Kind, str] = {
    "changed": "Changed",
    "added": "Added",
    "removed": "Removed",
    "wording": "Wording and sources only, no rule changed",
}


def _render(found: PackDiff, console: Console) -> None:
    console.print(Text(f"{found.a} → {found.b} · as of {found.as_of.isoformat()}", "bold"))
    if not found.changes:
        console.print("no difference in what the packs say")
    for kind, heading in _HEADINGS.items():
        here = [c for c in found.changes if c.kind == kind]
        if not here:
            continue
        console.print()
        console.print(Text(heading, "bold"))
        for change in here:
            line = Text(f"{change.part} ")
            line.append(change.name, "bold")
            line.append("  ")
            line.append_text(styled(change.text))
            console.print(Padding(line, (0, 0, 0, 2)))
            if change.reaches:
                told = ", ".join(change.reaches)
                console.print(Padding(Text(f"reaches {told}", "dim"), (0, 0, 0, 4)))
    for names, told in (
        (found.only_a, f"Columns only in {found.a}"),
        (found.only_b, f"Columns only in {found.b}"),
        (found.retyped, "Columns of another type, not compared"),
    ):
        if names:
            console.print()
            console.print(Text(f"{told}: {', '.join(names)}"))
    if found.patients is not None:
        _render_moves(found, console)


def _render_moves(found: PackDiff, console: Console) -> None:
    console.print()
    console.print(Text(f"{found.patients:,} patients, {found.moved:,} with a change in any column", "bold"))
    labels = [c for c in found.columns if c.moves]
    numbers = [c for c in found.columns if c.changed and not c.moves]
    if labels:
        grid = _table("column", "from", "to", "patients", right={3})
        for column in labels:
            for i, move in enumerate(column.moves):
                grid.add_row(column.column if i == 0 else "", move.before, move.after, f"{move.patients:,}")
        console.print(Padding(grid, (0, 0, 0, 2)))
    if numbers:
        if labels:
            console.print()
        heads = ("column", "changed", "mean before", "mean after", "difference", "became null", "no longer null")
        grid = _table(*heads, right=set(range(1, 7)))
        for column in numbers:
            means = (column.mean_before, column.mean_after, column.mean_difference)
            grid.add_row(
                column.column, f"{column.changed:,}", *("" if m is None else f"{m:.6g}" for m in means),
                f"{column.became_null:,}", f"{column.no_longer_null:,}",
            )  # fmt: skip
        console.print(Padding(grid, (0, 0, 0, 2)))
    same = [c.column for c in found.columns if not c.changed]
    if same and len(same) < len(found.columns):
        console.print(Padding(Text(f"the same for everybody: {', '.join(same)}", "dim"), (0, 0, 0, 2)))


def _table(*headings: str, right: set[int]) -> Table:
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for i, heading in enumerate(headings):
        made.add_column(heading, justify="right" if i in right else "left", overflow="fold")
    return made
