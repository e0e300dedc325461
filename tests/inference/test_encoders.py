"""Encoders of other laboratories: sizes, renaming, fetching from a hub, token merging."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import forked_programs
import pytest
import torch
from safetensors.torch import save

from viewer.inference.architectures.token_merging import merge
from viewer.inference.architectures.vision_transformer import VisionTransformer
from viewer.inference.models.encoders import KNOWN_ENCODERS, renamed

SMALL = {"side": 56, "patch": 14, "width": 32, "depth": 3, "heads": 4, "hidden": 128}


@pytest.mark.parametrize(
    ("name", "millions"),
    # As their cards and papers tell them; the classifier and mask token left out.
    [
        ("phikon-v2", 303.4),
        ("uni", 303.4),
        ("uni2-h", 681.4),
        ("virchow2", 631.2),
        ("prov-gigapath", 1134.9),
        ("h-optimus-0", 1134.8),
        ("hibou-l", 303.7),
        ("midnight-12k", 1136.5),
    ],
)
def test_known_encoders_have_the_published_sizes(name: str, millions: float) -> None:
    with torch.device("meta"):
        model = VisionTransformer(**KNOWN_ENCODERS[name].settings)
    count = sum(each.numel() for each in model.parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.003)


@pytest.mark.parametrize("kind", ["plain", "gated", "registers"])
def test_it_computes_what_the_transformers_library_does(kind: str) -> None:
    # Here, since it takes seconds, and each process of the tests collects all of them.
    from transformers.models.dinov2.configuration_dinov2 import Dinov2Config
    from transformers.models.dinov2.modeling_dinov2 import Dinov2Model
    from transformers.models.dinov2_with_registers.configuration_dinov2_with_registers import (
        Dinov2WithRegistersConfig,
    )
    from transformers.models.dinov2_with_registers.modeling_dinov2_with_registers import (
        Dinov2WithRegistersModel,
    )

    torch.manual_seed(0)
    shape = {
        "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 56,
        "patch_size": 14, "layerscale_value": 0.7,
    }  # fmt: skip
    if kind == "registers":
        theirs = Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**shape))
        settings = SMALL | {"registers": 4}
    else:
        is_gated = kind == "gated"
        theirs = Dinov2Model(Dinov2Config(**shape, use_swiglu_ffn=is_gated))
        hidden = int(((32 * 4) * 2 / 3 + 7) // 8 * 8) * 2
        settings = SMALL | ({"gated": 1, "hidden": hidden} if is_gated else {})
    for value in theirs.parameters():
        torch.nn.init.normal_(value, std=0.2)
    ours = VisionTransformer(**settings, mean_too=1).eval()
    ours.load_state_dict(renamed(theirs.state_dict()))
    x = torch.randn(2, 3, 56, 56)
    with torch.inference_mode():
        told = theirs.eval()(pixel_values=x).last_hidden_state
        mine = ours(x)
    special = 1 + settings.get("registers", 0)
    expected = torch.cat([told[:, 0], told[:, special:].mean(1)], 1)
    torch.testing.assert_close(mine, expected, atol=1e-4, rtol=1e-4)


def test_the_older_spelling_is_renamed_too() -> None:
    from transformers.models.dinov2.configuration_dinov2 import Dinov2Config
    from transformers.models.dinov2.modeling_dinov2 import Dinov2Model

    torch.manual_seed(0)
    theirs = Dinov2Model(Dinov2Config(hidden_size=32, num_hidden_layers=1, num_attention_heads=4))
    new = theirs.state_dict()
    spelling = {"q_proj": "attention.query", "k_proj": "attention.key", "v_proj": "attention.value"}
    old = {}
    for name, value in new.items():
        for part, before in spelling.items():
            name = name.replace(f"attention.{part}", f"attention.{before}")
        old[name.replace("attention.o_proj", "attention.output.dense")] = value
    assert old.keys() != new.keys()
    one, other = renamed(new), renamed(old)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_merging_keeps_all_there_is_and_the_special_tokens() -> None:
    torch.manual_seed(0)
    x, sizes = torch.randn(2, 21, 8), torch.ones(2, 21, 1)
    merged, counts = merge(x, sizes, x, 6, 1)
    assert merged.shape == (2, 15, 8)
    assert counts.sum(1).tolist() == [[21.0], [21.0]]
    torch.testing.assert_close((merged * counts).sum(1), x.sum(1))
    assert torch.equal(merged[:, 0], x[:, 0])


def test_patches_that_are_the_same_can_be_merged_without_loss() -> None:
    torch.manual_seed(0)
    model = VisionTransformer(**SMALL, merge=0).eval()
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.2)
    with torch.no_grad():
        model.pos_embed[:] = 0
    plain = torch.randn(1, 3, 1, 1).expand(1, 3, 56, 56).contiguous()
    varied = torch.randn(1, 3, 56, 56)
    with torch.inference_mode():
        exact, other = model(plain), model(varied)
        model.merge = 3
        torch.testing.assert_close(model(plain), exact, atol=1e-4, rtol=1e-4)
        near = torch.cosine_similarity(model(varied), other)
    assert near.item() > 0.8


class _Hub(BaseHTTPRequestHandler):
    """Gives one file as the hub does, to those with the right token."""

    content = b""
    file = "model.safetensors"
    token = ""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def _answer(self, *, with_body: bool) -> None:
        if not self.path.endswith(self.file):
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.token and self.headers.get("Authorization") != f"Bearer {self.token}":
            self.send_response(401)
            self.send_header("X-Error-Code", "GatedRepo")
            self.send_header("X-Error-Message", "Access to this model is restricted.")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        digest = hashlib.sha256(self.content).hexdigest()
        self.send_response(200)
        self.send_header("ETag", f'"{digest}"')
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        if with_body:
            self.wfile.write(self.content)


@pytest.fixture
def hub() -> Iterator[tuple[type[_Hub], str]]:
    handler = type("Hub", (_Hub,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


_FETCH = """
import sys, msgspec
from viewer.inference.models.encoders import KNOWN_ENCODERS, fetch_encoder
from viewer.inference.models.bundle import BundleError
known = msgspec.structs.replace(KNOWN_ENCODERS[sys.argv[1]], settings={settings})
try:
    bundle = fetch_encoder(known, sys.argv[2] or None, merge=int(sys.argv[3]))
