"""Everything that a person looks at: the terminal, pages of packs as Markdown, summaries, explanations.

Import a page's module: `console`, `explain`, `catalogue`, `pack_diff`, `run_summary`, `bench`, … Nothing here decides
anything: what is shown was found in the rooms below.
"""
