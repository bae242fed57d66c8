"""The help of a group of commands says all that it has to say of each."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from popstrat.cli import app


@pytest.mark.parametrize("group", [[], ["packs"], ["audit"], ["map"]])
@pytest.mark.parametrize("width", ["60", "80", "200"])
def test_no_description_is_cut(group: list[str], width: str) -> None:
    result = CliRunner().invoke(app, [*group, "--help"], env={"COLUMNS": width})
    assert result.exit_code == 0
    assert "..." not in result.output.split("Commands:")[1]
