"""The kinds of feature, a file each: its keys, its folds and what it makes of them, how it is told; an example.

Import `KINDS` from `registry`; `kind` says what a kind has to have. A new kind is a new file here and nothing else.
"""
