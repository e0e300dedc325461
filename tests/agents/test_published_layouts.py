"""Benchmarks as their authors publish them, through the command: their scores, their baselines."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from model_server import Answer, Fail, ModelServer, Say, model_server, pictures_of, texts_of
from PIL import Image
from pycocotools import mask as coco
from session_lines import read_exchanges
from test_client import endpoint
from typer.testing import CliRunner

from viewer.agents.benchmark.scores import scores_of
from viewer.cli.agents import evaluate_agent

COLUMNS = (
    "benchmark_name", "benchmark_id", "image_path", "answer", "options", "image_exists",
    "patch_exists", "is_valid", "metric_type", "file_id", "prompt",
)  # fmt: skip
ORGANS = "['Colon', 'Skin', 'Lung']"
CHOOSE = (
    "What organ type is shown? \n\nSelect from the following options: \n{options}\n\nPlease choose "
    'the number of the correct option:\n```json\n{{"answer": YOUR_ANSWER}}\n```\n'
)
GRADE = 'Provide an ISUP grade:\n```json\n{{\n  "isup_grade": ISUP_GRADE_NUMBER\n}}\n```\n'


def image(path: Path, size: tuple[int, int] = (96, 80)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(path.name))
    Image.fromarray(rng.integers(60, 220, (size[1], size[0], 3), dtype=np.uint8)).save(path)


def evaluate(server: ModelServer, *more: object) -> tuple[int, dict[str, Any], str]:
    """The command as a researcher runs it: exit status, scores and what was said."""
    app = typer.Typer()
    app.callback()(lambda: None)
    app.command("agent")(evaluate_agent)
    command = ["agent", "--policy", "thumbnail", "--url", server.url, "--model", "tiny", "--permit"]
    told = CliRunner().invoke(app, [*command, "--json", *map(str, more)])
    return told.exit_code, json.loads(told.stdout) if told.stdout else {}, told.stderr


def answers(by_words: dict[str, str]) -> Any:
    """A server that answers each question as was recorded."""

    def script(body: dict[str, Any]) -> Answer:
        asked = texts_of(body)
        return next((Say(text) for words, text in by_words.items() if words in asked), Fail(400))

    return script


def multipathqa(folder: Path) -> Path:
    rows = [
        ("gtex", "GTEX-1", "GTEX-1.png", "Colon", ORGANS, "balanced_accuracy", CHOOSE),
        ("gtex", "GTEX-2", "GTEX-2.png", "Colon", ORGANS, "balanced_accuracy", CHOOSE),
        ("gtex", "GTEX-3", "GTEX-3.png", "Skin", ORGANS, "balanced_accuracy", CHOOSE),
        ("panda", "9108", "9108.png", "1", "", "balanced_accuracy", GRADE),
        ("tcga_slidebench", "102", "TCGA-A.png", "2", "['2', '3', '4', '5']", "accuracy",
         "What is the secondary Gleason pattern?"),
        ("tcga_expert_vqa", "102", "TCGA-A.png", "1", "['Yes,DCIS', 'No,DCIS']", "accuracy",
         "Is DCIS identified?"),
    ]  # fmt: skip
    path = folder / "MultiPathQA.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for name, number, slide, answer, options, metric, prompt in rows:
            whole = (True, True, True, metric, number, prompt)
            writer.writerow((name, number, slide, answer, options, *whole))
            source = {"panda": "panda", "gtex": "gtex"}.get(name, "tcga")
            image(folder / "slides" / source / slide)
        writer.writerow((*rows[0][:5], True, False, False, *rows[0][5:6], "x", CHOOSE))
    return path


def test_multipathqa_gives_the_scores_of_the_paper(tmp_path: Path) -> None:
    path = multipathqa(tmp_path)
    recorded = answers(
        {
            "organ type": '```json\n{"answer": 1}\n```',
            "ISUP": 'Benign glands. {"isup_grade": 1}',
            "Gleason pattern": "<think>4?</think>The answer is 2",
            "DCIS": '{"answer": "B"}',
        }
    )
    with model_server(recorded) as server:
        common = ("--questions", path, "--slides", tmp_path / "slides", "-o", tmp_path / "out")
        code, scores, said = evaluate(server, *common)
        asked = texts_of(server.requests[0])
        assert len(server.requests) == 7  # "2" is an option's words and another's number
    assert code == 0, said
    assert "their authors say is_valid is false: 1 question." in said
    assert "1. Colon\n2. Skin\n3. Lung" in asked
    assert asked.count("1. Colon") == 1
    assert '{"answer": YOUR_ANSWER}' in asked
    assert len(pictures_of(server.requests[0])) == 1
    gtex = scores["gtex"]
    assert gtex["accuracy"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert gtex["balanced_accuracy"]["value"] == 0.5  # recalls of colon 1 and skin 0
    assert gtex["metric"] == "balanced_accuracy"
    assert gtex["reported"] == gtex["balanced_accuracy"]
    assert gtex["reported"]["std"] > 0
    assert scores["panda"]["accuracy"]["value"] == 1.0
    assert scores["tcga_expert_vqa"]["accuracy"]["value"] == 0.0
    assert scores["tcga_slidebench"]["failed"] == 1
    lines = [json.loads(each) for each in (tmp_path / "out" / "results.jsonl").open()]
    assert {each["id"] for each in lines[1:]} == {
        "GTEX-1", "GTEX-2", "GTEX-3", "9108", "tcga_slidebench/102", "tcga_expert_vqa/102",
    }  # fmt: skip
    shutil.rmtree(tmp_path / "slides")
    (tmp_path / "slides").mkdir()
    with model_server(recorded) as server:
        code, scores, said = evaluate(server, *common[:4], "-o", tmp_path / "none")
        assert server.requests == []
    assert (code, scores) == (2, {})
    assert "none of their slides is in" in said


def test_the_bootstrap_is_the_papers(tmp_path: Path) -> None:
    """1,000 resamples of the questions, and the standard deviation over them."""
    from test_benchmark import result

    rng = np.random.default_rng(5)
    truth = rng.choice(["a", "b", "c"], 150, p=[0.7, 0.2, 0.1])
    said = np.where(rng.random(150) < 0.6, truth, "a")
    figure = scores_of([result(t, s) for t, s in zip(truth, said, strict=True)]).balanced_accuracy
    drawn = []
    for _ in range(1000):
        some = rng.integers(0, 150, 150)
        kinds = np.unique(truth[some])
        drawn.append(np.mean([(said[some] == k)[truth[some] == k].mean() for k in kinds]))
    assert figure.std == pytest.approx(np.std(drawn, ddof=1), rel=0.15)
    assert (figure.low, figure.high) == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.03)


def test_pathmmu_is_scored_by_part_and_split(tmp_path: Path) -> None:
    def row(number: int, name: str, answer: str) -> dict[str, Any]:
        return {
            "No": number, "img": name, "question": f"What is {name}?", "explanation": "...",
            "options": ["A) Gland", "B) Vessel", "C) Nerve"], "answer": answer,
        }  # fmt: skip

    data = {
        "PubMed": {
            "test_tiny": [row(1, "a.png", "A) Gland")],
            "test": [row(1, "b.png", "B) Vessel"), row(2, "gone.png", "B) Vessel")],
        },
        "Atlas": {"test": [row(1, "c.png", "C) Nerve"), row(2, "d.png", "A) Gland")]},
    }
    (tmp_path / "data.json").write_text(json.dumps(data))
    for name in "abcd":
        image(tmp_path / "images" / f"{name}.png")
    recorded = answers({"a.png": "(A)", "b.png": "A", "c.png": "C) Nerve", "d.png": "Answer: A."})
    with model_server(recorded) as server:
        code, scores, said = evaluate(
            server, "--questions", tmp_path / "data.json", "-o", tmp_path / "out"
        )
        assert "A. Gland" in texts_of(server.requests[0])
        assert len(server.requests) == 4
    assert code == 1, said  # done in part
    assert "PubMed/test/2 is left out (gone.png): The slide was not found." in said
    shown = {name: (each["questions"], each["accuracy"]["value"]) for name, each in scores.items()}
    assert shown == {
        "PubMed": (2, 0.5), "PubMed/test": (1, 0.0), "PubMed/test_tiny": (1, 1.0),
        "Atlas/test": (2, 1.0), "all": (4, 0.75),
    }  # fmt: skip
    assert scores["PubMed"]["left_out"] == scores["all"]["left_out"] == 1


def test_refpath_is_measured_by_boxes(tmp_path: Path) -> None:
    boxes = {"1.png": [10, 10, 50.7, 50], "2.png": [0, 0, 20, 20], "3.png": [5, 5, 30, 30]}
    lines = [
        {"image_id": name, "image": f"refpath_image/{name}", "bbox": box, "bbox_id": n,
         "expression": [f"[tumor nest of {name}]"], "height": 80, "width": 96}
        for n, (name, box) in enumerate(boxes.items())
    ]  # fmt: skip
    (tmp_path / "testA.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for name in boxes:
        image(tmp_path / name)
    recorded = answers(
        {
            "nest of 1.png": '{"bbox_2d": [10, 10, 50, 40]}',
            "nest of 2.png": "It lies at [10, 0, 30, 20].",
            "nest of 3.png": "I cannot see it.",
        }
    )
    with model_server(recorded) as server:
        code, scores, said = evaluate(
            server, "--questions", tmp_path / "testA.jsonl", "-o", tmp_path / "out"
        )
    assert code == 0, said
    ious = [0.75, 1 / 3, 0.0]  # the box is [10, 10, 50, 50] in whole pixels, as its authors cut it
    places = scores["all"]["grounding"]
    assert places["mean_iou"]["value"] == pytest.approx(np.mean(ious), abs=1e-4)
    assert places["accuracy_at"]["0.50"] == pytest.approx(1 / 3, abs=1e-4)
    assert places["accuracy_at"]["0.75"] == 0.0  # above, not at
    assert scores["all"]["accuracy"]["value"] == pytest.approx(1 / 3, abs=1e-4)
    assert scores["all"]["failed"] == 1


def test_pathmr_is_measured_by_pixels(tmp_path: Path) -> None:
    wanted = np.zeros((80, 96), np.uint8)
    wanted[20:60, 10:50] = 1
    packed: Any = coco.encode(np.asfortranarray(wanted))
    runs = {"size": [80, 96], "counts": packed["counts"].decode()}
    data = {
        "data": [
            {"img_origin": "/app/there/1.png", "questions": ["Which cells are neoplastic?", "Fat?"],
             "answers": [[{"segmentation": runs, "category_id": 1}]] * 2,
             "text_answers": ["These [SEG].", "These [SEG]."]}
        ]
    }  # fmt: skip
    (tmp_path / "reason_seg_val.json").write_text(json.dumps(data))
    image(tmp_path / "1.png")
    recorded = answers(
        {
            "neoplastic": '{"polygons": [[[10, 20], [50, 20], [50, 40], [10, 40]]]}',
            "Fat": '{"polygons": [[[60, 20], [90, 20], [90, 40], [60, 40]]]}',
        }
    )
    with model_server(recorded) as server:
        code, scores, said = evaluate(
            server, "--questions", tmp_path / "reason_seg_val.json", "-o", tmp_path / "out"
        )
    assert code == 0, said
    places = scores["all"]["grounding"]
    assert places["mean_iou"]["value"] == pytest.approx((0.5 + 0) / 2)
    assert places["mean_dice"]["value"] == pytest.approx((2 / 3 + 0) / 2, abs=1e-4)
    assert places["cumulative_iou"] == pytest.approx(800 / (1600 + 1600 + 600), abs=1e-4)


def test_a_judge_marks_free_answers_and_its_prompt_is_kept(tmp_path: Path) -> None:
    rows = [
        {"slide": "a.png", "question": f"Diagnosis {n}?", "answer": "Adenocarcinoma"}
        for n in range(3)
    ]
    (tmp_path / "q.json").write_text(json.dumps(rows))
    image(tmp_path / "a.png")
    verdicts = iter(('{"verdict": "correct"}', '{"verdict": "incorrect"}', "maybe", "perhaps"))

    def script(body: dict[str, Any]) -> Answer:
        if body["model"] == "judge":
            return Say(next(verdicts))
        return Say("A gland-forming cancer. No squamous cell carcinoma.")

    with model_server(script) as server:
        common = ("--questions", tmp_path / "q.json", "-o", tmp_path / "out")
        _, scores, said = evaluate(server, *common)
        assert "Name a model with --judge" in said
        assert scores["all"]["accuracy"]["value"] == 0.0
        _, scores, said = evaluate(server, *common, "--judge", "judge")
        judged = [body for body in server.requests if body["model"] == "judge"]
    assert "differs from the answers kept: judge, judge's prompt." in said
    assert scores["all"]["accuracy"]["value"] == pytest.approx(1 / 3, abs=1e-4)
    assert "gland-forming" in texts_of(judged[0], "user")
    assert pictures_of(judged[0]) == []
    kept = read_exchanges(tmp_path / "out" / "judge")
    assert len(kept) == 4
    assert "You mark answers" in kept[0]["sent"][0]["text"]


def test_the_patch_baseline_asks_of_random_patches_and_takes_the_majority(
    sample_slide: Path, tmp_path: Path
) -> None:
    from viewer.agents.benchmark.harness import BenchmarkRun, run_benchmark
    from viewer.agents.benchmark.questions import Question
    from viewer.agents.permission import Permission
    from viewer.agents.policy_choice import PolicyChoice

    said = iter(["A", "B", "B", "no idea", "no idea", "B", "A"] * 2)
    with model_server(lambda _: Say(next(said))) as server:
        to = endpoint(server)
        choice = PolicyChoice(
            "patch", endpoint=to, study="bench", permission=Permission.now("bench", to.host)
        )
        asked = [Question("1", sample_slide.name, "Which?", ("Gland", "Vessel"), "Vessel")]
        from viewer.agents.reading import ReadingOptions

        bench = BenchmarkRun(
            asked, sample_slide.parent, "patch", "tiny", choice.made, ReadingOptions(6)
        )
        (first,) = run_benchmark(bench, tmp_path / "1")
        (second,) = run_benchmark(bench, tmp_path / "2")
        sent = [pictures_of(body) for body in server.requests]
    assert (first.given, first.steps, first.is_right) == ("Vessel", 6, True)
    assert second.given == "Vessel"
    assert all(len(each) == 1 for each in sent)
    half = len(sent) // 2
    assert sent[:half] == sent[half:]  # the same patches each time
    assert len({each[0] for each in sent[:half]}) == 6


def test_answers_recorded_elsewhere_are_scored_without_asking(tmp_path: Path) -> None:
    path = multipathqa(tmp_path)
    report = "<report>Crypts.</report>\n<response>```json\n{}\n```</response>"
    records = [
        {"benchmark": "gtex", "file_id": "GTEX-1", "status": "ok",
         "prediction": report.format('{"answer": 1}')},
        {"benchmark": "gtex", "file_id": "GTEX-2", "status": "timeout", "prediction": None},
        *({"benchmark": "gtex", "file_id": "GTEX-3", "patch_idx": n, "prediction": said}
          for n, said in enumerate(["1", "2", "Skin", "no idea"])),
        {"benchmark": "panda", "file_id": "9108", "prediction": '{"isup_grade": 2}'},
        {"benchmark": "tcga_expert_vqa", "file_id": 102, "prediction": "<think>B</think>A"},
    ]  # fmt: skip
    (tmp_path / "giant.jsonl").write_text("\n".join(map(json.dumps, records)))
    with model_server([]) as server:
        code, scores, said = evaluate(
            server, "--questions", path, "--recorded", tmp_path / "giant.jsonl",
            "-o", tmp_path / "out",
        )  # fmt: skip
        assert server.requests == []
    assert code == 1, said
    assert "Left out, as giant.jsonl has no answer to them: 1 question." in said
    assert scores["all"]["left_out"] == 1
    assert scores["gtex"]["accuracy"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert scores["gtex"]["balanced_accuracy"]["value"] == 0.75  # colon 1 of 2, skin 1 of 1
    assert scores["gtex"]["failed"] == 1
    assert scores["panda"]["accuracy"]["value"] == 0.0
    assert scores["tcga_expert_vqa"]["accuracy"]["value"] == 1.0
    (tmp_path / "other.json").write_text('[{"id": "x", "response": "A"}]')
    with model_server([]) as server:
        code, _, said = evaluate(
            server, "--questions", path, "--recorded", tmp_path / "other.json", "-o", tmp_path
        )
    assert code == 2
    assert "other.json answers none of the questions" in said
