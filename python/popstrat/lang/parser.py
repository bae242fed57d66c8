"""Expression text → typed nodes.

The grammar is Python's own expression syntax (so its parser does the parsing), with `true`, `false` and `null` for
constants, `x is null`, `a if c else b`, chained comparisons and sets in braces; every word is then looked up in a
`Scope` and every operation type-checked. Errors point at the word and suggest the near miss.
"""

from __future__ import annotations

import ast
import datetime as dt
import math
import re
import textwrap
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Literal, Protocol

from popstrat.core.dates import months_before
from popstrat.core.text import suggest
from popstrat.errors import ExpressionError as ExpressionError
from popstrat.lang import nodes as n
from popstrat.lang.compose import syntax, without_remarks
from popstrat.lang.lookup import Lookup

_COMPARE: dict[type[ast.cmpop], Literal["<", "<=", ">", ">=", "==", "!="]] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], Literal["+", "-", "*", "/", "**"]] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**",
}  # fmt: skip
_FLIP: dict[str, Literal["<", "<=", ">", ">=", "==", "!="]] = {
    "<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!=",
}  # fmt: skip
_FORMS: dict[type[ast.expr], str] = {
    ast.Attribute: "a dot in a name", ast.Subscript: "an index in square brackets", ast.NamedExpr: ":=",
    ast.JoinedStr: "an f-string", ast.Lambda: "lambda", ast.Dict: "a dictionary", ast.UnaryOp: "~",
}  # fmt: skip
# name: least and most arguments
NUMBER_FUNCTIONS: dict[str, tuple[int, int]] = {
    "abs": (1, 1), "exp": (1, 1), "floor": (1, 1), "ln": (1, 1), "sqrt": (1, 1), "round": (1, 2),
    "min": (2, 16), "max": (2, 16),
}  # fmt: skip
OTHER_FUNCTIONS = ("any", "all", "clip", "coalesce", "count", "date", "months_before", "within")
FUNCTIONS = frozenset({*NUMBER_FUNCTIONS, *OTHER_FUNCTIONS})

DEEPEST = 100
"""How many operations, functions and choices of a rule may stand in one another. Each + or - after another nests, too;
the parts of an `and` or an `or` stand side by side."""
SHALLOWER = "bracket a long sum in halves, add conditions with count(…), or make it a model with link identity"
"""How to write what nests too deep."""
TOO_DEEP = f"nests more than {DEEPEST} deep: {SHALLOWER}"


class Scope(Protocol):
    """Where words are looked up."""

    @property
    def as_of(self) -> dt.date: ...
    @property
    def windows(self) -> Mapping[str, int]: ...  # name → calendar months
    @property
    def lookups(self) -> Mapping[str, Lookup]: ...
    @property
    def dated(self) -> frozenset[str]: ...  # date columns that date a value

    def lookup(self, name: str) -> n.Node | None: ...
    def members(self, set_name: str) -> Sequence[str] | None: ...
    def words(self) -> Iterable[str]: ...


def parse(text: str, scope: Scope) -> n.Node:
    """The typed, constant-folded expression that `text` says. Raises `ExpressionError`."""
    source = "(" + without_remarks(text) + "\n)"  # in brackets, a rule may run over several lines
    try:
        tree = syntax(source)
    except SyntaxError as error:
        raise _explained(text, source, error) from None
    except (RecursionError, MemoryError):
        raise ExpressionError(TOO_DEEP) from None
    except ValueError:
        raise ExpressionError("not an expression that can be read") from None
    return _Builder(source, scope).build(tree.body)


