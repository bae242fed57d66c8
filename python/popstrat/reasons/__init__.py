"""A trace in sentences: why a patient got what they got, rule by rule and term by term; nothing of a terminal or page.

`trace.trace` follows a pack for one patient and gives an `Explanation` (`findings`), for pages, uploads and work lists.
"""
