BLOCK: int
PART: int
INSTRUCTION_WIDTH: int
CODE_UNKNOWN: int
CODE_NULL: int
NEWEST_SHIFT: int
GRID_STEP: float
GRID_BOUND: float
SHARE_BITS: int
EXACT: int
LEVELS: dict[str, int]

def levels() -> list[str]: ...
def operations() -> list[tuple[str, str, str, str, int, int, int]]: ...
def operands() -> list[tuple[str, str, int, str, int, str]]: ...
def column_kinds() -> dict[str, int]: ...
def output_kinds() -> dict[str, int]: ...
