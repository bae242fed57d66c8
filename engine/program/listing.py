"""A program as text, one operation a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popstrat.engine.operations import BY_CODE, OPERANDS

if TYPE_CHECKING:
    from popstrat.engine._engine import Program


def listing(program: Program) -> str:
    """As ``CHECK_I16 b1 b2 c7 50 300 n0``: registers, columns, outputs, counters by number, constants as they are."""
    lines = []
    for row in program.code.tolist():
        operation, at = BY_CODE[row[0]], 1
        shown = [operation.name]
        for letter in operation.operands:
            if OPERANDS[letter.lower()].kind == "list":
                shown.append(_list(program, letter, row[at], row[at + 1]))
                at += 2
            else:
                shown.append(_one(program, letter, row[at]))
                at += 1
        lines.append(" ".join(shown))
    return "\n".join(lines)


def _one(program: Program, letter: str, value: int) -> str:
    if letter == "i":
        return str(program.integers[value])
    if letter == "k":
        return repr(float(program.doubles[value]))
    if letter in "+&":
        return BY_CODE[value].name
    return str(value) if letter in "@#" else f"{letter}{value}"


def _list(program: Program, letter: str, start: int, count: int) -> str:
    items = OPERANDS[letter].items
    width = len(items)
    if letter in "lmpqt":  # by number: long, and read by few
        return str(program.arguments[start : start + width * count].tolist())
    found: list[str] = []
    for at in range(start, start + width * count, width):
        values = program.arguments[at : at + width].tolist()
        words = [_one(program, item, value) for item, value in zip(items, values, strict=True)]
        if letter == "s" and "k" not in BY_CODE[values[0]].operands:
            words.pop()  # a step without a constant
        if letter == "v" and not found:
            words = words[1:]  # the first operation does not count
        found.append(" ".join(words))
    return f"[{', '.join(found)}]"
