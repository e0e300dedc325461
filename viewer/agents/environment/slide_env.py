"""The environment: reset, step, and what is seen (Gymnasium)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.agents.environment.checked import (
    SlideEnvError,
    check_options,
    checked_field,
    checked_index,
    checked_size,
    checked_tasks,
    choice_of,
    part_of,
    whole_number,
)
from viewer.agents.environment.kept_tiles import KeptTiles
from viewer.agents.environment.rewards import REWARDS, Reward, SlideTask, Transition
from viewer.agents.errors import AgentError
from viewer.geometry import Size
from viewer.recording.demonstrations import ANSWER, KINDS, MOVE, STOP, ZOOM
from viewer.recording.field_of_view import FieldOfView
from viewer.slides import open_slide
from viewer.slides.displayed import shown_region

try:
    import gymnasium
    from gymnasium import spaces
    from gymnasium.envs.registration import EnvSpec, registry
except ImportError as error:
    raise AgentError(
        "The environment needs Gymnasium: pip install coverslip[environment]."
    ) from error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.geometry import Box

NAME = "Coverslip/Slide-v0"
"""What `gymnasium.make` calls it."""

_TILE_BYTES = 256 << 20
_OVERVIEW_PX = 128

Observation = Any  # an image, or a dict of arrays: what the spaces say
Action = dict[str, Any]


class SlideEnv(gymnasium.Env[Observation, Action]):
    """A field of view on a slide that an agent moves, as a reader moves the stage.

    An action has a kind: 0 moves by `move`, in widths of the field to the right and heights down;
    1 zooms by `zoom` doublings of the magnification, what lies at `move` (from the middle of the
    field) staying in place, as under a cursor; 2 stops; 3 gives `answer`, the number of a choice.
    Stop and answer end the episode; `max_steps` cuts it off.

    The observation is the field as uint8 (height, width, 3); white lies beyond the slide. With
    `observation="dict"` it is a dict of that ("image"), the whole slide ("overview", uint8
    (128, 128, 3)) and the field's place ("field": x0, y0, x1, y1 as shares of the slide).
    `info` has "slide", "field" (level-0 pixels), "downsample", "magnification" (None where the
    slide tells none), "question", "choices" and "unreadable_tiles".

    Parameters
    ----------
    slides
        Paths, or `SlideTask`s with questions, answers and targets. Each episode begins with one
        of them by chance, or the one that `reset(options={"slide": INDEX})` names.
    size_px
        Side of the observation, or its (width, height).
    seed
        Of the first reset that is given none.
    reward
        "answer" (1 for the right one), "targets" (1 for each that is found), "coverage" (the share
        of tissue that is seen for the first time), or a `Reward` of your own.
    observation
        "image" or "dict".
    max_steps
        Steps of an episode.

    Raises
    ------
    CoverslipError
        There is no slide, or an argument makes no sense. A slide that cannot be opened is told by
        `reset`.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - as Gymnasium types it

    def __init__(
        self,
        slides: Sequence[str | PathLike[str] | SlideTask] | str | PathLike[str] | SlideTask,
        size_px: int | tuple[int, int] = 512,
        seed: int | None = None,
        *,
        reward: str | Reward = "answer",
        observation: str = "image",
        max_steps: int = 200,
        render_mode: str | None = None,
    ) -> None:
        self.tasks = checked_tasks(slides)
        self.size_px = checked_size(size_px)
        _check(max_steps, observation, reward, render_mode)
        self.max_steps = max_steps
        self.render_mode = render_mode
        self._reward = REWARDS[reward]() if isinstance(reward, str) else reward
        self._has_overview = observation == "dict"
        self._seed = seed
        self._open: tuple[Path, KeptTiles] | None = None
        self._task = self.tasks[0]
        self._field: FieldOfView | None = None
        self._overview = np.zeros((_OVERVIEW_PX, _OVERVIEW_PX, 3), np.uint8)
        self._image: NDArray[np.uint8] | None = None
        self._steps = 0
        self._most_choices = max(1, *(len(task.choices) for task in self.tasks))
        unbounded = (-np.inf, np.inf)
        self.action_space = spaces.Dict(
            {
                "kind": spaces.Discrete(len(KINDS)),
                "move": spaces.Box(*unbounded, (2,), np.float64),
                "zoom": spaces.Box(*unbounded, (1,), np.float64),
                "answer": spaces.Discrete(self._most_choices),
            }
        )
        width, height = int(self.size_px.width), int(self.size_px.height)
        image = spaces.Box(0, 255, (height, width, 3), np.uint8)
        self.observation_space = (
            image
            if not self._has_overview
            else spaces.Dict(
                {
                    "image": image,
                    "overview": spaces.Box(0, 255, self._overview.shape, np.uint8),
                    "field": spaces.Box(*unbounded, (4,), np.float64),
                }
            )
        )

    @property
    def field(self) -> Box:
        """Return what is shown, in level-0 pixels; it may reach beyond the slide."""
        return self._now.box

    @property
    def view(self) -> FieldOfView:
        """Return the field with its scale and limits."""
        return self._now

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode with a whole slide in view.

        Parameters
        ----------
        options
            "slide": the index of the slide; "field": what to begin with, x0, y0, x1, y1 in level-0
            pixels.

        Raises
        ------
        CoverslipError
            The slide cannot be opened, or there is none of this index.
        """
        wanted = {} if options is None else options
        check_options(wanted)
        begin = checked_field(wanted["field"]) if "field" in wanted else None
        super().reset(seed=self._seed if seed is None else seed)
        self._seed = None
        by_chance = int(self.np_random.integers(len(self.tasks)))
        self._task = self.tasks[checked_index(wanted.get("slide", by_chance), len(self.tasks))]
        source = self._source_of(self._task.slide)
        level = source.levels[0]
        slide = Size(level.width_px, level.height_px)
        self._field = FieldOfView.of_whole(slide, self.size_px)
        if self._has_overview:
            self._overview = self._read(
                FieldOfView.of_whole(slide, Size(_OVERVIEW_PX, _OVERVIEW_PX))
            )
        if begin is not None:
            self._field = FieldOfView.holding(begin, slide, self.size_px)
        self._image = self._read(self._field)
        self._steps = 0
        self._reward.begin(self._task, source)
        return self._seen(), self._info()

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Do one action; return observation, reward, terminated, truncated and info.

        Raises
        ------
        CoverslipError
            There was no reset, or the action is of no kind.
        """
        before = self._now
        kind = choice_of(action, "kind", len(KINDS))
        answer = choice_of(action, "answer", self._most_choices) if kind == ANSWER else None
        if kind == ZOOM:
            (octaves,) = part_of(action, "zoom", 1)
            x, y = part_of(action, "move", 2)
            self._field = before.zoomed(octaves, (x, y))
        elif kind == MOVE:
            x, y = part_of(action, "move", 2)
            self._field = before.moved((x, y))
        self._steps += 1
        if self._now != before:
            self._image = self._read(self._now)
        reward = self._reward.of(Transition(KINDS[kind], answer, before, self._now))
        is_over = kind in (STOP, ANSWER)
        is_cut = not is_over and self._steps >= self.max_steps
        return self._seen(), float(reward), is_over, is_cut, self._info()

    def render(self) -> NDArray[np.uint8] | None:
        """Return the field that is shown, uint8 (height, width, 3)."""
        if self.render_mode != "rgb_array" or self._image is None:
            return None
        return self._image.copy()

    def close(self) -> None:
        """Close the slide."""
        if self._open is not None:
            self._open[1].close()
            self._open = self._field = self._image = None

    # -----------------------------------------------------------------------------------------

    @property
    def _now(self) -> FieldOfView:
        if self._field is None:
            raise SlideEnvError("The environment shows no slide yet: call reset first.")
        return self._field

    def _source_of(self, path: Path) -> KeptTiles:
        if self._open is not None and self._open[0] == path:
            return self._open[1]
        self.close()
        source = KeptTiles(open_slide(path), _TILE_BYTES)
        self._open = (path, source)
        return source

    def _read(self, field: FieldOfView) -> NDArray[np.uint8]:
        assert self._open is not None
        width, height = int(field.size_px.width), int(field.size_px.height)
        source = self._open[1]
        return shown_region(source, field.box, width, height)

    def _seen(self) -> Observation:
        assert self._image is not None
        if not self._has_overview:
            return self._image.copy()  # who keeps it must not see it change
        box, slide = self._now.box, self._now.slide
        place = (
            box.x0 / slide.width,
            box.y0 / slide.height,
            box.x1 / slide.width,
            box.y1 / slide.height,
        )
        return {
            "image": self._image.copy(),
            "overview": self._overview.copy(),
            "field": np.array(place),
        }

    def _info(self) -> dict[str, Any]:
        assert self._open is not None
        field, source = self._now, self._open[1]
        box = field.box
        return {
            "slide": str(self._task.slide),
            "field": box.bounds,
            "downsample": field.downsample,
            "magnification": source.info.optics.magnification(field.downsample),
            "question": self._task.question,
            "choices": self._task.choices,
            "unreadable_tiles": source.unreadable,
        }


def _check(
    max_steps: int,
    observation: str,
    reward: str | Reward,
    render_mode: str | None,
) -> None:
    try:
        is_long_enough = whole_number(max_steps) >= 1
    except TypeError:
        is_long_enough = False
    if not is_long_enough:
        raise SlideEnvError("max_steps is the length of an episode: give 1 or more.")
    if observation not in ("image", "dict"):
        raise SlideEnvError(f'There is no observation "{observation}": use image or dict.')
    is_known = reward in REWARDS if isinstance(reward, str) else hasattr(reward, "of")
    if not is_known:
        raise SlideEnvError(f'There is no reward "{reward}": use {", ".join(REWARDS)}.')
    if render_mode not in (None, "rgb_array"):
        raise SlideEnvError(f'There is no render mode "{render_mode}": use rgb_array.')


registry[NAME] = EnvSpec(NAME, f"{__name__}:{SlideEnv.__name__}")