except BundleError as error:
    print(error)
    sys.exit(1)
from viewer.inference.process.network import Network, choose_device
Network(bundle, choose_device("cpu")).warm_up()
print(bundle.key)
"""


def _fetch(
    url: str, home: Path, name: str, token: str = "", merged: int = 0
) -> subprocess.CompletedProcess[str]:
    settings = {**SMALL, "side": 224, "patch": 56}
    return forked_programs.run(
        [sys.executable, "-c", _FETCH.format(settings=settings), name, token, str(merged)],
        capture_output=True,
        text=True,
        env={
            "HF_ENDPOINT": url, "COVERSLIP_HOME": str(home), "PATH": "/usr/bin", "HOME": str(home),
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
            **forked_programs.threads_of(os.environ),
        },
        check=False,
        timeout=100,
    )  # fmt: skip


def _weights() -> dict[str, torch.Tensor]:
    return VisionTransformer(**{**SMALL, "side": 224, "patch": 56}).state_dict()


def test_an_encoder_is_fetched_and_works_offline(
    hub: tuple[type[_Hub], str], tmp_path: Path
) -> None:
    handler, url = hub
    handler.content = save(_weights())
    done = _fetch(url, tmp_path, "phikon-v2", merged=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("Phikon-v2, 2 merged 1 ")
    (folder,) = list((tmp_path / "data" / "models").iterdir())
    about = json.loads((folder / "model.json").read_text())
    assert (about["name"], about["patch_px"]) == ("Phikon-v2, 2 merged", 224)
    assert about["settings"]["merge"] == 2


def test_a_gated_encoder_wants_the_users_token(hub: tuple[type[_Hub], str], tmp_path: Path) -> None:
    handler, url = hub
    handler.file = "pytorch_model.bin"
    handler.token = "mine"  # noqa: S105
    sink = io.BytesIO()
    torch.save(_weights(), sink)
    handler.content = sink.getvalue()
    refused = _fetch(url, tmp_path, "uni")
    assert refused.returncode == 1, refused.stderr
    assert "agree at huggingface.co/MahmoodLab/UNI" in refused.stdout
    assert _fetch(url, tmp_path, "uni", "mine").returncode == 0
    assert "mine" not in "".join(
        path.read_text(errors="ignore") for path in tmp_path.rglob("*") if path.is_file()
    )


def test_what_would_have_to_be_unpickled_is_refused(
    hub: tuple[type[_Hub], str], tmp_path: Path
) -> None:
    handler, url = hub
    handler.file = "pytorch_model.bin"
    sink = io.BytesIO()
    torch.save({"x": Path("anything")}, sink)
    handler.content = sink.getvalue()
    done = _fetch(url, tmp_path, "uni")
    assert "holds no weights" in done.stdout
    assert not list((tmp_path / "data" / "models").iterdir())
