"""Values of options made from their text without typer's own conversion, which imports a library that checks models:
that takes longer than to score a practice.

Whatever is not plain (a number that is none, a name that is no choice, a value that is missing) goes to typer after
all, so that it is refused, and told of, in one way.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

_WHOLE = re.compile(r"-?[0-9]{1,15}")
_LEFT = object()


def convert_plainly(command: Any) -> Any:
    """The command, or the group with all its commands, whose plain values are made here."""
    for inner in getattr(command, "commands", {}).values():
        convert_plainly(inner)
    if command.callback is not None:
        hints = get_type_hints(inspect.unwrap(command.callback), include_extras=True)
        for parameter in command.params:
            if parameter.name in hints and parameter.callback is None:
                # a method of click's, and so there in whatever version of typer
                vars(parameter)["process_value"] = _processing(parameter, *_kind(hints[parameter.name]))
    help_option = command.get_help_option
    vars(command)["get_help_option"] = lambda context: plain_help(help_option(context))
    return command


def plain_help(option: Any) -> Any:
    """The option for help, which is mostly not given."""
    if option is not None and "process_value" not in vars(option):
        by_typer = option.process_value
        vars(option)["process_value"] = lambda context, value: value and by_typer(context, value)
    return option


def _kind(hint: Any) -> tuple[Any, Any]:
    """What a hint is of, None aside, and what typer is told of it."""
    told = None
    if get_origin(hint) is Annotated:
        hint, told = get_args(hint)[:2]
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] if NoneType in get_args(hint) else [hint]
    return kinds[0] if len(kinds) == 1 else None, told


def _processing(parameter: Any, kind: Any, told: Any) -> Callable[[Any, Any], Any]:
    by_typer = parameter.process_value
    many = get_origin(kind) is list
    one = get_args(kind)[0] if many else kind

    def process(context: Any, value: Any) -> Any:
        made = _LEFT
        if value is None:
            made = None if not many else ()
        elif many and isinstance(value, list | tuple):
            made = [_made(one, told, text) for text in value]
        elif not many:
            made = _made(one, told, value)
        missing = parameter.required and (made is None or (many and not made))
        if missing or made is _LEFT or (isinstance(made, list) and _LEFT in made):
            return by_typer(context, value)
        return made

    return process


def _made(kind: Any, told: Any, value: Any) -> Any:
    """A value of a kind from its text, or `_LEFT` to typer."""
    if kind is bool or not isinstance(kind, type):
        return _LEFT
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        return _LEFT
    if kind is Path and not (getattr(told, "exists", False) or getattr(told, "resolve_path", False)):
        return Path(value)
    if kind is int and _WHOLE.fullmatch(value):
        least, most = getattr(told, "min", None), getattr(told, "max", None)
        number = int(value)
        return _LEFT if (least is not None and number < least) or (most is not None and number > most) else number
    if issubclass(kind, Enum):
        return next((member for member in kind if member.value == value), _LEFT)
    return _LEFT
