"""Everything that a person looks at: the terminal, HTML pages, pages of packs as Markdown, summaries, explanations.

Import a page's module: `console`, `explain`, `validation_page`, `catalogue`, `run_summary`, … HTML pages stand on
`design` and `charts`. Nothing here decides anything: what is shown was found in the rooms below.
"""
