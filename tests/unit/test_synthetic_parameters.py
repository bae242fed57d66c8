"""The figures behind the synthetic list: complete, sourced, and turned into thresholds that mean what they say."""

from __future__ import annotations

import numpy as np
import pytest

from popstrat.packs.patient_table import patient_schema
from popstrat.synthetic import _parameters as parameters
from popstrat.synthetic._faults import ODD_LABELS
from popstrat.synthetic._parameters import london, normal_cdf, probit
from popstrat.synthetic._places import MAX_PRACTICES, draw_places


def test_every_figure_has_a_source_and_a_shape() -> None:
    for entry in (*london().raw["flag"], *london().raw["count"]):
        assert entry["source"].strip(), entry["name"]
        values = entry["shape"] if "shape" in entry else entry["ratio"]
        assert len(values) == len(entry["ages"]), entry["name"]
        assert list(entry["ages"]) == sorted(entry["ages"]), entry["name"]


def test_flags_are_the_boolean_columns() -> None:
    wanted = {c.name for c in patient_schema() if c.type == "bool" and c.group != "medication"}
    assert london().columns | {"af_suspected", "extra_care_housing"} == wanted
    assert {c.name for c in patient_schema() if c.type == "bool" and c.group == "medication"} == set(london().medicines)


def test_figures_of_care_have_a_source_and_are_of_columns() -> None:
    """And every fault is of a column that was added."""
    added = patient_schema().added
    for name, entry in london().raw["care"].items():
        assert entry["source"].strip(), name
        assert any(column.startswith(name) for column in added), name
        for table in ("groups", "flags", "type1_ratio"):
            known = {*(f.name for f in london().flags), *london().medicines, "frail"}
            assert set(entry.get(table, {})) <= known, name
    for fault in london().raw["faults_added"]:
        assert any(fault.startswith(column.removesuffix("_age")) for column in added), fault
    assert not set(london().raw["faults"]) & set(london().raw["faults_added"])


def test_every_name_in_the_figures_is_known() -> None:
    model = london()
    flags = {f.name for f in model.flags}
    named = {n for r in model.recency.values() for n, _ in (*r.flags, *r.unnoticed)}
    named |= {n for m in model.medicines.values() for n, _ in m.flags} | {n for c in model.counts for n, _ in c.flags}
    assert named <= flags
    assert set(ODD_LABELS) <= set(patient_schema().names())


def test_thresholds_reproduce_the_published_share() -> None:
    """Over the population they were solved for, the expected share of each flag is its figure."""
    model = london()
    mix = parameters._mix(model.places, model.ethnic_band, model.female_share.astype(np.float64))
    assert mix.sum() == pytest.approx(1)
    tables = {f.name: f for f in model.flags}
    for entry in model.raw["flag"]:
        flag = tables[entry["name"]]
        by_age_sex = flag.by_age_sex.reshape(-1, 2)[:, :, None, None].astype(np.float64)
        threshold = by_age_sex + flag.by_ethnic_decile.reshape(-1, 10)
        expected = (normal_cdf(threshold / np.hypot(1, flag.coding)) * mix)[entry["of_age"] :].sum()
        percent = 100 * expected / mix[entry["of_age"] :].sum()
        assert percent == pytest.approx(entry["percent"], rel=0.002), entry["name"]


def test_scores_have_unit_variance() -> None:
    loads = parameters._Loads(["a", "b"], 4)
    assert loads.residual("c", {"a": 0.6}) == pytest.approx(0.8)
    assert loads.residual("d", {"c": 0.5, "a": 0.3}) == pytest.approx((1 - 0.25 - 0.09 - 2 * 0.5 * 0.3 * 0.6) ** 0.5)
    with pytest.raises(ValueError, match="'nobody'"):
        loads.residual("e", {"nobody": 0.5})
    with pytest.raises(ValueError, match="no room for chance"):
        loads.residual("e", {"a": 0.8, "b": 0.7})


def test_probit_and_its_inverse() -> None:
    shares = np.array([1e-6, 0.01, 0.3, 0.5, 0.977])
    assert normal_cdf(np.array([probit(s) for s in shares])) == pytest.approx(shares, rel=1e-3)
    assert probit(0.0) < -30
    assert probit(1.0) > 30


def test_practice_codes_stay_unique_and_well_formed() -> None:
    places = draw_places(london().places, patients=100, practices=20_001, seed=0)
    assert len(set(places.practice_codes)) == 20_001 <= MAX_PRACTICES
    assert all(len(code) == 6 and code[0].isalpha() and code[1:].isdigit() for code in places.practice_codes)
    assert len(set(places.pcn_codes)) == len(places.pcn_codes)
    assert len(set(places.neighbourhood_names)) == len(places.neighbourhood_names)
    assert len(set(places.place_names)) == len(places.place_names)
    assert places.start[0] == 0
    assert places.start[-1] == 100
