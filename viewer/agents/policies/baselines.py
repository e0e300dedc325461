"""Baselines without navigation, as GIANT (arXiv 2511.19652) measures them beside itself.

`thumbnail` asks once, of the whole slide at 1,024 pixels. `patch` asks of 30 random patches of
tissue, 224 pixels of level 0 each, one by one, and takes what most of them say.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from viewer.agents.actions import Answer, GoTo, Note
from viewer.agents.chat.conversation import Picture, Turn
from viewer.agents.chat.json_in_text import objects_in
from viewer.agents.choices import plain_words
from viewer.agents.errors import AgentError, BadAnswerError, DeclinedError
from viewer.agents.findings import Claim
from viewer.agents.microscope import picture_of, slide_box
from viewer.agents.policies.answers import GRADE_KEY, final_answer, objects_or_words
from viewer.agents.policies.prompts import BASELINE_CHOICE, question_text, system_text
from viewer.agents.proposals import tissue_of
from viewer.geometry import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.agents.actions import Observation, Scene, Walk
    from viewer.agents.chat.client import Client
    from viewer.slides.source import SlideSource

THUMBNAIL_PX = 1024
PATCH_PX = 224
PATCHES = 30


class ThumbnailPolicy:
    """Asks once, of the whole slide."""

    name = "thumbnail"

    def __init__(self, client: Client, system: str = "", side_px: int | None = None) -> None:
        self._client = client
        self._system = system
        self._side_px = min(side_px or THUMBNAIL_PX, client.endpoint.picture_side_px)

    def walk(self, scene: Scene, first: Observation) -> Walk:
        del first
        whole = slide_box(scene.microscope.source)
        yield GoTo(whole, None, "The whole slide, and nothing else.")
        picture = picture_of(scene.microscope.source, whole, self._side_px)
        yield _asked(self._client, scene, self._system, picture)


class PatchPolicy:
    """Asks of random patches one by one; the answer is what most of them say.

    Which patches are taken depends on the slide alone, so that a run can be repeated.
    """

    name = "patch"

    def __init__(self, client: Client, system: str = "") -> None:
        self._client = client
        self._system = system

    def walk(self, scene: Scene, first: Observation) -> Walk:
        source = scene.microscope.source
        boxes = random_patches(source, min(PATCHES, first.steps_left))
        answers: list[tuple[int, Answer]] = []
        for number, box in enumerate(boxes, 1):
            seen = yield GoTo(box, None, f"Random patch {number} of {len(boxes)}.")
            if seen.trouble:
                continue
            picture = picture_of(source, box, PATCH_PX)
            try:
                answer = _asked(self._client, scene, self._system, picture)
            except (BadAnswerError, DeclinedError) as error:
                yield Note(f"Patch {number} gave no answer: {error}")
            else:
                answers.append((seen.visits[-1].region, answer))
        if not answers:
            raise BadAnswerError("No patch gave an answer.")
        yield _most_said(answers)


def random_patches(source: SlideSource, count: int) -> list[Box]:
    """Return random patches with tissue in their middle; the same ones each time.

    Raises
    ------
    AgentError
        The slide cannot be read, or has no tissue.
    """
    mask = tissue_of(source)
    rows, columns = np.nonzero(mask.cells)
    if not len(rows):
        raise AgentError("No tissue was found on the slide.")
    slide = slide_box(source)
    seed = hashlib.blake2b(source.info.identity.encode(), digest_size=8).digest()
    rng = np.random.default_rng(int.from_bytes(seed))
    drawn = rng.integers(0, len(rows), count)
    offsets = rng.random((count, 2))
    high, wide = mask.cells.shape
    side_x, side_y = min(PATCH_PX, slide.width), min(PATCH_PX, slide.height)
    boxes: list[Box] = []
    for index, (dx, dy) in zip(drawn.tolist(), offsets.tolist(), strict=True):
        x = (columns[index] + dx) * slide.width / wide - side_x / 2
        y = (rows[index] + dy) * slide.height / high - side_y / 2
        x0 = float(round(min(max(x, 0), slide.width - side_x)))
        y0 = float(round(min(max(y, 0), slide.height - side_y)))
        boxes.append(Box(x0, y0, x0 + side_x, y0 + side_y))
    return boxes


def _asked(client: Client, scene: Scene, system: str, picture: np.ndarray) -> Answer:
    """Return the model's answer to the question about one image; raises as `ask_checked`."""
    task = scene.task
    text = question_text(task)
    if task.options and '"answer"' not in task.question:
        text = f"{text}\n{BASELINE_CHOICE}"
    turns = [Turn("user", text, (Picture(picture),))]
    if system:
        turns.insert(0, Turn("system", system_text(system)))
    check = final_answer(task) if task.options else objects_or_words(task)
    answer, _ = client.ask_checked(turns, check, on_text=scene.say, cancel=scene.cancel)
    return answer


def _vote(answer: Answer) -> int | str:
    """Return what an answer counts for: its option, its grade, else its words."""
    if answer.choice is not None:
        return answer.choice
    grades = [found[GRADE_KEY] for found in objects_in(answer.text) if GRADE_KEY in found]
    return str(grades[-1]) if grades else plain_words(answer.text)


def _most_said(answers: Sequence[tuple[int, Answer]]) -> Answer:
    """Return the answer that most patches gave, the earliest of those that as many gave."""
    said = [_vote(answer) for _, answer in answers]
    most, votes = Counter(said).most_common(1)[0]
    chosen = [
        (region, answer)
        for (region, answer), each in zip(answers, said, strict=True)
        if each == most
    ]
    claims = tuple(Claim(f"Patch {region} says so.", region=region) for region, _ in chosen)
    counted = Claim(f"{votes} of {len(answers)} patches say so.", region=chosen[0][0])
    return Answer(chosen[0][1].text, (counted, *claims), chosen[0][1].choice)