# what people write who know other languages, and what to write instead
_FOREIGN = {
    "&&": "and", "||": "or", "=>": ">=", "=<": "<=", "<>": "!=", "≥": ">=", "≤": "<=", "≠": "!=", "“": '"', "”": '"',
    "‘": "'", "’": "'", "–": "-", "−": "-", "×": "*", "AND": "and", "OR": "or", "NOT": "not", "IN": "in", "IS": "is",
    "NULL": "null",
}  # fmt: skip
_FOREIGN_TEXT = re.compile(
    "|".join(rf"\b{w}\b" if w.isalpha() else re.escape(w) for w in sorted(_FOREIGN, key=len, reverse=True))
)
_SINGLE_EQUALS = re.compile(r"(?<![=<>!])=(?!=)")
_SINGLE_BANG = re.compile(r"!(?!=)")
_QUOTED = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")


def _explained(text: str, source: str, error: SyntaxError) -> ExpressionError:
    """Why Python's parser gave up, in the words of the rule language."""
    bare = _QUOTED.sub(lambda quoted: " " * len(quoted.group()), text)
    if (found := _FOREIGN_TEXT.search(bare)) is not None:
        return ExpressionError(f"instead of {found.group()} write {_FOREIGN[found.group()]}", *found.span())
    if (found := re.search("[\"']", bare)) is not None:
        return ExpressionError("this quote is never closed", *found.span())
    opened: list[int] = []
    for i, letter in enumerate(bare):
        if letter in "([{":
            opened.append(i)
        elif letter in ")]}" and (not opened or bare[opened.pop()] + letter not in ("()", "[]", "{}")):
            return ExpressionError("there is no bracket that this one closes", i, i + 1)
    if opened:
        return ExpressionError("this bracket is never closed", opened[-1], opened[-1] + 1)
    if (found := _SINGLE_EQUALS.search(bare)) is not None:
        return ExpressionError("to compare, write == (two equals signs)", *found.span())
    if (found := _SINGLE_BANG.search(bare)) is not None:
        return ExpressionError("instead of ! write not", *found.span())
    reason = (error.msg or "").split(". Perhaps")[0]
    if reason.startswith("too many nested"):
        return ExpressionError(TOO_DEEP)
    if reason in ("", "invalid syntax"):
        reason = "this cannot be read: is a word, an operator, `and` or `or` missing?"
    at = _Lines(source).begin(error.lineno or 1) + (error.offset or 1) - 2
    at = max(0, min(at, len(text)))
    return ExpressionError(reason, at, at + 1)


def parse_condition(text: str, scope: Scope) -> n.Node:
    """As `parse`, for text that must be a condition."""
    node = parse(text, scope)
    if node.type.kind not in ("bool", "null"):
        raise ExpressionError(f"a condition is needed here, and this is {node.type}", 0, len(text))
    return node


