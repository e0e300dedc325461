"""Trains a predictor of where readers look on their sessions."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import torch

from viewer.attention.examples import Example, example_of
from viewer.attention.fitting import TrainingOptions, fit
from viewer.attention.proposing import field_px
from viewer.attention.readings import BehaviorError, headers_of, origins_text
from viewer.attention.slides_read import none_left, slides_read
from viewer.colors import BAND_COLORS
from viewer.inference.architectures.where_to_look import CELL_PX, MARGIN_CELLS, WhereToLook
from viewer.inference.models.bundle import ModelBundle, check_weights, load_bundle
from viewer.inference.models.bundle_writing import WEIGHTS, write_bundle
from viewer.inference.models.description import ModelDescription
from viewer.inference.models.model_library import BUNDLED
from viewer.recording.behaviors import BANDS
from viewer.slides import TileError
from viewer.typed.safetensors import load_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.attention.fitting import EpochDone
    from viewer.recording.session import SessionHeader

MPP_UM = 4.0
_LEAST_BOXES = 3
"""Of a band, from which its usual size is known."""


class Training(msgspec.Struct):
    """What a training gave.

    Attributes
    ----------
    began_at
        The epoch that it was taken up at; 0 for one that was not interrupted.
    left_out
        A sentence for each slide that could not be used.
    """

    bundle: ModelBundle
    slides: int
    validation_slides: int
    sessions: int
    epochs: int
    best_epoch: int
    validation_loss: float
    began_at: int = 0
    left_out: list[str] = msgspec.field(default_factory=list[str])


def train_predictor(
    folders: Sequence[Path],
    out: Path,
    options: TrainingOptions,
    places: Sequence[Path] = (),
    on_slide: Callable[[int], object] = lambda _: None,
    on_epoch: Callable[[EpochDone], object] = lambda _: None,
) -> Training:
    """Train on sessions and write a model bundle.

    The encoder of Tissue likeness is left as it is; a small convolutional head learns to spread
    the readers' time over the cells of the tissue and the magnifications, by the Kullback-Leibler
    divergence from how they spread it. Some slides are held back; the weights that do best on
    them are kept. Interrupted, the same call goes on after the last whole epoch and ends with
    the same weights, bit for bit.

    Parameters
    ----------
    folders
        Of sessions.
    out
        A new folder for the bundle, or that of a training that was interrupted.
    places
        Slides, and folders of slides.
    on_slide, on_epoch
        Called with how far it is.

    Raises
    ------
    BehaviorError
        The sessions or slides cannot be used.
    BundleError
        The encoder is not sound.
    OSError
        `out` cannot be written.
    """
    headers = headers_of(folders, may_mix=options.may_mix)
    if (out / WEIGHTS).exists():
        raise BehaviorError(f"{out} holds a model already: choose another folder.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BehaviorError(f"{out} holds something else: choose a new folder.")
    work = out.with_name(f"{out.name}.training")
    work.mkdir(parents=True, exist_ok=True)
    about = description()
    left_out: list[str] = []
    model = untrained(options)
    examples = _examples(headers, places, about, model, options, work, left_out, on_slide)
    if not examples:
        raise none_left(left_out)
    done = train_on(examples, headers, out, options, on_epoch)
    done.left_out = left_out
    return done


def train_on(
    examples: list[Example],
    headers: Mapping[Path, SessionHeader],
    out: Path,
    options: TrainingOptions,
    on_epoch: Callable[[EpochDone], object] = lambda _: None,
) -> Training:
    """Train on slides that are embedded already, as `train_predictor` does.

    Parameters
    ----------
    headers
        Of the sessions that the examples were made of.

    Raises
    ------
    BehaviorError
        There is one slide alone.
    BundleError
        The encoder is not sound.
    OSError
        `out` cannot be written.
    """
    if len(examples) < 2:
        raise BehaviorError(
            "Readings of one slide alone cannot be trained on: those of a second slide are needed "
            "to judge the model by."
        )
    work = out.with_name(f"{out.name}.training")
    work.mkdir(parents=True, exist_ok=True)
    model = untrained(options)
    taught, held = _split(examples, options)
    mean, std = _moments(taught)
    model.mean.copy_(mean)
    model.std.copy_(std)
    model.box_um.copy_(_box_sizes(examples))
    fingerprint = _fingerprint(headers, examples, options)
    done, began_at = fit(model, taught, held, options, work, fingerprint, on_epoch)
    model.head.load_state_dict(done.best)
    _calibrate(model, taught)
    bundle = _written(out, model, headers, examples, options)
    shutil.rmtree(work, ignore_errors=True)
    return Training(
        bundle, len(examples), len(held), len(headers), done.epoch, done.best_epoch,
        done.best_loss, began_at,
    )  # fmt: skip


def untrained(options: TrainingOptions) -> WhereToLook:
    """Return the network with its encoder, before the head has learned anything.

    Raises
    ------
    BundleError
        The encoder is not sound.
    """
    model = WhereToLook(len(BANDS), options.width).eval()
    model.encoder.take(_tissue_encoder())
    return model


def description() -> ModelDescription:
    """Return what a predictor's cells are, before it has weights."""
    return ModelDescription(
        name="Where to look",
        version="0",
        task="attention",
        mpp_um=MPP_UM,
        patch_px=(1 + 2 * MARGIN_CELLS) * CELL_PX,
        stride_px=CELL_PX,
        normalization=load_bundle(BUNDLED / "tissue-likeness").description.normalization,
        format="safetensors",
        weights=WEIGHTS,
        sha256="0" * 64,
        license="",
    )


