"""The benchmark: shapes of questions, figures, and a run that a kill does not undo."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import forked_programs
import msgspec
import pytest
from model_server import Answer, Fail, Say, model_server
from test_client import endpoint

from viewer.agents.benchmark.harness import BenchmarkRun, run_benchmark
from viewer.agents.benchmark.questions import Question, option_index, read_questions
from viewer.agents.benchmark.results import RESULTS_FILE, Result
from viewer.agents.benchmark.scores import scores_of
from viewer.agents.benchmark.slide_places import SlidePlaces
from viewer.agents.errors import AgentError, EndpointError
from viewer.agents.permission import Permission
from viewer.agents.policy_choice import PolicyChoice
from viewer.agents.reading import ReadingOptions

REPOSITORY = Path(__file__).resolve().parents[2]
OPTIONS = ("Tumor", "No tumor")


def test_multipathqa_is_read(tmp_path: Path) -> None:
    path = tmp_path / "MultiPathQA.csv"
    path.write_text(
        "benchmark_name,benchmark_id,image_path,answer,options,metric_type,file_id,prompt\n"
        "tcga_slidebench,q1,a.svs,2,\"['2', '3', '4', '5']\",accuracy,f,What pattern?\n"
        "gtex,q2,b.svs,Brain,\"['Skin', 'Brain']\",balanced_accuracy,f,Which organ? {options}\n"
        "panda,q3,c.tiff,4,,balanced_accuracy,f,Which ISUP grade?\n"
    )
    one, two, three = read_questions(path).questions
    assert one == Question(
        "q1", "a.svs", "What pattern?", ("2", "3", "4", "5"), "3", "tcga_slidebench"
    )
    assert (one.metric, two.metric) == ("accuracy", "balanced_accuracy")
    assert (two.answer, two.text) == ("Brain", "Which organ? Skin; Brain")
    assert (three.options, three.answer, three.is_grade) == ((), "4", True)


def test_pathmmu_is_read(tmp_path: Path) -> None:
    row = {
        "No": 1,
        "img": "x.jpg",
        "question": "What is it?",
        "options": ["A) Gland", "B) Vessel"],
        "answer": "B) Vessel",
    }
    path = tmp_path / "data.json"
    path.write_text(json.dumps({"PubMed": {"test": [row]}, "Atlas": {"test": [row]}}))
    one, two = read_questions(path).questions
    assert (one.slide, one.options, one.answer) == ("x.jpg", ("Gland", "Vessel"), "Vessel")
    assert (one.task, two.task) == ("PubMed/test", "Atlas/test")
    assert one.id != two.id


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("q.json", "[]", "holds no questions"),
        ("q.json", "{oops", "cannot be understood"),
        ("q.jsonl", '{"question": "?", "slide": "a.svs"}', "Question 1 .* answer is missing"),
        (
            "q.jsonl",
            '{"question": "?", "slide": "a", "options": ["x", "y"], "answer": "z"}',
            "none of its options",
        ),
        ("q.csv", "question,answer\n?,x\n", "slide or its text"),
        ("absent.csv", "", "cannot be read"),
    ],
)
def test_bad_questions_are_one_sentence(tmp_path: Path, name: str, text: str, words: str) -> None:
    path = tmp_path / name
    if text:
        path.write_text(text)
    with pytest.raises(AgentError, match=words):
        read_questions(path)


def test_an_option_is_told_by_words_letter_or_number() -> None:
    options = ("Yes", "No", "4")
    assert option_index(" no ", options) == 1
    assert option_index("B", options) == option_index("(B)", options) == 1
    assert option_index("A) Yes", options) == 0
    assert option_index("4", options) == 2
    assert option_index("1", options) == 0
    assert option_index("perhaps", options) is None


def result(answer: str, given: str | None, **more: Any) -> Result:
    told: dict[str, Any] = {"id": "x", "slide": "s", "task": ""} | more
    return Result(answer=answer, given=given, is_right=answer == given, **told)


def test_figures_are_those_of_the_definitions() -> None:
    results = [
        *(result("pos", "pos") for _ in range(8)),
        *(result("pos", None) for _ in range(2)),
        *(result("neg", "pos") for _ in range(3)),
        *(result("neg", "neg", steps=10, tokens_in=7, cost=0.5) for _ in range(1)),
    ]
    scores = scores_of(results, "pos")
    assert scores.accuracy.value == pytest.approx(9 / 14, abs=1e-4)
    assert scores.balanced_accuracy.value == pytest.approx((0.8 + 0.25) / 2)
    assert scores.failed == 2
    assert (scores.tokens_in, scores.cost) == (7, 0.5)
    assert scores.detection is not None
    assert scores.detection.precision is not None
    assert scores.detection.recall is not None
    assert scores.detection.precision.value == pytest.approx(8 / 11, abs=1e-4)
    assert scores.detection.recall.value == pytest.approx(0.8)
    assert scores.detection.accuracy.value == pytest.approx(9 / 14, abs=1e-4)
    for figure in (scores.accuracy, scores.balanced_accuracy, scores.detection.precision):
        assert 0 <= figure.low < figure.value < figure.high <= 1
    certain = scores_of([result("a", "a")] * 5)
    assert (certain.accuracy.low, certain.accuracy.high) == (1.0, 1.0)
    none = scores_of([result("neg", "neg")] * 3, "pos").detection
    assert none is not None
    assert none.precision is none.recall is None


def questions(slide: Path, count: int) -> list[Question]:
    return [
        Question(f"q{i}", slide.name, f"Question {i}?", OPTIONS, OPTIONS[i % 2])
        for i in range(count)
    ]


def always_tumor(_: dict[str, Any]) -> Answer:
    return Say(calls=(("answer", {"text": "Tumor.", "choice": 1}),), tokens=(50, 5))


def giant(server: Any, slide: Path, count: int) -> BenchmarkRun:
    to = endpoint(server, tries=1, price_in=10.0)
    choice = PolicyChoice(
        "giant", endpoint=to, study="bench", permission=Permission.now("bench", to.host)
    )
    return BenchmarkRun(
        questions(slide, count), slide.parent, "giant", "tiny", choice.made, ReadingOptions(5)
    )


def test_a_run_is_taken_up_where_the_server_failed(sample_slide: Path, tmp_path: Path) -> None:
    asked = 0

    def fails_at_third(body: dict[str, Any]) -> Answer:
        nonlocal asked
        asked += 1
        return Fail(500) if asked == 3 else always_tumor(body)

    with model_server(fails_at_third) as server:
        bench = giant(server, sample_slide, 5)
        with pytest.raises(EndpointError):
            run_benchmark(bench, tmp_path)
        with (tmp_path / RESULTS_FILE).open("ab") as file:
            file.write(b'{"line":"result","id":"q2","sl')  # as a kill would leave it
        results = run_benchmark(bench, tmp_path)
        assert len(server.requests) == 6
        other = BenchmarkRun(
            bench.questions[:4], sample_slide.parent, "giant", "tiny", bench.policy_for
        )
        with pytest.raises(AgentError, match="another policy, model or questions"):
            run_benchmark(other, tmp_path)
    assert [each.id for each in results] == [f"q{i}" for i in range(5)]
    assert [each.is_right for each in results] == [True, False, True, False, True]
    assert results[0].cost == pytest.approx(50 * 10e-6)
    assert (tmp_path / "sessions" / results[0].session / "exchanges.jsonl").is_file()
    lines = (tmp_path / RESULTS_FILE).read_text().splitlines()
    assert len(lines) == 6
    assert all(json.loads(line) for line in lines)


def test_the_limit_of_cost_holds_for_all_questions_together(
    sample_slide: Path, tmp_path: Path
) -> None:
    with model_server(always_tumor) as server:
        bench = msgspec.structs.replace(giant(server, sample_slide, 5), most_cost=0.0009)
        with pytest.raises(AgentError, match="limit of cost"):
            run_benchmark(bench, tmp_path)
        assert len(server.requests) == 2  # 0.0005 each


def test_a_slide_that_is_not_there_is_left_out_said_and_asked_later(
    sample_slide: Path, tmp_path: Path
) -> None:
    spoilt = tmp_path / "spoilt.svs"
    spoilt.write_bytes(b"no slide")
    asked = [
        Question("a", "absent.svs", "?", OPTIONS, "Tumor"),
        Question("b", "spoilt.svs", "?", OPTIONS, "Tumor"),
        Question("c", f"deep/er/{sample_slide.name}", "?", OPTIONS, "Tumor"),
    ]
    shutil.copyfile(sample_slide, tmp_path / sample_slide.name)
    notes: list[str] = []
    with model_server(always_tumor) as server:
        bench = giant(server, sample_slide, 1)
        told = BenchmarkRun(asked, tmp_path, "giant", "tiny", bench.policy_for)
        (only,) = run_benchmark(told, tmp_path / "out", on_note=notes.append)
        assert (only.id, only.is_right) == ("c", True)
        assert any("a is left out (absent.svs): The slide was not found." in n for n in notes)
        assert any(n.startswith("b is left out (spoilt.svs)") for n in notes)
        assert f"deep/er/{sample_slide.name} was found as {sample_slide.name}." in notes
        assert "Left out of all figures: 2 of 3" in notes[-1]
        for name in ("absent.svs", "spoilt.svs"):
            shutil.copyfile(sample_slide, tmp_path / name)
        results = run_benchmark(told, tmp_path / "out")
        assert [each.is_right for each in results] == [True] * 3
        assert len(server.requests) == 3
        with (tmp_path / "absent.svs").open("ab") as file:
            file.write(b"another file now")
        run_benchmark(told, tmp_path / "out")
        assert len(server.requests) == 4  # what lies there now is another slide
        empty = msgspec.structs.replace(told, questions=[replace(asked[0], slide="x.svs")])
        with pytest.raises(AgentError, match="none of their slides is in"):
            run_benchmark(empty, tmp_path / "none")


def test_slides_of_one_name_in_two_folders_are_two(sample_slide: Path, tmp_path: Path) -> None:
    names = ("case1/slide.svs", "case2/slide.svs")
    (tmp_path / "wsi" / "case2").mkdir(parents=True)
    shutil.copyfile(sample_slide, tmp_path / "wsi" / names[1])
    places = SlidePlaces(tmp_path, names)
    assert places.find(names[0]).path is None
    assert places.find(names[1]).path == tmp_path / "wsi" / names[1]
    (tmp_path / "wsi" / "case1").mkdir()
    shutil.copyfile(sample_slide, tmp_path / "wsi" / names[0])
    places = SlidePlaces(tmp_path, names)
    assert places.find(names[0]).path == tmp_path / "wsi" / names[0]
    assert places.find("D:\\data\\case1\\slide.svs").path == tmp_path / "wsi" / names[0]
    both = places.find("slide.svs")
    assert both.path is None
    assert "2 files are named slide.svs (wsi/case1/slide.svs, wsi/case2/slide.svs)" in both.why
    assert places.find("../../etc/passwd").path is None


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"system": "You are terse."}, "system prompt"),
        ({"crop_px": 300}, "crop"),
        ({"address": True}, "address"),
        ({"temperature": 0.5}, "temperature"),
        ({"mpp_um": 0.25}, "mpp"),
        ({"steps": 7}, "steps"),
    ],
)
def test_other_settings_are_asked_anew_and_kept_apart(
    sample_slide: Path, tmp_path: Path, change: dict[str, Any], name: str
) -> None:
    with model_server(always_tumor) as server, model_server(always_tumor) as another:

        def bench(**more: Any) -> BenchmarkRun:
            to = endpoint(another if more.pop("address", False) else server, price_in=10.0)
            if "temperature" in more:
                to = msgspec.structs.replace(to, temperature=more.pop("temperature"))
            options = ReadingOptions(more.pop("steps", 5), mpp_um=more.pop("mpp_um", None))
            given = Permission.now("bench", to.host)
            choice = PolicyChoice("giant", endpoint=to, study="bench", permission=given, **more)
            asked = questions(sample_slide, 1)
            return BenchmarkRun(asked, sample_slide.parent, "giant", "tiny", choice.made, options)

        notes: list[str] = []
        run_benchmark(bench(), tmp_path, on_note=notes.append)
        run_benchmark(bench(), tmp_path, on_note=notes.append)
        assert (len(server.requests), notes) == (1, [])
        run_benchmark(bench(**dict(change)), tmp_path, on_note=notes.append)
        assert len(server.requests) + len(another.requests) == 2
        assert notes == [f"Asked anew, as this differs from the answers kept: {name}."]
        run_benchmark(bench(), tmp_path)
        assert len(server.requests) + len(another.requests) == 2  # the first are still there


def test_questions_of_one_text_give_a_result_each(sample_slide: Path, tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    row = {"slide": sample_slide.name, "question": "Tumor?", "options": OPTIONS, "answer": "Tumor"}
    path.write_text(json.dumps([row, row, row, row | {"id": 2}]))
    asked = read_questions(path).questions
    assert len({each.id for each in asked}) == 4
    with model_server(always_tumor) as server:
        bench = msgspec.structs.replace(giant(server, sample_slide, 1), questions=asked)
        assert len(run_benchmark(bench, tmp_path / "out")) == 4
        assert len(server.requests) == 4


def test_a_failed_question_is_right_in_no_figure() -> None:
    failed = [result("neg", None), result("neg", None), result("pos", None), result("neg", "pos")]
    scores = scores_of(failed, "pos")
    assert scores.accuracy.value == scores.balanced_accuracy.value == 0.0
    assert scores.detection is not None
    assert scores.detection.accuracy.value == 0.0
    assert scores.failed == 3


def test_kill_9_loses_no_answer(sample_slide: Path, tmp_path: Path, own_home: Path) -> None:
    asked = [
        {"id": each.id, "slide": each.slide, "question": each.text}
        | {"options": each.options, "answer": each.answer}
        for each in questions(sample_slide, 4)
    ]
    (tmp_path / "q.json").write_text(json.dumps(asked))

    def slow_at_third(body: dict[str, Any]) -> Answer:
        is_third = len(server.requests) == 3
        return Say("wait " * 9, pause_s=60) if is_third else always_tumor(body)

    with model_server(slow_at_third) as server:
        command = [
            sys.executable, str(REPOSITORY / "app.py"), "evaluate", "agent",
            "--questions", str(tmp_path / "q.json"), "--slides", str(sample_slide.parent),
            "-o", str(tmp_path / "out"), "--policy", "giant", "--url", server.url,
            "--model", "tiny", "--permit", "--positive", "Tumor", "--json",
        ]  # fmt: skip
        first = forked_programs.Popen(
            command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end_s = time.monotonic() + 60
        while len(server.requests) < 3:
            assert time.monotonic() < end_s
            assert first.poll() is None
            time.sleep(0.05)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        second = forked_programs.run(
            command, env=os.environ, capture_output=True, text=True, timeout=90
        )
    assert second.returncode == 0, second.stderr
    scores = json.loads(second.stdout)["all"]
    assert scores["questions"] == 4
    assert scores["accuracy"]["value"] == 0.5
    assert scores["detection"]["recall"]["value"] == 1.0
    assert scores["detection"]["precision"]["value"] == 0.5
    assert json.loads((tmp_path / "out" / "scores.json").read_text())["all"] == scores
    lines = (tmp_path / "out" / RESULTS_FILE).read_text().splitlines()
    assert [json.loads(line).get("id") for line in lines[1:]] == ["q0", "q1", "q2", "q3"]
    assert len(server.requests) == 5
