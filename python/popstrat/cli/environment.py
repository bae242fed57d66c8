"""The variables of the environment that popstrat reads.

Options of the same meaning win over them. A name that is nearly one of these is refused, since a date that was meant to
be set, and is not, gives other results without a word.
"""

from __future__ import annotations

from collections.abc import Mapping

from popstrat.errors import InputError

_PREFIX = "POPSTRAT_"
LOG_FORMAT = "POPSTRAT_LOG_FORMAT"
VARIABLES: Mapping[str, str] = {
    "POPSTRAT_AS_OF": "--as-of of the commands that take today otherwise",
    "POPSTRAT_PACK": "--pack of the commands that score",
    "POPSTRAT_MAP": "--map",
    "POPSTRAT_THREADS": "--threads",
    LOG_FORMAT: "--log-format: text or json",
    "POPSTRAT_AUDIT": "--audit: the audit log",
    "POPSTRAT_AUDIT_KEY": "the key of the audit log",
    "POPSTRAT_AUDIT_KEY_FILE": "the file of that key",
    "POPSTRAT_FORMATS": "arrow: pyarrow reads and writes every file",
    "POPSTRAT_BATCH_ROWS": "rows that are read at a time",
    "POPSTRAT_DEBUG": "1: errors with a traceback",
}
"""Each with what it stands for."""


def refuse_near_misses(environment: Mapping[str, str]) -> None:
    """Raise `InputError` for a variable that is called nearly as one of popstrat's; others are somebody else's."""
    for name in environment:
        if name.startswith(_PREFIX) and name not in VARIABLES:
            from popstrat.core.text import suggest  # here, because difflib takes a while to import

            known = [other.removeprefix(_PREFIX) for other in VARIABLES]
            if near := suggest(name.removeprefix(_PREFIX), known).replace("'", f"'{_PREFIX}", 1):
                raise InputError(f"{name} is not an environment variable that popstrat reads{near}")
