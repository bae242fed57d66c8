"""Loops over whole columns that are no programs: all different? ascending? astray? the k largest; check digits; what
texts are made of.

`check_digits`, `letters` and `top_k` are imported from here, the rest from `popstrat.engine`.
"""
