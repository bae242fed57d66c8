"""Other people's platforms: the list is scored where it is, and comes back as what it was.

May be imported from it: a module for each platform, under the public names `popstrat.polars`, `popstrat.pandas`,
`popstrat.duckdb` and `popstrat.spark`. Each imports its library only when it is itself imported.
"""
