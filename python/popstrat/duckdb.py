"""popstrat for DuckDB: `score`. What is behind it is `popstrat.platforms.of_duckdb`."""

from popstrat.platforms.of_duckdb import score as score

__all__ = ["score"]
