"""Files of questions as people and benchmarks write them: read rightly, or refused by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from viewer.agents.benchmark.grading import given_answer, grade_in, is_same
from viewer.agents.benchmark.questions import Question, read_questions
from viewer.agents.benchmark.recorded import recorded_results
from viewer.agents.errors import AgentError

ABC = ["Gland", "Vessel", "Nerve"]


def row(**more: Any) -> dict[str, Any]:
    return {"slide": "a.svs", "question": "Which?"} | more


def read(tmp_path: Path, rows: Any, name: str = "q.json") -> list[Question]:
    path = tmp_path / name
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows), "utf-8")
    return read_questions(path).questions


@pytest.mark.parametrize(
    ("more", "options", "answer"),
    [
        ({"options": {"A": "x", "C": "y", "D": "z"}, "answer": "C"}, ("x", "y", "z"), "y"),
        ({"options": {"A": "x", "C": "y", "D": "z"}, "answer": "d"}, ("x", "y", "z"), "z"),
        ({"options": '{"A": "x", "C": "y"}', "answer": "C"}, ("x", "y"), "y"),
        ({"options": {"0": "x", "1": "y"}, "answer": 1}, ("x", "y"), "y"),
        ({"options": {"1": "x", "2": "y"}, "answer": "1"}, ("x", "y"), "x"),
        ({"choices": ABC, "answer": "b"}, tuple(ABC), "Vessel"),
        ({"choices": ABC, "answer": "B."}, tuple(ABC), "Vessel"),
        ({"choices": ABC, "answer": "(c)"}, tuple(ABC), "Nerve"),
        ({"choices": ABC, "answer": "b) vessel"}, tuple(ABC), "Vessel"),
        ({"choices": ABC, "answer": " VESSEL "}, tuple(ABC), "Vessel"),
        ({"choices": ABC, "answer": ["Vessel"]}, tuple(ABC), "Vessel"),
        ({"choices": ABC, "answer": 0}, tuple(ABC), "Gland"),
        ({"choices": ABC, "answer": "0"}, tuple(ABC), "Gland"),
        ({"choices": ABC, "answer": 3}, tuple(ABC), "Nerve"),
        ({"choices": ABC, "answer": 3.0}, tuple(ABC), "Nerve"),
        ({"choices": {"text": ABC, "label": ["A", "B", "C"]}, "answer": "B"}, tuple(ABC), "Vessel"),
        ({"choices": [{"label": "K", "text": "x"}, {"label": "L", "text": "y"}], "answer": "L"},
         ("x", "y"), "y"),
        ({"choices": [{"A": "x"}, {"B": "y"}], "answer": "B"}, ("x", "y"), "y"),
        ({"A": "x", "B": "y", "C": "", "answer": "B"}, ("x", "y"), "y"),
        ({"option_a": "x", "option_b": "y", "answer": "b"}, ("x", "y"), "y"),
        ({"opa": "x", "opb": "y", "answer": "a"}, ("x", "y"), "x"),
        ({"Option 1": "x", "Option 2": "y", "answer": "2"}, ("x", "y"), "y"),
        ({"options": ["A) Gland\nof skin", "B) Vessel"], "answer": "A) Gland of skin"},
         ("Gland of skin", "Vessel"), "Gland of skin"),
        ({"options": "A) Gland\nB) Vessel of\nskin\nC) Nerve", "answer": "B"},
         ("Gland", "Vessel of skin", "Nerve"), "Vessel of skin"),
        ({"options": "['Score 0,\nnone', 'Score 1']", "answer": "Score 0, none"},
         ("Score 0, none", "Score 1"), "Score 0, none"),
        ({"options": "Gland\nVessel", "answer": "Vessel"}, ("Gland", "Vessel"), "Vessel"),
        ({"options": "A. Gland B. Vessel C. Nerve", "answer": "C"}, tuple(ABC), "Nerve"),
        ({"options": "Gland | Vessel", "answer": "A"}, ("Gland", "Vessel"), "Gland"),
        ({"options": "Gland; Vessel", "answer": "A"}, ("Gland", "Vessel"), "Gland"),
        ({"options": ["E. coli", "S. aureus"], "answer": "S. aureus"}, ("E. coli", "S. aureus"),
         "S. aureus"),
        ({"options": ["Yes", "No"], "answer": False}, ("Yes", "No"), "No"),
        ({"options": [True, False], "answer": False}, ("true", "false"), "false"),
        ({"options": ["true", "false"], "answer": "False"}, ("true", "false"), "false"),
        ({"options": ["Yes", "No"], "answer": "FALSE"}, ("Yes", "No"), "No"),
        ({"options": ["Ｎｏ", "Yes"], "answer": "no"}, ("Ｎｏ", "Yes"), "Ｎｏ"),
        ({"answer": False}, (), "false"),
        ({"answer": 0}, (), "0"),
        ({"answer": "Adenoma."}, (), "Adenoma."),
        ({"options": [], "answer": "x"}, (), "x"),
        ({"options": None, "answer": "x"}, (), "x"),
    ],
)  # fmt: skip
def test_options_and_answer_are_read_as_they_are_meant(
    tmp_path: Path, more: dict[str, Any], options: tuple[str, ...], answer: str
) -> None:
    (question,) = read(tmp_path, [row(**more)])
    assert (question.options, question.answer) == (options, answer)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"options": ABC, "answer": 1}, 'answer "1" can mean "Gland" or "Vessel"'),
        ({"options": ABC, "answer": "2"}, 'answer "2" can mean "Vessel" or "Nerve"'),
        ({"options": ["2", "3", "4", "5"], "answer": "3"}, 'can mean "3"'),
        ({"options": ["B", "A", "AB"], "answer": "A"}, 'answer "A" can mean "B" or "A"'),
        ({"options": ABC, "answer": "A) Vessel"}, 'can mean "Gland" or "Vessel"'),
        ({"options": {"A": "x", "C": "y"}, "answer": "B"}, "none of its options"),
        ({"options": ABC, "answer": 7}, "none of its options"),
        ({"options": ABC, "answer": "Vess"}, "none of its options"),
        ({"options": ABC, "answer": None}, "answer is missing"),
        ({"options": ABC}, "answer is missing"),
        ({"options": ABC, "answer": ["A", "B"]}, "2 values for its answer"),
        ({"options": "Gland, Vessel", "answer": "Vessel"}, "cannot be told apart"),
        ({"options": ["Gland"], "answer": "Gland"}, "cannot be told apart"),
        ({"options": "['Gland' 'Vessel']", "answer": "A"}, "cannot be told apart"),
        ({"options": "[Gland, Vessel]", "answer": "A"}, "no list that can be read"),
        ({"options": ["x", "x "], "answer": "x"}, "can mean"),
        ({"options": ["Gland", "Vessel"], "answer": True}, "none of its options"),
        ({"slide": "", "answer": "x"}, "slide or its text is missing"),
        ({"slide": "A" * 2000, "answer": "x"}, "image is within the file"),
    ],
)
def test_what_can_be_read_in_two_ways_or_none_is_refused_with_its_line(
    tmp_path: Path, more: dict[str, Any], why: str
) -> None:
    good = json.dumps(row(answer="x"))
    with pytest.raises(AgentError, match=r"Question 2 of q.jsonl \(line 3\)") as caught:
        read(tmp_path, f"{good}\n\n{json.dumps(row(**more))}\n", "q.jsonl")
    assert why in str(caught.value)
    pretty = json.dumps([row(answer="x"), row(**more)], indent=1)
    line = pretty[: pretty.rindex('"question"')].count("\n") + 1
    with pytest.raises(AgentError, match=rf"Question 2 of q.json \(line {line}\)"):
        read(tmp_path, pretty)


def test_numbers_count_as_the_rest_of_their_file_counts(tmp_path: Path) -> None:
    def answers(*numbers: int) -> list[str]:
        return [q.answer for q in read(tmp_path, [row(options=ABC, answer=n) for n in numbers])]

    assert answers(0, 1, 2) == ["Gland", "Vessel", "Nerve"]
    assert answers(1, 2, 3) == ["Gland", "Vessel", "Nerve"]
    with pytest.raises(AgentError, match=r'Question 2 .*answer "1" can mean'):
        answers(0, 1, 3)
    with pytest.raises(AgentError, match=r'Question 1 .*answer "1" can mean'):
        answers(1, 2)


TABLE = 'slide,question,options,answer\na.svs,"Which, then?","Gland|Vessel",b\n'


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("q.csv", TABLE.encode()),
        ("q.csv", TABLE.encode("utf-8-sig")),
        ("q.csv", TABLE.encode("utf-16")),
        ("q.csv", TABLE.encode("utf-16-le")),
        ("q.csv", TABLE.encode("utf-16-be")),
        ("q.csv", TABLE.replace("\n", "\r\n").encode()),
        ("q.csv", TABLE.replace("slide,", " Slide ,").replace("answer\n", "Answer\n\n").encode()),
        ("q.csv", b'slide;question;options;answer\na.svs;"Which, then?";Gland|Vessel;b\n'),
        ("q.tsv", b"slide\tquestion\toptions\tanswer\na.svs\tWhich, then?\tGland|Vessel\tb\n"),
        ("q.txt", b"slide\tquestion\tA\tB\tanswer\na.svs\tWhich, then?\tGland\tVessel\tb\n"),
        ("q.csv", b"slide,question,A,B,C,answer\na.svs,\"Which, then?\",Gland,Vessel,,B\n"),
        ("q.json", json.dumps([row(question="Which, then?", options=ABC[:2], answer="b")]).encode(
            "utf-16")),
        ("q.json", json.dumps([row(question="Which, then?", options=ABC[:2], answer="b")]).encode(
            "utf-8-sig")),
        ("q.json", (json.dumps(row(question="Which, then?", options=ABC[:2], answer="b"))
                    + "\n\n").encode()),
        ("q.jsonl", json.dumps([row(question="Which, then?", options=ABC[:2], answer="b")],
                               indent=2).encode()),
    ],
)  # fmt: skip
def test_tables_and_encodings_as_people_save_them(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    (question,) = read_questions(tmp_path / name).questions
    assert question.text == "Which, then?"
    assert (question.options, question.answer) == (("Gland", "Vessel"), "Vessel")


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("q.csv", b"slide,question,answer\na,b,c\nd,e,f,g\n", "q.csv, line 3: it has 4 cells"),
        ("q.csv", b'slide,question,answer\na,"b,c\n', r"cannot be understood \(line 2"),
        ("q.csv", "slide,question,answer\na,é,c\n".encode("latin-1"), "neither UTF-8 nor UTF-16"),
        ("q.json", b'[\n {"slide": "a",\n  "question" "b"}\n]', r"cannot be understood \(line 3"),
        ("q.jsonl", b'{"question": "a"}\n{oops}\n', r"cannot be understood \(line 2"),
        ("q.csv", b'slide,question,answer\n"a\nb",?,x\nc.svs,,\n', r"Question 2 .* \(line 4\)"),
    ],
)
def test_a_broken_file_is_one_sentence_with_its_line(
    tmp_path: Path, name: str, data: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(AgentError, match=why):
        read_questions(tmp_path / name)


def test_what_its_authors_call_invalid_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text(
        "slide,question,answer,is_valid\na,x?,1,True\nb,y?,,False\nc,z?,2,1\nd,w?,3,0\n"
    )
    file = read_questions(path)
    assert [question.slide for question in file.questions] == ["a", "c"]
    assert file.invalid == 2
    path.write_text("slide,question,answer,is_valid\na,x?,1,False\n")
    with pytest.raises(AgentError, match="no valid questions"):
        read_questions(path)


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ('Acini fuse.\n```json\n{"primary_pattern": 4, "isup_grade": 3}\n```', "3"),
        ('{"isup_grade": "Grade 4"}', "4"),
        ("4", "4"),
        ("Grade 2.", "2"),
        ("Gleason 3+4=7, ISUP grade group 2.", "2"),
        ("Gleason score 4+3 = 7 (ISUP grade: 3)", "3"),
        ("ISUP grade 4, at most ISUP grade 5", None),
        ("Gleason 4+4=8", None),
        ("It is high.", None),
        ('{"isup_grade": 7}', None),
        ('{"isup_grade": null}', None),
    ],
)
def test_a_grade_is_exact_or_none(text: str, grade: str | None) -> None:
    assert grade_in(text) == grade
    asked = Question("1", "s", 'Answer {"isup_grade": GRADE}', (), "3", "panda")
    given = given_answer(asked, text, None)
    assert (given is not None and is_same(given, asked)) == (grade == "3")


def test_a_free_answer_is_right_only_where_it_is_the_right_one() -> None:
    asked = Question("1", "s", "Diagnosis?", (), "Adenocarcinoma")
    assert asked.is_free
    for right in ("adenocarcinoma.", "Answer: Adenocarcinoma", "**Adenocarcinoma**"):
        assert is_same(right, asked)
    for wrong in ("No adenocarcinoma", "Adenocarcinoma is excluded.", "adeno"):
        assert not is_same(wrong, asked)
    assert is_same("No.", Question("1", "s", "?", (), "false"))


@pytest.mark.parametrize(
    ("options", "predictions", "given"),
    [
        (ABC, [0, 1, "2"], ABC),  # counted from 0, as the first of them tells
        (ABC, [1, 2, "3"], ABC),
        (["Yes", "No"], [False, True, "FALSE"], ["No", "Yes", "No"]),
        (ABC, [["b"], {"choice": "C"}, "The answer is A) Gland"], ["Vessel", "Nerve", "Gland"]),
        (["0", "1", "2"], [0, "1", 2], ["0", None, None]),  # two readings: no answer
    ],
)
def test_recorded_answers_are_read_as_they_are_written(
    tmp_path: Path, options: list[str], predictions: list[Any], given: list[str | None]
) -> None:
    rows = [row(id=str(n), options=options, answer=options[0]) for n in range(3)]
    questions = read(tmp_path, rows)
    recorded = tmp_path / "recorded.json"
    answers = [{"id": str(n), "prediction": each} for n, each in enumerate(predictions)]
    recorded.write_text(json.dumps(answers), "utf-8")
    assert [each.given for each in recorded_results(questions, recorded)] == given
