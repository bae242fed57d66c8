"""The kinds of definition, a file each: its keys, how it is built, traced, shown on a page and compared; an example.

Import `KINDS` from `registry`; `kind` says what a kind has to have. A new kind is a new file here and nothing else.
"""
