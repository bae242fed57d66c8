"""What the check says of terms holds: nobody whom the model is for has one that is told to be for nobody, and so on."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from complaints import definition
from hypothesis import given, note
from hypothesis import strategies as st

from popstrat.errors import PackError
from popstrat.packs.evaluator import Reference
from popstrat.packs.load import load_pack
from popstrat.packs.possible import remarks

AS_OF = dt.date(2026, 6, 30)
PARTS = st.one_of(
    st.sampled_from(["ckd", "not ckd", "chd", 'sex == "female"', 'sex in {"male", "unknown"}', "hba1c is not null"]),
    st.builds("{} {} {}".format, st.sampled_from(["age", "hba1c"]), st.sampled_from(["<", "<=", ">", ">=", "=="]),
              st.sampled_from([18, 40, 41, 48, 79, 110])),
)  # fmt: skip
CONDITIONS = st.lists(PARTS, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([" and ".join(parts), " or ".join(parts), parts[0], f"not ({parts[0]})"])
)
ROWS = st.fixed_dictionaries({
    "age": st.sampled_from([17, 18, 39, 40, 41, 48, 78, 79, 80, 110]),
    "hba1c": st.sampled_from([None, 18.0, 40.0, 40.5, 48.0, 79.0, 110.0, 199.0]),
    "ckd": st.sampled_from([None, True, False]), "chd": st.booleans(),
    "sex": st.sampled_from(["female", "male", "unknown"]),
})  # fmt: skip
MODEL = """
link = "identity"
draft = true
evidence = "assumption"
eligible = [%s]
inputs = { hba1c = { required = true } }
terms = [{ id = "t", when = '''%s''', coefficient = 1 }, { id = "u", value = "hba1c", coefficient = 1 }]
"""


@given(st.lists(CONDITIONS, min_size=1, max_size=3), CONDITIONS, st.lists(ROWS, min_size=1, max_size=40))
def test_what_is_told_of_terms_is_so(
    tmp_path_factory: Any, eligible: list[str], term: str, rows: list[dict[str, Any]]
) -> None:
    file = tmp_path_factory.mktemp("r") / "p.toml"
    parts = ", ".join(f"{{ when = '''{text}''', reason = 'r{i}' }}" for i, text in enumerate(eligible))
    file.write_text(definition(MODEL % (parts, term), "model"))
    try:
        resolved = load_pack(file).at(AS_OF)
    except PackError:
        return
    told = [remark.told for remark in remarks(resolved)]
    note(f"{eligible} {term} {told}")
    reference = Reference(resolved, {"age", "hba1c", "ckd", "chd", "sex"})
    model = resolved.models["x"]
    (part,) = next(t.parts for t in model.terms if t.id == "t")
    assert part is not None
    found = set()
    for row in rows:
        patient = reference.patient(row)
        if reference.value(model.eligible, patient) is True:  # type: ignore[arg-type]
            found.add(reference.value(part[0], patient))
    for sentence in told:
        if "is for nobody" in sentence:
            assert not found
        if re.search("term 't' can be true for nobody", sentence):
            assert True not in found
        if re.search("term 't' is the same for everybody", sentence):
            assert found <= {True}
