"""Which vision-language model is asked, where, and what it may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from viewer.agents.errors import MODEL_DIALOG, AgentError
from viewer.egress import LOOPBACK, host_of
from viewer.files.atomic_write import atomic_write_bytes
from viewer.files.set_aside import kept_json
from viewer.folders import config_folder

if TYPE_CHECKING:
    from pathlib import Path


Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A model behind a server that speaks the chat completions protocol.

    Attributes
    ----------
    base_url
        Such as "http://127.0.0.1:11434/v1" for Ollama on this machine.
    model
        The name by which the server knows it.
    allowed_hosts
        The only hosts that anything is sent to; those of this machine by default.
    picture_side_px
        The longest side of a picture that is sent; larger ones are made smaller.
    jpeg_quality
        1 to 95.
    most_pictures
        Of a conversation; the oldest but the thumbnail are left out of what is sent.
    timeout_s
        The longest wait in which nothing comes from the server.
    tries
        How often a request is sent before it is given up, while the server fails.
    requests_per_min
        0 for no limit.
    streams
        Whether the answer is taken as it is written.
    temperature
        None leaves it to the server.
    most_answer_tokens
        Of one answer; None leaves it to the server.
    price_in, price_out
        For a million tokens sent and answered, in `currency`.
    most_cost
        No more is asked once this was spent; 0 for no limit.
    """

    base_url: str = "http://127.0.0.1:11434/v1"
    model: str = ""
    allowed_hosts: tuple[str, ...] = LOOPBACK
    picture_side_px: Annotated[int, Meta(ge=256, le=8192)] = 1024
    jpeg_quality: Annotated[int, Meta(ge=1, le=95)] = 85
    most_pictures: Annotated[int, Meta(ge=1, le=1000)] = 24
    timeout_s: Positive = 120.0
    tries: Annotated[int, Meta(ge=1, le=20)] = 4
    requests_per_min: NotNegative = 0.0
    streams: bool = True
    temperature: float | None = None
    most_answer_tokens: Annotated[int, Meta(ge=1)] | None = None
    price_in: NotNegative = 0.0
    price_out: NotNegative = 0.0
    most_cost: NotNegative = 0.0
    currency: str = "USD"

    @property
    def host(self) -> str:
        """Return where requests go, without port; empty where the address is none."""
        return host_of(self.base_url)

    @property
    def place(self) -> str:
        """Return host and port, as messages name the server."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2] or self.host

    @property
    def is_local(self) -> bool:
        """Return whether the server is on this machine."""
        return self.host in LOOPBACK

    @property
    def is_encrypted(self) -> bool:
        return self.base_url.casefold().startswith("https://")

    def check(self) -> None:
        """Raise AgentError where it cannot be used; the sentence says what to set."""
        if not self.base_url.casefold().startswith(("http://", "https://")) or not self.host:
            raise AgentError(
                f'"{self.base_url}" is no address of a model server: '
                "give one such as http://127.0.0.1:11434/v1."
            )
        self._check_path()
        if not self.model:
            raise AgentError("No model is chosen: set its name, as the server knows it.")
        if self.most_cost and not (self.price_in or self.price_out):
            raise AgentError(
                f"The limit of {self.most_cost:g} {self.currency} cannot be kept to without "
                f"prices: set them, or take the limit off, with {MODEL_DIALOG}."
            )

    def _check_path(self) -> None:
        """Raise AgentError for addresses that people copy and no model answers at."""
        parts = urlsplit(self.base_url)
        path = parts.path.rstrip("/")
        root = f"{parts.scheme}://{parts.netloc}"
        better = ""
        if path in ("", "/api", "/api/chat", "/api/generate"):
            better = f"{root}/v1"
        ends = ("/chat/completions", "/completions", "/responses", "/models")
        if end := next((each for each in ends if path.endswith(each)), ""):
            better = f"{root}{path.removesuffix(end)}"
        if better:
            raise AgentError(
                f'"{self.base_url}" is no address of a model server: they end in /v1, '
                f"so try {better}."
            )

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """Return what so many tokens cost, in `currency`."""
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6


def check_key(key: str | None, host: str) -> None:
    """Raise AgentError where no server could take a key; the sentence does not show it."""
    if not key:
        return
    if not key.isascii():
        fault = "a character that is not ASCII, such as a curly quote or a long dash"
    elif any(char in key for char in "\r\n"):
        fault = "a line break"
    elif any(not "!" <= char <= "~" for char in key):
        fault = "a space"
    else:
        return
    raise AgentError(
        f"Nothing was sent: the key of {host} holds {fault}. Enter it again with {MODEL_DIALOG}, "
        "with --ask-key, or in COVERSLIP_MODEL_KEY."
    )


def load_endpoint() -> Endpoint:
    """Return the one in the settings; the default where there is none or it cannot be read."""
    return kept_json(_path(), Endpoint, "What was set of a model server", ".bad.json") or Endpoint()


def save_endpoint(endpoint: Endpoint) -> None:
    """Keep it in the settings; the key is no part of it. Raises OSError."""
    atomic_write_bytes(_path(), msgspec.json.format(msgspec.json.encode(endpoint), indent=2))


def _path() -> Path:
    return config_folder() / "endpoint.json"
