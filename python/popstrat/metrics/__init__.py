"""Figures by area: people counted by metric, area and group, and the table that is published of them.

Scored people come in, disclosure-controlled figures go out: nothing above this room sees a patient. Imported from
here: nothing yet; `rows` has the table's columns, `figures` what is counted.
"""
