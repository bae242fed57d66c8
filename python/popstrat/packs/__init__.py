"""Clinical definitions as data: the packs that ship with popstrat, and how packs are read, compared and evaluated.

Import its modules; of this file only `DEFAULT_PACK`, which costs nothing.
"""

DEFAULT_PACK = "london-2026"
"""The pack that is used where none is named."""
