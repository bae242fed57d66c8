"""popstrat on Spark: `score`, `metrics`, `rows`, `release`. What is behind it is `popstrat.platforms.on_spark`."""

from popstrat.platforms.on_spark.call import metrics as metrics
from popstrat.platforms.on_spark.call import release as release
from popstrat.platforms.on_spark.call import rows as rows
from popstrat.platforms.on_spark.call import score as score

__all__ = ["metrics", "release", "rows", "score"]
