"""Plans of metrics, as people write them: what is read stands in the file, each promise once."""

from __future__ import annotations

import csv
import datetime as dt
import io
import random
from functools import cache
from pathlib import Path

import mutate
from target import WrongError

from popstrat.metrics.figures import Areas
from popstrat.metrics.plan import read_plan
from popstrat.metrics.rows import Measure
from targets.packs import WORDS

AREAS = Areas(("E85001", "E85002"), ("P1", "P1"), ("N1", "N2"), ("Place", "Place"))
METRICS = {"bp_at_target": Measure.PROPORTION, "admissions": Measure.RATE, "on_caseload": Measure.COVERAGE}
MORE = ["2026-13-01", "30/06/2026", "1e308", "0.8", "80%", "E85001", "practice", "icb", "all", "place", "level", "nan"]


@cache
def sound() -> list[str]:
    quarters = ["2026-06-30", "2026-09-30", "2026-12-31"]
    rows = [f"bp_at_target,place,Place,{day},0.{7 + i}" for i, day in enumerate(quarters)]
    rows += [f"admissions,practice,E8500{i},{day},{90 - i}.5" for i in (1, 2) for day in quarters]
    other = [f"on_caseload,mltc_1,icb,all,{day},{1500 + i}" for i, day in enumerate(quarters)]
    return [
        "\n".join(["metric,level,area,date,value", *rows]),
        "\n".join(["metric,cohort,level,area,date,value", *other]),
    ]


def make(number: int) -> bytes:
    rng = random.Random(number)
    words = rng.choice([[",".join(rng.choices(MORE, k=5))], [*WORDS, *MORE]])
    text = mutate.of_words(rng.choice(sound()), rng, sound(), words)
    if rng.random() < 0.5:
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        cells = lines[at].split(",")
        cells[rng.randrange(len(cells))] = rng.choice(MORE)
        lines[at] = ",".join(cells)
        text = "\n".join(lines)
    return mutate.of_bytes(text.encode(), rng) if rng.random() < 0.3 else text.encode()


def judge(content: bytes, folder: Path) -> str:
    path = folder / "plan.csv"
    path.write_bytes(content)
    plan = read_plan(path, AREAS, METRICS)
    read = {
        (of.metric, of.cohort or "", of.area, day, value) for of, points in plan.points.items() for day, value in points
    }
    text = content.decode("utf-8-sig")
    if '"' in text or "\r" in text:
        return "read"
    said = set()
    count = 0
    for row in csv.DictReader(io.StringIO(text, newline="")):
        if any(row.values()):
            count += 1
            of = row["metric"].strip(), (row.get("cohort") or "").strip(), row["area"].strip()
            said.add((*of, _day(row["date"].strip()), float(row["value"])))
    if read != said or len(read) != count:
        raise WrongError("other promises than the file makes")
    return "read"


def _day(text: str) -> dt.date:
    return dt.date.fromisoformat(text) if "-" in text else dt.datetime.strptime(text, "%d/%m/%Y").date()
