# cython: language_level=3, freethreading_compatible=True
"""The tables of ops.h, and the numbers that the compiled core is built with, for Python."""

cdef extern from "ops.h" nogil:
    ctypedef struct popstrat_operation:
        const char *name
        const char *operands
        const char *reads
        const char *writes
        int cost, item, most

    ctypedef struct popstrat_operand:
        const char *letter
        const char *kind
        int bits
        const char *items
        int least
        const char *meaning

    ctypedef struct popstrat_kind:
        const char *name
        int bits, leads

    const popstrat_operation *popstrat_operations
    const popstrat_operand *popstrat_operands
    const popstrat_kind *popstrat_column_kinds
    const popstrat_kind *popstrat_output_kinds
    int OP_END, OPERAND_LETTERS, COLUMN_KINDS, OUTPUT_KINDS, EXACT_LIST "EXACT"

cdef extern from "program/run.h" nogil:
    int BLOCK_ROWS "BLOCK"
    int PART_ROWS "PART"
    int WIDTH "INSTRUCTION_WIDTH"
    int CODE_UNKNOWN_VALUE "CODE_UNKNOWN"
    int CODE_NULL_VALUE "CODE_NULL"
    int NEWEST_SHIFT_VALUE "NEWEST_SHIFT"
    double GRID_STEP_VALUE "GRID_STEP"
    double GRID_BOUND_VALUE "GRID_BOUND"
    int SHARE_BITS_VALUE "SHARE_BITS"
    int popstrat_best_level()

BLOCK = BLOCK_ROWS
PART = PART_ROWS
INSTRUCTION_WIDTH = WIDTH
CODE_UNKNOWN = CODE_UNKNOWN_VALUE
CODE_NULL = CODE_NULL_VALUE
NEWEST_SHIFT = NEWEST_SHIFT_VALUE
GRID_STEP = GRID_STEP_VALUE
GRID_BOUND = GRID_BOUND_VALUE
SHARE_BITS = SHARE_BITS_VALUE
EXACT = EXACT_LIST
LEVELS = {"baseline": 0, "avx2": 2, "avx512": 4}


def levels():
    """Names of the instruction-set variants this processor can run, plainest first."""
    best = popstrat_best_level()
    return [name for name, level in LEVELS.items() if level <= best]


def operations():
    """(name, operands, reads, writes, cost, item, most) of each operation, in the order of their codes."""
    return [
        (popstrat_operations[i].name.decode(), popstrat_operations[i].operands.decode(), popstrat_operations[i].reads.decode(),
         popstrat_operations[i].writes.decode(), popstrat_operations[i].cost, popstrat_operations[i].item,
         popstrat_operations[i].most)
        for i in range(OP_END)
    ]


def operands():
    """(letter, kind, bits, items, least, meaning) of each letter."""
    return [
        (popstrat_operands[i].letter.decode(), popstrat_operands[i].kind.decode(), popstrat_operands[i].bits,
         popstrat_operands[i].items.decode(), popstrat_operands[i].least, popstrat_operands[i].meaning.decode())
        for i in range(OPERAND_LETTERS)
    ]


def column_kinds():
    """Bits a row of each kind of column, in the order of their numbers."""
    return {popstrat_column_kinds[i].name.decode(): popstrat_column_kinds[i].bits for i in range(COLUMN_KINDS)}


def output_kinds():
    """Bits a row of each kind of output."""
    return {popstrat_output_kinds[i].name.decode(): popstrat_output_kinds[i].bits for i in range(OUTPUT_KINDS)}
