"""A pack, loaded: what the rest of popstrat is given."""

from __future__ import annotations

import datetime as dt

from popstrat.packs.rank import check_ranks
from popstrat.packs.reference_patients import checked
from popstrat.packs.resolve import resolve
from popstrat.packs.resolved import Resolved
from popstrat.packs.tables import PackTables


class Pack(PackTables):
    """A pack as written, with what it extends merged in (`load.load_pack`)."""

    def __repr__(self) -> str:
        definitions = len(self.raw.get("definition", ()))
        return f"<popstrat.Pack {self.id}@{self.version}: {definitions} definitions>"

    def at(self, as_of: dt.date) -> Resolved:
        """Every definition, typed, as it stands at `as_of`, its reference patients seen to. Raises `PackError` pointing
        at file, line and word."""
        return checked(check_ranks(resolve(self, as_of)))
