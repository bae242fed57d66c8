"""A dbt model of a pack: the SELECT, the texts of its definitions as descriptions, tests of its columns."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from popstrat.core.files import Outputs
from popstrat.errors import InputError
from popstrat.packs.definition import Definition
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import ID, PRACTICE

_HEAD = 2_000  # characters in which a model names its pack


def model_name(pack: Pack) -> str:
    """What the model is called: the pack's name as SQL takes it."""
    return pack.id.replace("-", "_").replace(".", "_")


def write_model(folder: Path, pack: Pack, as_of: dt.date, text: str) -> None:
    """Write ``<pack>.sql`` and ``<pack>.yml`` into a folder of models; both or neither.

    Raises `InputError` where the folder is not there.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; name the one that holds the models")
    name = model_name(pack)
    for path in (folder / f"{name}.sql", folder / f"{name}.yml"):
        if path.exists() and pack.id not in path.read_text(encoding="utf-8", errors="replace")[:_HEAD]:
            raise InputError(f"already exists, and is not a model of {pack.id}", file=path.name)
    schema = {"version": 2, "models": [_model(name, pack, as_of)]}
    with Outputs() as outputs:
        sql, described = outputs.add(folder / f"{name}.sql"), outputs.add(folder / f"{name}.yml")
        sql.write_text(text, encoding="utf-8")
        # JSON is YAML, and nothing in a text of a pack can be taken for its punctuation
        described.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        outputs.commit()


def _model(name: str, pack: Pack, as_of: dt.date) -> dict[str, Any]:
    keys = [
        {"name": ID, "description": "The person.", "tests": ["not_null", "unique"]},
        {"name": PRACTICE, "description": "The practice.", "tests": ["not_null"]},
    ]
    outputs = [_column(d) for d in pack.at(as_of).outputs]
    return {
        "name": name,
        "description": f"{pack.title} ({pack.id} {pack.version}, as of {as_of.isoformat()})",
        "columns": [*keys, *outputs],
    }


def _column(definition: Definition) -> dict[str, Any]:
    told = [definition.title, definition.means, f"Source: {definition.source}" if definition.source else ""]
    found: dict[str, Any] = {"name": definition.output, "description": ". ".join(t.rstrip(".") for t in told if t)}
    if definition.dtype == "dictionary":
        found["tests"] = [{"accepted_values": {"values": list(definition.node.type.labels)}}]
    elif definition.dtype == "bool":
        found["tests"] = ["not_null"]
    return found
