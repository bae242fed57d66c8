"""Earlier versions of the packs that ship stay addressable, with their results as they were."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from popstrat import synthetic
from popstrat.errors import PackError
from popstrat.packs.load import load_pack
from popstrat.packs.read import builtin_packs, builtin_versions
from popstrat.packs.reading import list_packs
from popstrat.pages import catalogue, pack_list
from popstrat.scoring.pack_check import examine
from popstrat.scoring.scorer import Scorer

EARLIER = [f"{name}@{version}" for name in builtin_packs() for version in builtin_versions(name)[:-1]]

# The hash of each earlier version with all that it extends, as it was in the release that had it. Never change a line:
# where a pack changes that an earlier version extends, its text moves to builtin/earlier, too, and extends.toml names
# it.
AS_PUBLISHED = {"london-2026@1.0.0": "455485dff9b1259f931ca35f45fb0e829738f35ec4bb5f64afc900cf2b7b7728"}


def test_every_earlier_version_is_what_it_was() -> None:
    assert {name: load_pack(name).sha256 for name in EARLIER} == AS_PUBLISHED


@pytest.mark.parametrize("name", EARLIER)
def test_the_file_says_what_it_is(name: str) -> None:
    pack, (ident, _, version) = load_pack(name), name.partition("@")
    assert (pack.id, pack.version) == (ident, version)
    assert pack.sources[0].name == f"{name}.toml"
    assert pack.record["files"][0]["name"] == f"{name}.toml"


@pytest.mark.parametrize("name", builtin_packs())
def test_the_current_version_by_its_number(name: str) -> None:
    current = builtin_versions(name)[-1]
    assert load_pack(f"{name}@{current}") is load_pack(name)
    assert load_pack(name).version == current
    assert len(set(builtin_versions(name))) == len(builtin_versions(name))


def test_a_version_that_there_is_not(tmp_path: Path) -> None:
    there = ", ".join(f"london-2026@{v}" for v in builtin_versions("london-2026"))
    for wrong in ("1.0", "3.0.0", "", "latest", "1.0.0@1"):
        with pytest.raises(PackError) as raised:
            load_pack(f"london-2026@{wrong}")
        assert str(raised.value).startswith(f"there is no version {wrong!r} of the pack london-2026")
        assert str(raised.value).endswith(f"; there are {there}")
    ours = tmp_path / "ours.toml"
    ours.write_text('[pack]\nid = "o"\nversion = "1"\nextends = "london-2026@9.9.9"\n')
    with pytest.raises(PackError, match=r"^ours.toml: extends: there is no version '9.9.9' of the pack london-2026"):
        load_pack(ours)
    with pytest.raises(PackError, match=r"^there is no pack 'londn-2026@1.0.0'"):
        load_pack("londn-2026@1.0.0")
    with pytest.raises(PackError, match="cannot read the pack"):
        load_pack("london-2026@1.0.0.toml")


def test_a_pack_extends_an_earlier_version(tmp_path: Path) -> None:
    ours = tmp_path / "ours.toml"
    ours.write_text(
        '[pack]\nid = "o"\nversion = "1"\nextends = "london-2026@1.0.0"\n[parameters.systolic_target]\nvalue = 130\n'
    )
    pack = load_pack(ours)
    assert [s.name for s in pack.sources] == ["ours.toml", "london-2026@1.0.0.toml", "admission-12m.toml"]
    assert "cyp_age" not in pack.raw["parameters"]
    assert pack.raw["parameters"]["systolic_target"]["value"] == 130


def test_the_list_shows_them() -> None:
    found = {p["id"]: p for p in list_packs()}
    assert found["london-2026"]["earlier"] == "london-2026@1.0.0"
    assert found["efi"]["earlier"] == ""
    page = io.StringIO()
    pack_list.show(list_packs(), Console(width=100, file=page))
    assert "Earlier versions, kept as they were: london-2026@1.0.0" in page.getvalue()


def test_pages_and_checks_take_it() -> None:
    page = io.StringIO()
    catalogue.show("london-2026@1.0.0", Console(width=100, file=page))
    assert "Pack london-2026, version 1.0.0" in page.getvalue()
    assert not examine("london-2026@1.0.0").warnings


def test_results_are_what_they_were() -> None:
    """Every value that 1.0.0 gave on a generated list, as a hash taken with the release that had it."""
    listed = synthetic.table(3000, seed=1, as_of=dt.date(2026, 6, 30)).combine_chunks()
    scored = Scorer("london-2026@1.0.0", "2026-06-30").score_batch(listed.to_batches()[0])
    assert scored.num_columns == 2 + 3 + 21 + 1
    values = json.dumps(scored.to_pydict(), sort_keys=True)
    assert (
        hashlib.sha256(values.encode()).hexdigest()
        == "d13cfb6ccdad5791e6215d910f76ea50bba6012affb26a06cc5506002a66e8ae"
    )
