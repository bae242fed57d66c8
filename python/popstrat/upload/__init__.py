"""The monthly upload: one file for each practice, made from a scored table, that holds no wrong patient.

`build.run_upload` makes a month, `verify.verify` re-reads one. A month is built in a hidden folder beside its place,
read back from the disk, traced row by row to the scored table and the lookup, and only then given its name.
"""
