"""Work lists: the people of a cohort whom a team should look at next, in order, in as many files as there are teams.

`run.run_worklist` makes them, `verify.verify` re-reads them; nothing else need be imported from outside.

    options, LIST, other files       →  plan       opened and accepted; `order` (cohort, rank, measure), `areas`
    LIST, scored batch by batch      →  collect    members of the cohort; `best` keeps those who may be on a list
    exclude, lookup, last list       →  known, identities, earlier     who is left out, who is who
    the chosen rows                  →  sheet      a column for each of `layout.toml`, sentences by `wording`
    the sheet                        →  files      `csv_file`, `workbook`, `page`; `read_me`; `gone`
    the files, as they are           →  read_ids, trace    everybody followed to the lookup and LIST, read anew

`run` holds this order, and the lines of the audit log between; `record` is what is kept of a run.
"""
