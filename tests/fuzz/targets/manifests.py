"""Folders of uploads: one whose files or manifest were changed is refused, unless the change means nothing."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from functools import cache
from pathlib import Path

import mutate
import upload_reference as ref
from target import WrongError

from popstrat.upload.run import run_upload
from popstrat.upload.verify import verify
from targets.packs import WORDS

_HEAD = 100  # bytes of an input before the content: the name of the file that it stands for


@cache
def sound() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="popstrat-fuzz-") as name:
        work = Path(name)
        (work / "mini.toml").write_text(
            '[template]\nid = "keys"\nversion = "1"\ntitle = "t"\n[file]\n'
            'name = "{practice}-{part}.csv"\nmax_rows = 4\n'
            '[[column]]\nname = "key"\nfrom = "patient_id"\n[[column]]\nname = "group"\nfrom = "risk_group"\n'
        )
        rows = [ref.patient(i, ("E85001", "E85002")[i % 2]) for i in range(1, 12)]
        run_upload(ref.write_scored(work / "june.parquet", rows), work / "out", template=work / "mini.toml")
        found = {p.name: p.read_bytes() for p in sorted((work / "out").iterdir())}
    return {n: c for n, c in found.items() if n != "manifest.json"} | {"manifest.json": found["manifest.json"]}


def make(number: int) -> bytes:
    rng = random.Random(number)
    name = rng.choice(["manifest.json"] * 3 + list(sound()))
    content = sound()[name]
    if name == "manifest.json" and rng.random() < 0.6:
        words = [*WORDS, "null", "-1,", '"../../etc/passwd",', '"/etc/passwd",', "1e999,", "[" * 5000, "1,", "true,"]
        content = mutate.of_words(content.decode(), rng, [content.decode()], words).encode()
    else:
        content = mutate.of_bytes(content, rng, list(sound().values()))
    return name.encode().ljust(_HEAD) + content


def judge(content: bytes, folder: Path) -> str:
    name, content = content[:_HEAD].decode().strip(), content[_HEAD:]
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    for file, bytes_ in sound().items():
        (out / file).write_bytes(bytes_)
    (out / Path(name).name).write_bytes(content)
    verify(out)
    if name != "manifest.json" and content != sound()[name]:
        raise WrongError(f"{name} was changed, and the folder verifies")
    if name == "manifest.json" and _files(json.loads(content)) != _files(json.loads(sound()[name])):
        raise WrongError("the manifest names other files, and the folder verifies")
    return "read"


def _files(manifest: dict[str, object]) -> object:
    return [(f["name"], f["sha256"]) for p in manifest["practices"] for f in p["files"]]  # type: ignore[attr-defined]
