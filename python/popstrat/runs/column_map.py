"""The names of `popstrat.packs.column_map`, which files are mapped with."""

from popstrat.packs.column_map import NO_MAP as NO_MAP
from popstrat.packs.column_map import ColumnMap as ColumnMap
from popstrat.packs.column_map import MapPlan as MapPlan
from popstrat.packs.column_map import keys_without_rows as keys_without_rows
from popstrat.packs.column_map import our_name as our_name
