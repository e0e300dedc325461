"""Forms: what may be in them, and that mistakes are told with their line."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from project_steps import FORM, write_forms

from viewer.studies.forms import FormError, parse_forms, read_forms, unanswered
from viewer.studies.json_locations import line_of


def mistake(text: str) -> str:
    with pytest.raises(FormError) as caught:
        parse_forms(text, "forms.json")
    return str(caught.value)


def test_a_file_of_forms_and_one_of_a_form(tmp_path: Path) -> None:
    (form,) = read_forms(write_forms(tmp_path / "forms.json", FORM))
    assert parse_forms(json.dumps(FORM), "form.json") == (form,)
    assert [question.kind for question in form.questions] == ["choice", "multi", "number", "text"]
    assert [question.id for question in unanswered(form, {})] == ["pattern"]
    assert unanswered(form, {"pattern": "4"}) == []
    assert len(unanswered(form, {"pattern": ""})) == 1


def changed(number: int, **members: object) -> dict:
    questions = [dict(question) for question in FORM["questions"]]
    questions[number] |= members
    questions[number] = {key: told for key, told in questions[number].items() if told != "gone"}
    return FORM | {"questions": questions}


@pytest.mark.parametrize(
    ("form", "what", "at"),
    [
        (changed(0, kind="choise"), "choise", '"choise"'),
        (changed(1, optoins=[]), '"optoins" is not known here', '"optoins"'),
        (changed(1, options=[]), "multi without options", '"id": "features"'),
        (changed(2, low=200), "range from 200 to 100 is empty", '"low"'),
        (changed(2, options=["1"]), "a number has no options", '"options": [\n        "1"'),
        (changed(3, high=3), "a text has no range", '"high": 3'),
        (changed(1, id="pattern"), "there twice", '"pattern"'),
        (changed(0, text=5), "Expected `str`, got `int`", '"text": 5'),
        (changed(0, text="gone"), "missing required field `text`", '"id": "pattern"'),
        (changed(0, options=["3", "3"]), "twice", '"options": [\n        "3"'),
        (FORM | {"questions": []}, "asks nothing", '"questions": []'),
    ],
)
def test_a_mistake_is_told_with_its_line(form: dict, what: str, at: str) -> None:
    text = json.dumps(form, indent=2)
    told = mistake(text)
    assert what in told
    where = text.rindex(at) if "features" not in at and at != '"id": "pattern"' else text.index(at)
    line = int(told.split("line ")[1].split(":")[0])
    assert abs(line - (text.count("\n", 0, where) + 1)) <= 1, told
    in_file = mistake(json.dumps({"forms": [FORM | {"id": "first"}, form]}, indent=2))
    assert what in in_file


def test_what_is_no_json_is_told_with_its_line() -> None:
    assert mistake('{\n "id": "a",\n "questions": [}\n').startswith("forms.json, line 3:")
    assert "line 1" in mistake("")
    assert "line 1" in mistake("[]")
    assert "there is no form" in mistake('{"forms": []}')


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FormError, match="cannot be read"):
        read_forms(tmp_path / "nowhere.json")
    (tmp_path / "a.json").write_bytes(b"\xff\xfe")
    with pytest.raises(FormError, match="UTF-8"):
        read_forms(tmp_path / "a.json")


def test_answers_are_held_against_their_question() -> None:
    (form,) = parse_forms(json.dumps(FORM), "form.json")
    pattern, features, share, conclusion = form.questions
    for question, good, bad in (
        (pattern, "3", "9"),
        (features, ("cribriform",), ("cribriform", "other")),
        (share, 100.0, 100.5),
        (share, 0, True),
        (share, 7, float("nan")),
        (conclusion, "any", 3.0),
    ):
        assert question.complaint(good) == ""
        assert question.complaint(bad) != ""
        assert question.complaint(None) == ""
    assert share.range_text == "from 0 to 100 %"


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(_json, st.sampled_from([None, 1, 2]))
def test_each_place_of_any_json_is_found(told: object, indent: int | None) -> None:
    text = json.dumps(told, indent=indent)

    def walk(inner: object, path: tuple) -> None:
        line = line_of(text, path)
        assert 1 <= line <= text.count("\n") + 1
        if isinstance(inner, dict):
            for name, further in inner.items():
                walk(further, (*path, name))
        elif isinstance(inner, list):
            for index, further in enumerate(inner):
                walk(further, (*path, index))
        else:
            assert json.dumps(inner) in text.split("\n")[line - 1]

    walk(told, ())


@given(_json)
def test_no_json_makes_reading_fail_otherwise(told: object) -> None:
    for text in (json.dumps(told), msgspec.json.encode({"forms": told}).decode()):
        try:
            parse_forms(text, "forms.json")
        except FormError as error:
            told = str(error)
        else:
            told = "line"
        assert "line" in told
