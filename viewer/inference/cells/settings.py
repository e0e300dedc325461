"""What can be set of cell detection, by QuPath's names and with its defaults."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from viewer.errors import CoverslipError
from viewer.inference.cells.stain_vectors import StainError, StainVectors
from viewer.prepared_types import prepared

DetectionImage = Literal["Hematoxylin OD", "Optical density sum"]
Compartment = Literal["Nucleus", "Cytoplasm", "Cell"]
Statistic = Literal["mean", "max"]
Density = Annotated[float, Meta(ge=0, le=3)]

NEGATIVE, POSITIVE, GRADES = "Negative", "Positive", ("1+", "2+", "3+")
CELL = "Cell"
_COLORS = {
    NEGATIVE: "#7070e1", POSITIVE: "#fa3e3e", "1+": "#ffd700", "2+": "#e18c28", "3+": "#c81e1e",
    CELL: "#ffd60a",
}  # fmt: skip


class CellSettingsError(CoverslipError):
    """Settings that cannot be; `str()` is one sentence."""


class CellSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of cell detection; lengths in um, areas in um2, thresholds in optical density.

    Attributes
    ----------
    requested_pixel_size_um
        At which cells are looked for.
    background_radius_um
        Of the opening that is taken for background; larger than the largest nucleus. 0: none.
    median_radius_um, sigma_um
        Of the filters that smooth the image before nuclei are looked for.
    threshold
        Smoothed density above background from which on it is a nucleus; of a network's maps the
        probability.
    max_background
        Density of background above which nothing is looked for.
    split_by_shape
        Whether what touches is parted where it is narrow.
    exclude_dab
        Whether pixels with more of the second stain than hematoxylin are no nuclei.
    cell_expansion_um
        From the outline of a nucleus to that of its cell, as far as no other is nearer.
    include_nucleus
        Whether the outline that is shown is that of the nucleus, else that of the cell.
    compartment, statistic
        What the thresholds of staining are compared with.
    threshold_1, threshold_2, threshold_3
        Density of the second stain from which on a cell is 1+, 2+ and 3+.
    single_threshold
        Whether a cell is negative or positive by the first threshold, without a grade.
    is_scored
        Whether cells are classified by the second stain at all.
    """

    stains: StainVectors = StainVectors()
    detection_image: DetectionImage = "Hematoxylin OD"
    requested_pixel_size_um: Annotated[float, Meta(ge=0.1, le=4)] = 0.5
    background_radius_um: Annotated[float, Meta(ge=0, le=30)] = 8.0
    median_radius_um: Annotated[float, Meta(ge=0, le=5)] = 0.0
    sigma_um: Annotated[float, Meta(gt=0, le=10)] = 1.5
    min_area_um2: Annotated[float, Meta(ge=0, le=10_000)] = 10.0
    max_area_um2: Annotated[float, Meta(gt=0, le=10_000)] = 400.0
    threshold: Density = 0.1
    max_background: Density = 2.0
    split_by_shape: bool = True
    exclude_dab: bool = False
    cell_expansion_um: Annotated[float, Meta(ge=0, le=25)] = 5.0
    include_nucleus: bool = True
    is_scored: bool = True
    compartment: Compartment = "Nucleus"
    statistic: Statistic = "mean"
    threshold_1: Density = 0.2
    threshold_2: Density = 0.4
    threshold_3: Density = 0.6
    single_threshold: bool = False

    @property
    def score_measurement(self) -> str:
        """Return the name of what the thresholds are compared with."""
        return f"{self.compartment}: {self.stains.names[1]} OD {self.statistic}"

    @property
    def class_names(self) -> list[str]:
        """Return the classes that cells can be of, in their order."""
        if not self.is_scored:
            return [CELL]
        return [NEGATIVE, POSITIVE] if self.single_threshold else [NEGATIVE, *GRADES]

    @property
    def colors(self) -> list[tuple[str, str]]:
        """Return name and color of each class."""
        return [(name, _COLORS[name]) for name in self.class_names]

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Return the ends of the classes."""
        if not self.is_scored:
            return ()
        three = (self.threshold_1, self.threshold_2, self.threshold_3)
        return three[:1] if self.single_threshold else three

    @property
    def text(self) -> str:
        """Return the settings as one line, for people and tables."""
        values = msgspec.to_builtins(self)
        del values["stains"]
        return ", ".join(f"{name}={value}" for name, value in values.items())


def checked(settings: CellSettings) -> CellSettings:
    """Return settings that do not contradict themselves.

    Raises
    ------
    CellSettingsError
        One sentence says what does.
    """
    if settings.max_area_um2 <= settings.min_area_um2:
        raise CellSettingsError(
            f"A maximum area of {settings.max_area_um2:g} µm² leaves no cell: choose more than the "
            f"minimum of {settings.min_area_um2:g} µm²."
        )
    three = (settings.threshold_1, settings.threshold_2, settings.threshold_3)
    if not settings.single_threshold and not three[0] < three[1] < three[2]:
        raise CellSettingsError(
            "The thresholds 1+, 2+ and 3+ have to rise: "
            f"{', '.join(f'{each:g}' for each in three)} do not."
        )
    if settings.compartment != "Nucleus" and not settings.cell_expansion_um:
        raise CellSettingsError(
            f"{settings.compartment} cannot be scored without a cell expansion: choose more than 0 "
            "µm, or score the nucleus."
        )
    return settings


def changed(settings: CellSettings, changes: dict[str, object]) -> CellSettings:
    """Return settings with some of them changed, by their names.

    Raises
    ------
    CellSettingsError
        A name is unknown or a value cannot be.
    """
    held = msgspec.to_builtins(settings)
    if unknown := [name for name in changes if name not in held]:
        raise CellSettingsError(
            f'There is no setting "{unknown[0]}" of cell detection: choose one of '
            f"{', '.join(held)}."
        )
    fields = {field.encode_name: field for field in msgspec.structs.fields(CellSettings)}
    for name, value in changes.items():
        try:
            msgspec.convert(value, prepared(fields[name].type), strict=False)
        except (msgspec.ValidationError, StainError) as error:
            raise CellSettingsError(
                f"{name} cannot be {value}: give {_allowed(fields[name].type)}."
            ) from error
    return checked(msgspec.convert(held | changes, prepared(CellSettings), strict=False))


def _allowed(kind: object) -> str:
    """Return in words which values a setting takes."""
    match msgspec.inspect.type_info(kind):
        case msgspec.inspect.FloatType(gt=above, ge=least, le=most):
            low = f"above {above:g}" if above is not None else f"of {least or 0:g} or more"
            return f"a number {low}" + (f" and at most {most:g}" if most is not None else "")
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.LiteralType(values=values):
            return " or ".join(map(str, values))
        case _:
            return "stain vectors"
