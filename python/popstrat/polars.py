"""popstrat for Polars: `score`. What is behind it is `popstrat.platforms.of_polars`."""

from popstrat.platforms.of_polars import score as score

__all__ = ["score"]
