"""Every exchange with a model, kept beside the session: what was sent, what came back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.access import OWNER_FILE, make_folder
from viewer.files.appending import append_whole
from viewer.files.atomic_write import atomic_write_bytes
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.agents.chat.conversation import Encoded, PictureEncoder, Reply, Tool, Turn
    from viewer.agents.endpoint import Endpoint

EXCHANGES_FILE = "exchanges.jsonl"
PICTURES_FOLDER = "sent"


class ExchangeLog:
    """Appends a line an exchange; pictures lie beside it once each, named by their SHA-256.

    Parameters
    ----------
    folder
        Of the session; made where it is absent.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self,
        endpoint: Endpoint,
        turns: Sequence[Turn],
        tools: Sequence[Tool],
        outcome: Reply | str,
        encoder: PictureEncoder,
    ) -> None:
        """Keep an exchange and return once it is on the disk.

        Parameters
        ----------
        outcome
            The reply, or one sentence about what went wrong, without the key.

        Raises
        ------
        OSError
            It cannot be written.
        """
        line: dict[str, object] = {
            "at_utc": utc_stamp("milliseconds"),
            "host": endpoint.host,
            "model": endpoint.model,
            "sent": [self._turn_record(turn, encoder) for turn in turns],
            "tools": [tool.name for tool in tools],
        }
        line |= {"error": outcome} if isinstance(outcome, str) else {"reply": outcome}
        data = msgspec.json.encode(line) + b"\n"
        append_whole(self.folder / EXCHANGES_FILE, [data], mode=OWNER_FILE)

    def _turn_record(self, turn: Turn, encoder: PictureEncoder) -> dict[str, object]:
        record: dict[str, object] = {"role": turn.role, "text": turn.text}
        if turn.pictures:
            record["pictures"] = [
                {"caption": picture.caption, "file": self._kept(encoder.encoded(picture))}
                for picture in turn.pictures
            ]
        if turn.calls:
            record["calls"] = turn.calls
        if turn.call_id:
            record["call_id"] = turn.call_id
        return record

    def _kept(self, picture: Encoded) -> str:
        folder = self.folder / PICTURES_FOLDER
        make_folder(folder)
        path = folder / f"{picture.sha256}.jpg"
        if not path.exists():
            atomic_write_bytes(path, picture.jpeg)
        return f"{PICTURES_FOLDER}/{path.name}"
