"""Programs: lists of operations, checked once (`verify`), bound to a batch (`Frame`) and run by threads (`Work`).

Import from `popstrat.engine`; what stands in here is its own business.
"""
