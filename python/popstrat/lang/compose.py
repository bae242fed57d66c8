"""Texts of expressions put together: each in the brackets that it needs beside an operator, and none that it does not.

Whoever shows a rule beside another, or beside a number, does it here, so that what is shown says what the pack means.
"""

from __future__ import annotations

import ast
import io
import threading
import tokenize
import warnings
from collections.abc import Iterable

_ATOM = 10
_BINDS: dict[type[ast.AST], int] = {
    ast.IfExp: 1, ast.Or: 2, ast.And: 3, ast.Not: 4, ast.Compare: 5, ast.Add: 6, ast.Sub: 6, ast.Mult: 7, ast.Div: 7,
    ast.USub: 8, ast.UAdd: 8, ast.Pow: 9,
}  # fmt: skip
_LEFT = {"and": 3, "or": 2, "not": 4, "+": 6, "-": 6, "*": 7, "/": 7, "in": 6, "**": _ATOM}
_RIGHT = {**_LEFT, "-": 7, "/": 8, "*": 8, "**": 8}


_ONE_AT_A_TIME = threading.Lock()


def syntax(source: str) -> ast.Expression:
    """The syntax tree of an expression, without Python's warnings about it. Raises what ``ast.parse`` raises.

    One thread at a time: CPython 3.11 counts the depth of a tree once for all threads (a `SystemError` where two make
    one), and filters of warnings belong to all of them too."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return ast.parse(source, mode="eval")


def without_remarks(text: str) -> str:
    """A rule with blanks in the place of what stands after `#`, which says nothing: every word stays where it is."""
    if "#" not in text:
        return text
    lines = text.split("\n")
    try:
        for token in [*tokenize.generate_tokens(io.StringIO(f"(\n{text}\n)").readline)]:
            if token.type == tokenize.COMMENT:
                row, column = token.start[0] - 2, token.start[1]
                lines[row] = lines[row][:column] + " " * (len(lines[row]) - column)
    except (tokenize.TokenError, SyntaxError, IndexError):  # whoever parses it says what is wrong
        return text
    return "\n".join(lines)


def one_line(text: str) -> str:
    """A rule on one line, which says the same: a remark in the middle of it would take what follows along."""
    return " ".join(without_remarks(str(text)).split())


def bracketed(text: str, beside: str, right: bool = False) -> str:
    """A rule on one line as one side of an operator of the language, in brackets if it would else be bound otherwise.

    ``right``: it stands on the operator's right.
    """
    text = one_line(text)
    return text if _binds(text) >= (_RIGHT if right else _LEFT)[beside] else f"({text})"


def together(texts: Iterable[str], operator: str) -> list[str]:
    """Rules that an operator joins, each as it has to stand beside it; one alone stands as it is."""
    texts = list(texts)
    return (
        [bracketed(text, operator, i > 0) for i, text in enumerate(texts)]
        if len(texts) > 1
        else [*map(one_line, texts)]
    )


def less(text: str, number: float) -> str:
    """A rule with a number taken off."""
    return f"{bracketed(text, '-')} {'+' if number < 0 else '-'} {abs(number):.15g}"


def _binds(text: str) -> int:
    """How tightly the loosest operator of a text binds that stands in no brackets; what cannot be read, not at all."""
    if text.isidentifier():
        return _ATOM
    try:
        body = syntax(f"({text}\n)").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return 0
    if body.lineno == 1 and body.col_offset > 1:  # the whole of it stands in brackets
        return _ATOM
    of = body.op if isinstance(body, ast.BoolOp | ast.BinOp | ast.UnaryOp) else body
    return _BINDS.get(type(of), _ATOM)
