"""The two errors a caller of popstrat needs to know."""

from __future__ import annotations


class InputError(ValueError):
    """The patient table, a mapping or an argument is at fault (exit status 2 on the command line).

    The message names the file, the column and the first offending row numbers, never a patient identifier.
    """


class PackError(ValueError):
    """A definitions pack is at fault; the message points at the file, the line and the word."""


class DefinitionWarning(UserWarning):
    """No version of a definition is in force at the as-of date; the nearest one was used."""
