"""Rows of large strips and tiles that are JPEG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.slides.readers.tiff.jpeg_stream import JpegStream
from viewer.slides.readers.tiff.sequential_rows import RowStream, SequentialRows

if TYPE_CHECKING:
    from viewer.slides.readers.shared_file import AnyFile
    from viewer.slides.readers.tiff.rows import StripGrid


class JpegRows(SequentialRows):
    """Gives rows of JPEG as gray or RGB; for any thread, one at a time."""

    def __init__(
        self,
        grid: StripGrid,
        file: AnyFile,
        tables: bytes | None = None,
        *,
        samples: int,
        tag_is_rgb: bool = False,
    ) -> None:
        super().__init__(grid, file)
        self._tables = tables
        self._samples = samples
        self._tag_is_rgb = tag_is_rgb

    def _opened(self, strip: int) -> RowStream:
        grid = self._grid
        return JpegStream(
            self._file,
            grid.offsets[strip],
            grid.byte_counts[strip],
            (self._rows(strip), grid.row_bytes // self._samples, self._samples),
            self._tables,
            tag_is_rgb=self._tag_is_rgb,
        )
