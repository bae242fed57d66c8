"""The errors a caller of popstrat needs to know."""

from __future__ import annotations

from collections.abc import Sequence

_ROWS_SHOWN = 5


class InputError(ValueError):
    """The patient table, a mapping or an argument is at fault (exit status 2 on the command line).

    Attributes: ``problem`` (one sentence), ``column``, ``rows`` (0-based positions within the batch or table at
    hand; at most a few), ``more`` (how many rows beyond those), ``file``. The message never holds a patient identifier.
    """

    def __init__(
        self,
        problem: str,
        *,
        column: str | None = None,
        rows: Sequence[int] = (),
        more: int = 0,
        file: str | None = None,
    ) -> None:
        self.problem, self.column, self.file = problem, column, file
        self.rows = tuple(int(r) for r in rows[:_ROWS_SHOWN])
        self.more = more + max(0, len(rows) - _ROWS_SHOWN)
        super().__init__(self._message())

    def _message(self) -> str:
        parts = [p for p in (self.file, f"column {self.column!r}" if self.column else None) if p]
        text = ": ".join([*parts, self.problem])
        if self.rows:
            text += f" (row{'s' if len(self.rows) + self.more > 1 else ''} "
            text += ", ".join(f"{r + 1:,}" for r in self.rows)
            text += f" and {self.more:,} more)" if self.more else ")"
        return text

    def located(self, file: str | None, first_row: int = 0) -> InputError:
        """The same error for a batch that starts at 0-based data row ``first_row`` of ``file``."""
        return InputError(
            self.problem,
            column=self.column,
            rows=[r + first_row for r in self.rows],
            more=self.more,
            file=self.file or file,
        )

    def among(self, places: Sequence[int]) -> InputError:
        """The same error for a batch whose row ``i`` is row ``places[i]`` of the one that the caller holds."""
        rows = [places[r] for r in self.rows]
        return InputError(self.problem, column=self.column, rows=rows, more=self.more, file=self.file)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.problem, self.column, self.rows, self.more, self.file))


def _rebuild(problem: str, column: str | None, rows: Sequence[int], more: int, file: str | None) -> InputError:
    return InputError(problem, column=column, rows=rows, more=more, file=file)


class PackError(ValueError):
    """A definitions pack is at fault; the message points at the file, the line and the word."""


class DefinitionWarning(UserWarning):
    """No version of a definition is in force at the as-of date; the nearest one was used."""


class DataWarning(UserWarning):
    """The table can be scored, and something in it makes the results doubtful: a column that holds nothing, say."""
