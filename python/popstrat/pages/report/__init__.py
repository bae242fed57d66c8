"""Pages of figures by area, from metrics files alone: `run.run_report` for files, `model.Report` with `page.page_of`
for what a page says, without HTML. No patient-level file is ever opened here.
"""
