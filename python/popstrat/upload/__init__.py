"""The monthly upload: one file for each practice, made from a scored table, that holds no wrong patient.

`run.run_upload` makes a month, `verify.verify` re-reads one; nothing else need be imported from outside.

The way of a row is forward only: each step takes plain data and returns plain data, frozen, and calls none before it.

    templates + settings + run record     →  plan      files opened, accepted by `policy`, the template resolved
    scored table                          →  read      dealt out by key into `partition`s that fit into memory
    lookup, last month's scored table     →  lookup, previous      dealt out by the same keys
    the same partition of each            →  join      `identify` says who, `movers` what changed; dealt out by practice
    a partition of whole practices        →  write     `selection` says into which file; `csv_text` makes the lines
    an entry for each practice            →  manifest  counts that must add up; `warnings`
    the files, as they are on the disk    →  read_back, trace      every row to the tables it came from, read anew

`run` holds this order, and the lines of the audit log between; `rows` says what a row carries at each step. Below all
of it are `scored`, `practices`, `patient_keys` and `batches`, what is known of a single column or file.
"""
