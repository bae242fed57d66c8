"""What the files of an upload look like, as data: everything that is settled before a row is read.

`template` and `settings` read TOML (the templates that ship lie here too), `layout` resolves both against the columns
of a scored table. The rest of `upload` imports what it needs from any module here; nothing here imports from there.
"""