# ---------------------------------------------------------------------------------------------


def _examples(
    headers: dict[Path, SessionHeader],
    places: Sequence[Path],
    about: ModelDescription,
    model: WhereToLook,
    options: TrainingOptions,
    work: Path,
    left_out: list[str],
    on_slide: Callable[[int], object],
) -> list[Example]:
    found: list[Example] = []
    for slide in slides_read(headers, places, about, left_out):
        try:
            example = example_of(slide, model.encoder, about.normalization, options.variants, work)
        except TileError as error:
            left_out.append(str(error))
            continue
        if example is None:
            left_out.append(f"Nobody looked at the tissue of {slide.source.path.name}.")
            continue
        found.append(example)
        on_slide(len(found))
    return found


def _split(
    examples: list[Example], options: TrainingOptions
) -> tuple[list[Example], list[Example]]:
    """Return those that teach and those that judge, by slide."""
    count = min(max(1, round(options.validation_share * len(examples))), len(examples) - 1)
    order = np.random.default_rng(options.seed).permutation(len(examples)).tolist()
    return [examples[i] for i in order[count:]], [examples[i] for i in order[:count]]


def _moments(examples: list[Example]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of each channel over the known cells."""
    parts = [
        each.variants[:, :, 3:-3, 3:-3]
        .transpose(1, 0, 2, 3)[:, :, each.known]
        .reshape(each.variants.shape[1], -1)
        for each in examples
    ]
    cells = np.concatenate(parts, 1).astype(np.float32)
    mean, std = cells.mean(1), cells.std(1) + 1e-3
    return torch.as_tensor(mean), torch.as_tensor(std)


def _box_sizes(examples: list[Example]) -> torch.Tensor:
    """Return (bands, 2) the median box of each band; a screen's field where there are too few."""
    boxes = np.concatenate([each.box_um for each in examples])
    sizes: list[NDArray[np.float64]] = []
    for band, magnification in enumerate(BANDS):
        own = boxes[boxes[:, 0] == band, 1:]
        is_enough = len(own) >= _LEAST_BOXES
        sizes.append(np.median(own, 0) if is_enough else np.array(field_px(magnification, 1.0)))
    return torch.as_tensor(np.array(sizes)).float()


def _calibrate(model: WhereToLook, taught: list[Example]) -> None:
    """Shift the logits so that an average cell of tissue has 1 over all magnifications."""
    with torch.inference_mode():
        shifts = [
            torch.logsumexp(
                model.judged(torch.as_tensor(each.variants[0])[None].float())[0][
                    :, torch.as_tensor(each.known)
                ].flatten(),
                0,
            )
            - np.log(each.known.sum())
            for each in taught
        ]
    with torch.no_grad():
        bias = model.head.tell.bias
        assert bias is not None
        bias -= torch.stack(shifts).mean()


def _written(
    out: Path,
    model: WhereToLook,
    headers: Mapping[Path, SessionHeader],
    examples: list[Example],
    options: TrainingOptions,
) -> ModelBundle:
    settings = description()
    whose = origins_text(headers.values())
    return write_bundle(
        out,
        model.state_dict(),
        {
            "name": options.name,
            "version": options.version,
            "task": settings.task,
            "mpp_um": settings.mpp_um,
            "patch_px": settings.patch_px,
            "stride_px": settings.stride_px,
            "normalisation": {
                "mean": settings.normalization.mean,
                "std": settings.normalization.std,
            },
            "classes": [{"name": f"{band:g}x", "colour": BAND_COLORS[band]} for band in BANDS],
            "architecture": "where-to-look",
            "settings": {"bands": len(BANDS), "width": options.width},
            "origins": sorted({header.origin for header in headers.values()}),
            "licence": options.license,
            "about": f"Where readers look, by magnification. Trained on {whose} over "
            f"{len(examples)} slides. For research use, not for diagnosis.",
        },
    )


def _tissue_encoder() -> dict[str, torch.Tensor]:
    bundle = load_bundle(BUNDLED / "tissue-likeness")
    check_weights(bundle)
    return load_tensors(bundle.weights_path)


def _fingerprint(
    headers: Mapping[Path, SessionHeader], examples: list[Example], options: TrainingOptions
) -> str:
    """Tell trainings apart: a checkpoint of another one is not gone on with."""
    parts = [repr(options), *sorted(header.id for header in headers.values())]
    digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=16)
    for example in examples:
        digest.update(example.identity.encode())
        digest.update(example.shares.tobytes())
    return digest.hexdigest()
