"""Risk models: a table of inputs, terms and a link turned into expressions (`build`), and what is known of the result.

Import `Model` and its parts from `parts`, `term_texts` from `terms`; `kinds.model` makes a kind of definition of them.
"""
