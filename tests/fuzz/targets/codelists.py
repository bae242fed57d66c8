"""Files of code lists: what is read are codes of the file whose check digits hold, each list as the file has it."""

from __future__ import annotations

import csv
import io
import random
import re
from functools import cache
from pathlib import Path

import extracts
import mutate
from target import WrongError

from popstrat.deriving.codelists import CodeLists
from targets.packs import WORDS

UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]"
)  # what nobody sees in a cell is left out
HEAD = "Cluster_ID,Cluster_Description,SNOMED_code,SNOMED_code_description,PCD_Refset_ID,Service_and_Ruleset"
MORE = ["\t", ";", ",", '"', '""', "=", "1.5E+15", "code", "list", "\ufeff", "\r", "000000", "1234567890123450000"]


@cache
def sound() -> list[str]:
    codes = [extracts.made_up(item) for item in range(1, 30)]
    refset = [HEAD] + [
        f'L{code % 4}_COD,"A list, of some",{code},A term {code % 7},9999,GP v{code % 2}' for code in codes
    ]
    two = ["code\tterm"] + [f'{code}\tThe "term" of {code}' for code in codes[:9]]
    return ["\r\n".join(refset), "\n".join(two), "\n".join(map(str, codes)), "\n".join(f"L{c % 3}|{c}" for c in codes)]


def make(number: int) -> bytes:
    rng = random.Random(number)
    text = rng.choice(sound())
    if rng.random() < 0.8:
        text = mutate.of_words(text, rng, sound(), [*WORDS, *MORE])
    raw = text.encode(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"]), errors="replace")
    return mutate.of_bytes(raw, rng) if rng.random() < 0.4 else raw


def judge(content: bytes, folder: Path) -> str:
    path = folder / "LIST.csv"
    path.write_bytes(content)
    found = CodeLists.read(path)
    (file,) = found.files
    text = content.decode("utf-8-sig" if file.encoding == "utf-8" else file.encoding)
    stand = set(re.findall(r"[0-9]+", UNSEEN.sub("", text)))
    for name, codes in found.codes.items():
        for code in map(str, codes.tolist()):
            if code not in stand:
                raise WrongError("a code that the file does not have")
            if extracts.check_digit(code[:-1]) != code[-1]:
                raise WrongError("a code whose check digit is wrong")
        if name != "LIST" and name not in text and '"' not in text:
            raise WrongError("a list that the file does not name")
    if text.partition("\n")[0].strip() == HEAD and '"' not in text:
        _compare(found, text)
    return "read"


def _compare(found: CodeLists, text: str) -> None:
    """A file of the published form without quotes: what the standard library's reader makes of it."""
    lists: dict[str, set[int]] = {}
    for row in csv.DictReader(io.StringIO(text, newline="")):
        name, code = (row["Cluster_ID"] or "").strip(), (row["SNOMED_code"] or "").strip()
        if name and code:
            lists.setdefault(name, set()).add(int(code))
    if lists != {name: set(codes.tolist()) for name, codes in found.codes.items() if len(codes)}:
        raise WrongError("other lists than the file has")
