"""The scorer: a pack at an as-of date, ready for record batches of any schema."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from popstrat.core.dates import as_of_date
from popstrat.core.version import STAMP
from popstrat.errors import DefinitionWarning, InputError
from popstrat.frames.sources import Wanted, as_batch, batches_of
from popstrat.packs import DEFAULT_PACK, plausibility
from popstrat.packs.columns_read import read_columns, rests_on
from popstrat.packs.definition import Definition
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.load import load_pack
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import ID, KEY_COLUMNS, OPT_OUTS, PLACE_COLUMNS
from popstrat.packs.readings import with_readings
from popstrat.packs.resolved import Resolved
from popstrat.packs.spellings import with_remedy
from popstrat.scoring.attribution import Listing
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.completeness import Earlier, Facts, Inputs, remarks
from popstrat.scoring.mapped import kept_columns, map_given, mapped_batch, needs_plan, plan_of
from popstrat.scoring.passing_ids import PassingIds
from popstrat.scoring.tally import Tally

if TYPE_CHECKING:
    from popstrat.packs.column_map import MapPlan

PROFILES = ("direct-care", "secondary-use")
_KEPT_SCORERS = 7  # besides the newest
_KEPT = 15  # schemas for which a scorer is kept, besides the newest


class Scorer:
    """A pack at an as-of date, ready to score record batches. It is immutable and picklable, and threads can share it.

    Args:
        pack: the name of a built-in pack, the path of a TOML file, or a loaded `Pack`.
        as_of: ISO text or a date; if None, today, with an `AsOfWarning`.
        profile: ``direct-care`` (everybody) or ``secondary-use`` (leaves out and counts people who opted out; the
            table must have both opt-out columns).
        contributions: list this number of each patient's largest contributions, for each model, in a column
            ``<model>_contributions`` (a list of structs: term, amount). None gives no such column.
        mapping: a column map for batches with other names, values or dates, as for ``--map``: the path of a TOML file,
            which is read once, or its content as a mapping.
        besides: a function of the resolved pack that gives further definitions. They are worked out too, in columns
            after all others. It must be possible to pickle the function.

    Raises:
        PackError: the pack is wrong. InputError: the date, the profile or the map is wrong.

    Warns if no as-of date is given (`AsOfWarning`), and if no version of a definition is in force at that date
    (`DefinitionWarning`).

    >>> import datetime as dt
    >>> import popstrat
    >>> from popstrat import synthetic
    >>> scorer = popstrat.Scorer("london-2026", "2026-06-30")
    >>> scorer
    <popstrat.Scorer pack=london-2026@2.0.0, as_of=2026-06-30: 30 outputs>
    >>> people = synthetic.table(1_000, seed=1, as_of=dt.date(2026, 6, 30)).to_batches()
    >>> scorer.score_batch(people[0]).num_rows
    1000
    >>> sum(batch.num_rows for batch in scorer.score_batches(people))
    1000
    >>> scorer.output_schema.field("admission_risk").type
    DataType(double)
    """

    def __init__(
        self,
        pack: str | Path | Pack = DEFAULT_PACK,
        as_of: str | dt.date | None = None,
        *,
        profile: str = "direct-care",
        contributions: int | None = None,
        mapping: str | Path | Mapping[str, Any] | None = None,
        besides: Callable[[Resolved], Iterable[Definition]] | None = None,
    ) -> None:
        self._make(load_pack(pack), as_of_date(as_of), profile, contributions, mapping, besides)
        self.warn()

    def _make(
        self,
        pack: Pack,
        as_of: dt.date,
        profile: str,
        contributions: int | None,
        mapping: str | Path | Mapping[str, Any] | None,
        besides: Callable[[Resolved], Iterable[Definition]] | None,
    ) -> Scorer:
        """Sets everything, and warns of nothing."""
        if profile not in PROFILES:
            raise InputError(f"there is no profile {profile!r}; it is one of {', '.join(PROFILES)}")
        self.pack, self.as_of = pack, as_of
        self.profile = profile
        self.resolved: Resolved = self.pack.at(self.as_of)
        self.contributions = contributions
        self._besides = besides
        self.besides: tuple[Definition, ...] = () if besides is None else tuple(besides(self.resolved))
        self.listings: tuple[Listing, ...] = ()
        if contributions is not None:
            self.listings = tuple(Listing(self.resolved, m, contributions) for m in self.resolved.models.values())
            if not self.listings:
                raise InputError(f"the pack {self.pack.id} has no model whose contributions could be listed")
        self.mapping = map_given(mapping, self.pack.schema.columns)
        self._plans: dict[pa.Schema, tuple[MapPlan, list[str]]] = {}
        self._bound: dict[tuple[pa.Schema, bool], BoundScorer] = {}
        self._last: dict[bool, tuple[pa.Schema, BoundScorer]] = {}
        return self

    def warn(self, stacklevel: int = 3) -> None:
        """Warn (`DefinitionWarning`) of definitions without a version in force at the as-of date."""
        for told in self.resolved.not_in_force:
            warnings.warn(told, DefinitionWarning, stacklevel=stacklevel)

    def __setattr__(self, name: str, value: Any) -> None:
        if "_last" in self.__dict__:  # made, and perhaps shared
            raise AttributeError(f"a Scorer does not change: make another for a different {name}")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        told = [f"pack={self.pack.id}@{self.pack.version}", f"as_of={self.as_of.isoformat()}"]
        if self.profile != PROFILES[0]:
            told.append(f"profile={self.profile}")
        if self.contributions is not None:
            told.append(f"contributions={self.contributions}")
        if self.mapping is not None:
            told.append("mapping")
        return f"<popstrat.Scorer {', '.join(told)}: {len(self.resolved.outputs)} outputs>"

    def __reduce__(self) -> tuple[Any, ...]:
        content = None if self.mapping is None else dict(self.mapping.content)
        return make_scorer, (self.pack, self.as_of, self.profile, self.contributions, content, self._besides)

    @property
    def stamp(self) -> dict[bytes, bytes]:
        """What the schema of a scored table has under the key ``popstrat``, as JSON: the pack with its version and
        hash, the as-of date and the profile."""
        pack = {"id": self.pack.id, "version": self.pack.version, "sha256": self.pack.sha256}
        told = {"as_of": self.as_of.isoformat(), "pack": pack, "profile": self.profile}
        return {STAMP: json.dumps(told, ensure_ascii=False).encode()}

    @property
    def pack_record(self) -> dict[str, Any]:
        """Id, version and hashes of the pack, for the run record."""
        return self.pack.record

    @property
    def notices(self) -> tuple[str, ...]:
        """What a reader of the results should know about the definitions: the models' disclaimers and the caveats,
        each once, with its columns."""
        models = (d for d in self.resolved.outputs if d.raw.get("disclaimer"))
        caveats: dict[str, list[str]] = {}
        for d in self.resolved.outputs:
            if d.raw.get("caveat"):
                caveats.setdefault(d.raw["caveat"], []).append(str(d.output))
        return (
            *self.resolved.notices,
            *(f"{d.output}: {d.raw['disclaimer']}" for d in models),
            *(f"{', '.join(columns)}: {told}" for told, columns in caveats.items()),
        )

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of the patient table that scoring reads, in schema order."""
        read = {*read_columns(self.resolved, self.pack.schema), *KEY_COLUMNS, *PLACE_COLUMNS}
        read.update(read_columns(self.resolved, self.pack.schema, self.besides))
        if self.profile == "secondary-use":
            read.update(OPT_OUTS)
        return tuple(c.name for c in self.pack.schema if c.name in read)

    @cached_property
    def counting(self) -> Resolved:
        """The definitions, and those that a run only counts: the readings of the pack's conditions."""
        return with_readings(self.resolved)

    @cached_property
    def columns_counted(self) -> tuple[str, ...]:
        """`columns`, and the columns that only counted definitions read."""
        counted = [self.counting.definitions[r.ident] for r in self.counting.readings]
        read = {*self.columns, *read_columns(self.counting, self.pack.schema, counted)}
        return tuple(c.name for c in self.pack.schema if c.name in read)

    @property
    def titles(self) -> dict[str, str]:
        """Output column → its title."""
        return {str(d.output): d.title for d in self.resolved.outputs}

    @property
    def models(self) -> dict[str, dict[str, Any]]:
        """What the authors of the pack's models say about them, by definition."""
        found = {}
        for ident, model in self.resolved.models.items():
            definition = self.resolved.definitions[ident]
            raw = definition.raw
            found[ident] = {
                "title": definition.title,
                "name": raw.get("name", ident),
                "version": definition.version,
                "output": definition.output,
                "horizon": raw.get("horizon", ""),
                "intended_use": raw.get("intended_use", ""),
                "disclaimer": raw.get("disclaimer", ""),
                "licence": raw.get("licence", ""),
                "draft": bool(raw.get("draft", False)),
                "terms": len(model.terms),
            }
        return found

    def remarks(self, files: Sequence[Facts], earlier: Earlier | None = None) -> list[str]:
        """Warnings about what the files or the table lack, also compared with an earlier run."""
        models = (d for d in self.resolved.outputs if KINDS[d.kind].defaults and d.parent is None)
        inputs = {
            str(d.output): (self._lacked(d.id, required=False), self._lacked(d.id, required=True)) for d in models
        }
        return remarks(files, self.pack.schema, inputs, earlier)

    def outputs_using(self, column: str) -> list[str]:
        """The outputs that depend on a column of the patient table."""
        schema = self.pack.schema
        outputs = (d for d in self.resolved.outputs if d.parent is None)
        return [str(d.output) for d in outputs if column in read_columns(self.resolved, schema, [d])]

    def _lacked(self, model: str, *, required: bool) -> Inputs:
        given = [i for i in self.resolved.models[model].inputs if (i.default is None) == required]

        def of(lacking: Collection[str]) -> list[str]:
            return [i.name for i in given if rests_on(i.given, lacking, self.resolved)] if lacking else []

        return of

    @property
    def quality_bits(self) -> dict[str, int]:
        """The bit of ``quality_flags`` that each reason sets; several reasons may set the same one."""
        return plausibility.bit_names(self.pack.schema)

    @property
    def input_schema(self) -> pa.Schema:
        """The canonical patient table. Columns of other accepted types work too, and optional columns may be absent."""
        return self.pack.schema.arrow(without=("age",))

    @property
    def output_schema(self) -> pa.Schema:
        """The scored table for the canonical input. Key and place columns keep the type they came in."""
        return self.bind(self.input_schema).output_schema

    def bind(self, schema: pa.Schema, *, counted: bool = True) -> BoundScorer:
        """This scorer for tables of one Arrow schema: compiled once, then kept. Without ``counted`` it counts only
        what may stop the run, which takes less time.

        Raises `InputError` for a missing required column, two columns of one name or a type that cannot be read.
        """
        last = self._last.get(counted)  # comparing schemas is a great deal quicker than hashing one
        if last is not None and last[0].equals(schema):
            return last[1]
        key = schema.remove_metadata(), counted
        found = self._bound.get(key)
        if found is None:  # no lock: a fork while another thread holds it would leave the child without it for good
            found = BoundScorer(self, key[0], counted=counted)
            for oldest in list(self._bound)[:-_KEPT]:
                self._bound.pop(oldest, None)
            self._bound[key] = found
        self._last[counted] = schema, found
        return found

    def checker(self, schema: pa.Schema) -> BoundScorer:
        """As `bind`, but it checks every column of the patient table that exists, and scores nothing."""
        return BoundScorer(self, schema.remove_metadata(), check_only=True)

    def wanted(self, mapping: object = None) -> Wanted:
        """The columns of a list that are needed, for a reader of it; ``mapping`` is a column map, or None."""
        columns = self.pack.schema.columns
        mapped = mapping is not None or self.mapping is not None
        read = (*self.columns_counted, *OPT_OUTS)
        return Wanted({name: columns[name] for name in read if name in columns}, mapped)

    def score_batch(self, batch: Any) -> pa.RecordBatch:
        """Score one record batch: any rows, slices included. It uses one thread and releases the GIL. It also takes
        any table that `popstrat.score` takes. Ids are not checked for uniqueness. Raises `InputError`."""
        return self.scored(as_batch(batch, self.wanted()))[0]

    def scored(
        self, batch: pa.RecordBatch, *, counted: bool = False, threads: int = 1
    ) -> tuple[pa.RecordBatch, Tally, pa.RecordBatch]:
        """The scored batch, what was counted (as for `bind`), and the batch as it was read: under our names, with its
        keys as they are compared. Raises as `score_batch`."""
        last = self._last.get(counted)  # of a schema that is under our names
        if last is None or not last[0].equals(batch.schema):
            names = batch.schema.names
            if self.mapping is not None or needs_plan(names, None, self.pack.schema.columns):
                batch = self._mapped(batch)
        try:
            started = self.bind(batch.schema, counted=counted).start(batch)
            scored, tally = started.run(threads)
        except InputError as error:
            raise with_remedy(error) from None
        plausibility.refuse_disorder(tally.disorder, self.pack.schema)
        return scored, tally, started.given

    def _mapped(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch under our names and with our values."""
        key = batch.schema.remove_metadata()
        found = self._plans.get(key)
        if found is None:
            plan = plan_of(key.names, self.mapping, self.pack.schema)
            found = plan, kept_columns(plan, key, self.pack.schema, self.columns_counted)[1]
            for oldest in list(self._plans)[:-_KEPT]:
                self._plans.pop(oldest, None)
            self._plans[key] = found
        return mapped_batch(batch, *found)

    def planned(self, schema: pa.Schema) -> pa.Schema:
        """How a table of this schema is read under our names. Raises `InputError`."""
        if self.mapping is None and not needs_plan(schema.names, None, self.pack.schema.columns):
            return schema
        plan = plan_of(schema.names, self.mapping, self.pack.schema)
        whole, kept = kept_columns(plan, schema.remove_metadata(), self.pack.schema, self.columns_counted)
        return pa.schema([whole.field(name) for name in kept])

    def score_batches(self, batches: Any) -> Iterator[pa.RecordBatch]:
        """Score record batches one by one, in order: of an iterable, or of a table of any kind that `popstrat.score`
        takes.

        Raises `InputError`, with rows counted from the first of all batches. For an id that occurs twice, it is raised
        after the last batch. (On Spark, `popstrat.spark.score` also compares ids of different partitions.)
        """
        first = 0
        with PassingIds() as ids:
            for batch in batches_of(batches, self.wanted()):
                try:
                    scored, _, given = self.scored(batch)
                    ids.add(given.column(given.schema.get_field_index(ID)))
                except InputError as error:
                    raise error.located(None, first) from None
                first += batch.num_rows
                yield scored
            ids.finish()


def make_scorer(
    pack: Pack,
    as_of: dt.date,
    profile: str = PROFILES[0],
    contributions: int | None = None,
    mapping: Mapping[str, Any] | None = None,
    besides: Callable[[Resolved], Iterable[Definition]] | None = None,
) -> Scorer:
    """As `Scorer`, without a warning, for whoever says otherwise what there is to say."""
    return Scorer.__new__(Scorer)._make(pack, as_of, profile, contributions, mapping, besides)


_scorers: dict[tuple[str, dt.date, str, int | None], Scorer] = {}


def kept_scorer(pack: str | Path | Pack, as_of: dt.date, profile: str, contributions: int | None = None) -> Scorer:
    """A scorer, kept for the next call with the same definitions (a changed pack file counts as another). It has not
    warned (`Scorer.warn`)."""
    loaded = load_pack(pack)
    key = (loaded.sha256, as_of, profile, contributions)
    found = _scorers.get(key)
    if found is None:
        found = make_scorer(loaded, as_of, profile, contributions)
        for oldest in list(_scorers)[:-_KEPT_SCORERS]:  # no lock, as in `bind`; several threads may do this at once
            _scorers.pop(oldest, None)
        _scorers[key] = found
    return found
