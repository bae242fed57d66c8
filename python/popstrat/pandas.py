"""popstrat for pandas: `score`. What is behind it is `popstrat.platforms.of_pandas`."""

from popstrat.platforms.of_pandas import score as score

__all__ = ["score"]
