"""What the audit log says of uploads: hashes, counts and dates, no key and no NHS number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from popstrat.privacy import audit_log as audits


def of_plan(described: Mapping[str, Any]) -> dict[str, Any]:
    """What a line says of an upload, from `plan.describe`."""
    scored = described["scored"]
    files = {name: described[name] and described[name]["sha256"] for name in ("previous", "lookup")}
    return {
        "profile": described["profile"],
        "as_of": described["as_of"],
        "template": described["template"]["id"],
        "template_sha256": described["template"]["sha256"],
        "settings_sha256": described["settings"],
        "pack": f"{scored['run']['pack']['id']} {scored['run']['pack']['version']}",
        "pack_sha256": scored["run"]["pack"]["sha256"],
        "scored_sha256": scored["sha256"],
        "scored_rows": scored["rows"],
        "previous_sha256": files["previous"],
        "lookup_sha256": files["lookup"],
        **(
            {"previous_lookup_sha256": described["previous_lookup"]["sha256"]} if "previous_lookup" in described else {}
        ),
        "re_identified": described["lookup"] is not None,
    }


def of_totals(totals: Mapping[str, Any]) -> dict[str, Any]:
    """What a line says of what was written."""
    return {name: totals[name] for name in ("files", "practices", "written", "excluded", "not_selected")}


def events_of(audit: Path, manifest_sha256: str) -> set[str]:
    """The events that a log has of a manifest. The log is checked first; raises `InputError` as `audit.verify` does."""
    audits.verify(audit)
    with audit.open(encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines if manifest_sha256 in line]
    return {line["event"] for line in found if line.get("manifest_sha256") == manifest_sha256}


def released_at(audit: Path) -> dict[str, str]:
    """When a log released which manifests: their hashes, and the time (UTC) of the last such line. The log is checked
    first; raises `InputError` as `audit.verify` does."""
    audits.verify(audit)
    with audit.open(encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines if '"upload-released"' in line]
    return {line["manifest_sha256"]: line["time"] for line in found if line["event"] == "upload-released"}
