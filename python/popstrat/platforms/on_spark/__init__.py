"""Spark: one function of record batches for each partition, and what comes of all partitions together.

`types` (Arrow's and Spark's), `partitions` (what runs on executors), `ids` (keys of all partitions compared), `call`
(what the driver does). May be imported from it: `call`, by `popstrat.spark`.
"""
