"""Why a patient got what they got, and what there is to do, in words; nothing of a terminal or a page.

`trace.trace` follows a pack for one patient and gives an `Explanation` (`findings`). `sentences.Sentences` says what a
pack's sentences say of people, one or many. Both are for pages, uploads and work lists.
"""
