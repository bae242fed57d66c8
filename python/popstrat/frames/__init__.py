"""Whatever somebody has a list in, as Arrow: one registry of what tables come as.

May be imported from it: `sources` (`as_table`, `as_batch`, `batches_of`). What is held in an unusual Arrow type is for
`popstrat.core.plain_types`; what platforms get back for `popstrat.platforms`.
"""
