"""The names of `popstrat.packs.map_file`, which files are mapped with."""

from popstrat.packs.map_file import load_map as load_map
from popstrat.packs.map_file import parse_map as parse_map
