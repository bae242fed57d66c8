"""Patient tables scored: bound columns, the scorer, contributions; packs checked and compared by scoring with them.

Import its modules from runs and above; it imports packs, the compiler and the engine.
"""