class _Lines:
    """Where in a text its lines begin, and where in it `ast` means, which counts a line's columns in UTF-8 bytes."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._begins = [0, *(i + 1 for i, letter in enumerate(text) if letter == "\n")]
        self._plain = text.isascii()
        self._bytes: dict[int, list[int]] = {}  # line → before how many bytes of it each of its characters stands

    def begin(self, line: int) -> int:
        """The position of a line, from 1; the end of the text for one beyond it."""
        return self._begins[line - 1] if line <= len(self._begins) else len(self._text)

    def position(self, line: int, column: int) -> int:
        """The position of a column of a line."""
        if self._plain:
            return self.begin(line) + column
        if line not in self._bytes:
            letters = self._text[self.begin(line) : self.begin(line + 1)]
            self._bytes[line] = list(accumulate((len(letter.encode()) for letter in letters), initial=0))
        return self.begin(line) + bisect_left(self._bytes[line], column)


class _Builder:
    """Builds one rule's expression."""

    def __init__(self, source: str, scope: Scope) -> None:
        self.source, self.scope = source, scope
        self.lines = _Lines(source)
        self.depth = 0

    def span(self, node: ast.AST) -> tuple[int, int]:
        assert isinstance(node, ast.expr)
        start = self.lines.position(node.lineno, node.col_offset)
        end = self.lines.position(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
        return start - 1, end - 1  # the opening bracket is ours

    def text(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return " ".join(self.source[start + 1 : end + 1].split())

    def fail(self, node: ast.AST, message: str) -> ExpressionError:
        return ExpressionError(message, *self.span(node))

    # -- one method a form ------------------------------------------------------------------------------------------

    def build(self, e: ast.expr) -> n.Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.fail(e, TOO_DEEP)
        node = self.form(e)
        self.depth -= 1
        return node

    def form(self, e: ast.expr) -> n.Node:
        match e:
            case ast.Constant():
                return self.constant(e)
            case ast.Name():
                return self.name(e)
            case ast.BoolOp():
                items = [self.condition(v) for v in e.values]
                return (
                    conjunction(items, self.text(e)) if isinstance(e.op, ast.And) else disjunction(items, self.text(e))
                )
            case ast.UnaryOp(op=ast.Not()):
                return negation(self.condition(e.operand), self.text(e))
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                item = self.number(e.operand)
                if isinstance(e.op, ast.UAdd):
                    return item
                return arithmetic("-", n.Const(n.NUMBER, "0", 0), item, self.text(e))
            case ast.BinOp():
                return self.binary(e)
            case ast.Compare():
                return self.compare(e)
            case ast.IfExp():
                return self.choice(e)
            case ast.Call():
                return self.call(e)
            case ast.Tuple() if len(e.elts) != 1:
                raise self.fail(e, "a list stands only after `in`, in braces")
            case ast.Set() | ast.List():
                raise self.fail(e, "a list stands only after `in`, in braces")
            case _:
                raise self.fail(e, f"{_FORMS.get(type(e), 'this')} is not part of the rule language")

    def constant(self, e: ast.Constant) -> n.Node:
        value, text = e.value, self.text(e)
        if isinstance(value, bool):
            return n.Const(n.BOOL, text, value)
        if isinstance(value, int | float):
            if abs(value) > 1e15 or not math.isfinite(value):  # a whole number may be too large for isfinite
                raise self.fail(e, "this number is too large")
            return n.Const(n.NUMBER, text, value)
        if isinstance(value, str):
            return n.Const(n.Type("category", (value,)), text, value)
        if value is None:
            return n.Const(n.NULL, text, None)
        raise self.fail(e, "not a number, a label or a date")

    def name(self, e: ast.Name) -> n.Node:
        word, text = e.id, self.text(e)
        match word:
            case "true" | "false":
                return n.Const(n.BOOL, text, word == "true")
            case "null":
                return n.Const(n.NULL, text, None)
            case "as_of":
                return n.Const(n.DATE, text, self.scope.as_of)
        try:
            found = self.scope.lookup(word)
        except ExpressionError as error:  # the scope knows the word, and why it cannot stand here
            raise self.fail(e, error.message) from None
        if found is None:
            if word in self.scope.lookups:
                raise self.fail(e, f"{word!r} is a lookup: write {word}(…) with a category or a number")
            if self.scope.members(word) is not None:
                raise self.fail(e, f"{word!r} is a set: use count({word}), any({word}) or all({word})")
            known = {
                *self.scope.words(),
                *self.scope.windows,
                *self.scope.lookups,
                *NUMBER_FUNCTIONS,
                *OTHER_FUNCTIONS,
                "as_of",
                "null",
                "true",
                "false",
            }
            raise self.fail(e, f"unknown word {word!r}{suggest(word, known)}")
        return replace(found, text=text)

    def condition(self, e: ast.expr) -> n.Node:
        node = self.build(e)
        if node.type.kind not in ("bool", "null"):
            raise self.fail(e, f"a condition is needed here, and {self.text(e)!r} is {node.type}")
        return node

    def number(self, e: ast.expr) -> n.Node:
        node = self.build(e)
        if node.type.kind not in ("number", "null"):
            raise self.not_a_number(e, node)
        return node

    def not_a_number(self, e: ast.expr, node: n.Node) -> ExpressionError:
        text = self.text(e)
        hint = f": write count({text}), or (1 if {text} else 0)" if node.type.kind == "bool" else ""
        return self.fail(e, f"a number is needed here, and {text!r} is {node.type}{hint}")

    def binary(self, e: ast.BinOp) -> n.Node:
        op = _ARITHMETIC.get(type(e.op))
        if op is None:
            raise self.fail(e, "the operators are + - * / and **; conditions take `and`, `or`, `not`")
        left, right = self.build(e.left), self.build(e.right)
        if op == "-" and left.type == n.DATE and right.type == n.DATE:
            return arithmetic(op, left, right, self.text(e))
        for side, node in ((e.left, left), (e.right, right)):
            if node.type.kind not in ("number", "null"):
                raise self.not_a_number(side, node)
        return arithmetic(op, left, right, self.text(e))

    def compare(self, e: ast.Compare) -> n.Node:
        parts: list[n.Node] = []
        left = e.left
        for op, right in zip(e.ops, e.comparators, strict=True):
            parts.append(self.one_comparison(left, op, right))
            left = right
        if len(parts) == 1:
            return replace(parts[0], text=self.text(e))
        return conjunction(parts, self.text(e))

    def one_comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> n.Node:
        between = self.source[self.span(left)[1] + 1 : self.span(right)[0] + 1].strip()
        text = f"{self.text(left)} {between} {self.text(right)}"
        if isinstance(op, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Name) and right.id == "null"):
                raise self.fail(right, "after `is` only null can stand")
            item = self.build(left)
            if isinstance(item, n.Named | n.Column) and item.type == n.BOOL:
                raise self.fail(left, "a flag or a named condition is true or false, never null")
            found = is_null(item, text)
            return negation(found, text) if isinstance(op, ast.IsNot) else found
        if isinstance(op, ast.In | ast.NotIn):
            inside = self.membership(left, right, text)
            return negation(inside, text) if isinstance(op, ast.NotIn) else inside
        sign = _COMPARE[type(op)]
        a = self.build(left)
        if a.type.kind == "category" and isinstance(right, ast.Name) and right.id in a.type.labels:
            raise self.fail(right, f'a label is written in quotes: "{right.id}"')
        b = self.build(right)
        if "bool" in (a.type.kind, b.type.kind):
            at = left if a.type.kind == "bool" else right
            raise self.fail(at, "a condition needs no comparison: write it as it is, or with `not`")
        if a.type.kind == "category" or b.type.kind == "category":
            return self.label_comparison(left, sign, right, a, b, text)
        kinds = {a.type.kind, b.type.kind} - {"null"}
        if len(kinds) > 1:
            raise self.fail(right, f"{self.text(left)!r} is {a.type}, and {self.text(right)!r} is {b.type}")
        if isinstance(a, n.Const) and not isinstance(b, n.Const):
            a, b, sign = b, a, _FLIP[sign]
        return comparison(sign, a, b, text)

    def label_comparison(self, left: ast.expr, sign: str, right: ast.expr, a: n.Node, b: n.Node, text: str) -> n.Node:
        if sign not in ("==", "!="):
            raise self.fail(left, "categories have no order: compare with == or !=, or use `in`")
        if isinstance(a, n.Const) and not isinstance(b, n.Const):
            left, right, a, b = right, left, b, a
        if isinstance(b, n.Const) and b.value is None:
            return n.Const(n.NULL, text, None)
        if not (isinstance(b, n.Const) and isinstance(b.value, str)):
            raise self.fail(right, "a category is compared with one of its labels, in quotes")
        if a.type.kind == "null":
            return n.Const(n.NULL, text, None)
        if a.type.kind != "category":
            raise self.fail(left, f"{self.text(left)!r} is {a.type}, not a category")
        self.known_label(right, a, b.value)
        inside = (
            n.IsIn(n.BOOL, text, a, (b.value,))
            if not isinstance(a, n.Const)
            else n.Const(n.BOOL, text, a.value == b.value)
        )
        return negation(inside, text) if sign == "!=" else inside

    def known_label(self, e: ast.expr, item: n.Node, label: str) -> None:
        alone = isinstance(item, n.Const) and len(item.type.labels) == 1  # it may be compared with any label
        if not alone and label not in item.type.labels:
            known = ", ".join(item.type.labels)
            raise self.fail(
                e, f"{label!r} is not a label of {item.text}{suggest(label, item.type.labels)}: it has {known}"
            )

    def membership(self, left: ast.expr, right: ast.expr, text: str) -> n.Node:
        if not isinstance(right, ast.Set | ast.Tuple | ast.List) or not right.elts:
            raise self.fail(right, 'after `in` comes a list in braces, like {"mild", "moderate"}')
        item = self.build(left)
        if item.type.kind == "null":
            return n.Const(n.NULL, text, None)
        values: list[n.Value] = []
        for element in right.elts:
            value = self.build(element)
            if not isinstance(value, n.Const) or value.type.kind != item.type.kind:
                raise self.fail(
                    element, f"{self.text(element)!r} does not fit {self.text(left)!r}, which is {item.type}"
                )
            if item.type.kind == "category":
                self.known_label(element, item, str(value.value))
            values.append(value.value)
        if item.type.kind == "bool":
            raise self.fail(left, "a condition needs no comparison")
        if isinstance(item, n.Const):
            return n.Const(n.BOOL, text, item.value in values)
        if item.type.kind in ("number", "date"):
            return disjunction(
                [comparison("==", item, n.Const(item.type, str(v), v), f"{item.text} == {v}") for v in values], text
            )
        return n.IsIn(n.BOOL, text, item, tuple(values))

    def choice(self, e: ast.IfExp) -> n.Node:
        condition, text = self.condition(e.test), self.text(e)
        then, otherwise = self.build(e.body), self.build(e.orelse)
        kind = _common_type(then, otherwise)
        if kind is None:
            raise self.fail(e.orelse, f"one branch is {then.type}, the other {otherwise.type}")
        return cases([(condition, then)], otherwise, kind, text)

    # -- functions --------------------------------------------------------------------------------------------------

    def call(self, e: ast.Call) -> n.Node:
        if not isinstance(e.func, ast.Name) or e.keywords or any(isinstance(a, ast.Starred) for a in e.args):
            raise self.fail(e, "a function is called by name, with its arguments in order")
        name, arguments, text = e.func.id, e.args, self.text(e)
        if name in self.scope.windows:
            self.arity(e, 1, 1)
            return self.within(arguments[0], self.scope.windows[name], text)
        if name in self.scope.lookups:
            self.arity(e, 1, 1)
            item = self.build(arguments[0])
            try:
                return self.scope.lookups[name].of(item, name, text)
            except ExpressionError as error:
                raise self.fail(arguments[0], error.message) from None
        if name in NUMBER_FUNCTIONS:
            self.arity(e, *NUMBER_FUNCTIONS[name])
            numbers = tuple(self.number(a) for a in arguments)
            if (
                name == "round"
                and len(numbers) == 2
                and not (
                    isinstance(numbers[1], n.Const)
                    and isinstance(numbers[1].value, int)
                    and 0 <= numbers[1].value <= 15
                )
            ):
                raise self.fail(arguments[1], "the number of decimal places is a whole number from 0 to 15")
            return fold(n.Call(n.NUMBER, text, name, numbers))
        match name:
            case "count" | "any" | "all":
                items = [item for a in arguments for item in self.flags(a)]
                if not items:
                    raise self.fail(e, f"{name}() needs a set or conditions")
                if name == "count":
                    return n.CountTrue(n.NUMBER, text, tuple(items))
                return disjunction(items, text) if name == "any" else conjunction(items, text)
            case "coalesce":
                self.arity(e, 2, 16)
                built = [self.build(a) for a in arguments]
                node = built[-1]
                for item in reversed(built[:-1]):
                    kind = _common_type(item, node)
                    if kind is None or kind.kind == "bool":
                        raise self.fail(e, "coalesce() takes numbers, dates or categories of one kind")
                    if node.type.kind == "category" and item.type.kind == "category" and isinstance(node, n.Const):
                        self.known_label(arguments[-1], item, str(node.value))
                    node = coalesce(item, node, text)
                return node
            case "clip":
                self.arity(e, 3, 3)
                item, low, high = (self.number(a) for a in arguments)
                return fold(n.Call(n.NUMBER, text, "min", (fold(n.Call(n.NUMBER, text, "max", (item, low))), high)))
            case "date":
                self.arity(e, 1, 1)
                value = arguments[0].value if isinstance(arguments[0], ast.Constant) else None
                try:
                    return n.Const(n.DATE, text, dt.date.fromisoformat(value))  # type: ignore[arg-type]
                except (TypeError, ValueError):
                    raise self.fail(e, 'a date is written date("2026-06-30")') from None
            case "months_before":
                self.arity(e, 1, 1)
                return n.Const(n.DATE, text, months_before(self.scope.as_of, self.months(arguments[0])))
            case "within":
                self.arity(e, 2, 2)
                return self.within(arguments[0], self.months(arguments[1]), text)
        known = [*NUMBER_FUNCTIONS, *OTHER_FUNCTIONS, *self.scope.windows, *self.scope.lookups]
        raise ExpressionError(f"unknown function {name!r}{suggest(name, known)}", *self.span(e.func), unknown=name)

    def arity(self, e: ast.Call, least: int, most: int) -> None:
        assert isinstance(e.func, ast.Name)
        if not least <= len(e.args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise self.fail(
                e, f"{e.func.id}() takes {wanted} argument{'s' if wanted != '1' else ''}, not {len(e.args)}"
            )

    def months(self, e: ast.expr) -> int:
        node = self.build(e)
        if not (isinstance(node, n.Const) and isinstance(node.value, int) and 0 <= node.value <= 1800):
            raise self.fail(e, "a number of calendar months is needed here, from 0 to 1,800")
        return node.value

    def within(self, e: ast.expr, months: int, text: str) -> n.Node:
        item = self.build(e)
        if not isinstance(item, n.Column) or item.type != n.DATE:
            raise self.fail(e, f"a date column is needed here, and {self.text(e)!r} is not one")
        as_of = self.scope.as_of
        return n.Within(n.BOOL, text, item, months, months_before(as_of, months), as_of, item.name in self.scope.dated)

    def flags(self, e: ast.expr) -> list[n.Node]:
        """The conditions that an argument of count(), any() or all() stands for: a set's members, or itself."""
        members = self.scope.members(e.id) if isinstance(e, ast.Name) and self.scope.lookup(e.id) is None else None
        if members is None:
            return [self.condition(e)]
        found = []
        for member in members:
            node = self.scope.lookup(member)
            assert node is not None  # the pack has checked its sets
            if node.type.kind not in ("bool", "null"):
                raise self.fail(e, f"{member!r}, a member of this set, is {node.type}, not a condition")
            found.append(replace(node, text=member))
        return found


# -- making nodes, folding what is constant ------------------------------------------------------------------------


def _truth(node: n.Node) -> bool | Literal["open"] | None:
    if isinstance(node, n.Const):
        return None if node.value is None else bool(node.value)
    return "open"


def conjunction(items: Sequence[n.Node], text: str) -> n.Node:
    """`and`, flattened and folded."""
    return _junction(items, text, absorbing=False)


def disjunction(items: Sequence[n.Node], text: str) -> n.Node:
    """`or`, flattened and folded."""
    return _junction(items, text, absorbing=True)


def _junction(items: Sequence[n.Node], text: str, absorbing: bool) -> n.Node:
    kept = [item for item in items if _truth(item) is not (not absorbing)]
    if any(_truth(item) is absorbing for item in kept):
        return n.Const(n.BOOL, text, absorbing)
    if not kept:
        return n.Const(n.BOOL, text, not absorbing)
    if len(kept) == 1:
        return replace(kept[0], text=text) if isinstance(kept[0], n.Const) else kept[0]
    return (n.Or if absorbing else n.And)(n.BOOL, text, tuple(kept))


def negation(item: n.Node, text: str) -> n.Node:
    """`not`."""
    truth = _truth(item)
    if truth is None:
        return n.Const(n.NULL, text, None)
    return n.Not(n.BOOL, text, item) if truth == "open" else n.Const(n.BOOL, text, not truth)


def comparison(sign: Literal["<", "<=", ">", ">=", "==", "!="], left: n.Node, right: n.Node, text: str) -> n.Node:
    """A comparison of numbers or dates, folded where both are constant."""
    if isinstance(left, n.Const) and isinstance(right, n.Const):
        from popstrat.lang.values import compare

        return n.Const(n.BOOL, text, compare(sign, left.value, right.value))
    if any(isinstance(side, n.Const) and side.value is None for side in (left, right)):
        return n.Const(n.NULL, text, None)
    return n.Compare(n.BOOL, text, sign, left, right)


def is_null(item: n.Node, text: str) -> n.Node:
    """`is null`; a flag is never null in a rule."""
    if isinstance(item, n.Const):
        return n.Const(n.BOOL, text, item.value is None)
    return n.IsNull(n.BOOL, text, item)


def arithmetic(op: Literal["+", "-", "*", "/", "**"], left: n.Node, right: n.Node, text: str) -> n.Node:
    """Arithmetic, folded where both sides are constant; anything with null is null."""
    if any(isinstance(side, n.Const) and side.value is None for side in (left, right)):
        return n.Const(n.NULL, text, None)
    return fold(n.Arithmetic(n.NUMBER, text, op, left, right))


def fold(node: n.Arithmetic | n.Call) -> n.Node:
    """A constant where all the parts are."""
    parts = list(node.children())
    if not all(isinstance(p, n.Const) for p in parts):
        return node
    from popstrat.lang.values import calculate

    value = calculate(node, [p.value for p in parts if isinstance(p, n.Const)])
    return n.Const(n.NULL if value is None else n.NUMBER, node.text, value)


def coalesce(item: n.Node, otherwise: n.Node, text: str) -> n.Node:
    """`item`, or `otherwise` where it is null."""
    if isinstance(item, n.Const):
        return otherwise if item.value is None else item
    if isinstance(otherwise, n.Const) and otherwise.value is None:
        return item
    kind = _common_type(item, otherwise)
    assert kind is not None
    return n.Coalesce(kind, text, item, otherwise)


def cases(items: Sequence[tuple[n.Node, n.Node]], otherwise: n.Node, kind: n.Type, text: str) -> n.Node:
    """First match, without the cases that can never be reached."""
    kept: list[tuple[n.Node, n.Node]] = []
    for condition, value in items:
        truth = _truth(condition)
        if truth is True:
            otherwise = value
            break
        if truth == "open":
            kept.append((condition, value))
    if not kept:
        return replace(otherwise, text=text)
    return n.Cases(kind, text, tuple(kept), otherwise)


def _common_type(a: n.Node, b: n.Node) -> n.Type | None:
    if a.type.kind == "null":
        return b.type
    if b.type.kind == "null" or a.type == b.type:
        return a.type
    if a.type.kind == b.type.kind == "category":
        return n.Type("category", tuple(dict.fromkeys([*a.type.labels, *b.type.labels])))
    return None


def dedent(text: str) -> str:
    """A rule's text as shown to a reader."""
    return textwrap.dedent(text).strip()
