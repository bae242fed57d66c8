"""Definitions as data: pack files read, brought together and resolved at a date; the readable evaluator of the result.

Import `load_pack` from `load`, `Pack` from `pack`, `Resolved` from `resolved`, `KINDS` from `kinds.registry`; any other
name from the module that has it. `builtin/` holds the packs that ship. Packs import `lang`, `core` and nothing above.
"""

DEFAULT_PACK = "london-2026"
"""The pack that is used where none is named."""
