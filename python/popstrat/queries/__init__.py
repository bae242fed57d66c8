"""Packs as SQL: the typed expressions that engine and evaluator read, written as one readable SELECT.

It is not called ``sql``, which is the call: a room of that name would put a module in its place.
"""
