"""`coverslip mcp`: agents of other programs read slides over the Model Context Protocol."""

from __future__ import annotations

import signal
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.agents.options import TissueOption  # noqa: TC001 - typer reads the annotations
from viewer.cli.output import DeviceOption, SessionsFolder, fail, say
from viewer.errors import reason_of

if TYPE_CHECKING:
    from types import FrameType

    from viewer.agents.clients.attachment import AttachedDesk
    from viewer.agents.clients.client_desk import ClientDesk


def serve_mcp(
    allow: Annotated[
        list[Path] | None,
        typer.Option(
            help="A folder of slides that clients may open and get images of; give it several "
            "times."
        ),
    ] = None,
    http: Annotated[
        bool,
        typer.Option("--http", help="Serve HTTP on this machine, with a token, instead of stdio."),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(help="With --http: the port; a free one by default.", min=0, max=65535),
    ] = None,
    attach: Annotated[
        bool,
        typer.Option(
            "--attach",
            help="Read in the window that runs, before the user's eyes, who allows each slide.",
        ),
    ] = False,
    megapixels: Annotated[
        float, typer.Option(help="Of images that a client gets of one slide.", min=0.01, max=1e6)
    ] = 64.0,
    out: SessionsFolder = None,
    tissue: TissueOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Let agents of other programs read slides, over the Model Context Protocol.

    Without --http the client starts this command and speaks through stdin and stdout. Each reading
    is a session of the origin "agent" with a draft report.
    """
    try:
        from viewer.agents.clients.mcp_server import McpServer
    except ImportError:
        fail("The Model Context Protocol needs the package mcp: pip install 'coverslip[mcp]'.")
    from viewer.policy import policy

    if not policy().agent_clients:
        fail("The administrator's policy lets no other program read slides.")
    if port is not None and not http:
        fail("--port is for --http: add it.")
    if attach:
        if out or tissue:
            fail("--attach reads in the window: leave out --out and --tissue.")
        server = McpServer(_attached_desk(allow or []))
    else:
        server = McpServer(_desk(allow or [], megapixels, out, tissue, device))
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if http:
            server.serve_http(port or 0, _tell_address)
        else:
            server.serve_stdio()
    except OSError as error:
        fail(f"Port {port} cannot be used ({reason_of(error)}): choose another.")
    except KeyboardInterrupt:
        return


def _desk(
    allow: list[Path], megapixels: float, out: Path | None, tissue: str | None, device: str
) -> ClientDesk:
    from viewer.agents.clients.allowed_folders import AllowedFolders
    from viewer.agents.clients.client_desk import ClientDesk
    from viewer.agents.clients.headless_place import HeadlessOptions, HeadlessPlace
    from viewer.agents.errors import AgentError
    from viewer.cli.agents.options import checked_tissue
    from viewer.cli.output import checked_device
    from viewer.folders import config_folder
    from viewer.recording.library import sessions_folder
    from viewer.settings import load_settings

    if not allow:
        fail("Say with --allow which folder of slides clients may open, or --attach to the window.")
    try:
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
        checked_tissue(tissue)
        options = HeadlessOptions(
            sessions=sessions_folder() if out is None else out.absolute(),
            reader=load_settings(config_folder()).reader,
            megapixels=megapixels,
            device=checked_device(device),
            tissue_model=tissue,
        )
        return ClientDesk(HeadlessPlace(AllowedFolders(allow), options))
    except AgentError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename} cannot be used ({reason_of(error)}).")


def _attached_desk(allow: list[Path]) -> AttachedDesk:
    from viewer.agents.clients.allowed_folders import AllowedFolders
    from viewer.agents.clients.attachment import AttachedDesk
    from viewer.agents.errors import AgentError

    try:
        return AttachedDesk(AllowedFolders(allow) if allow else None)
    except AgentError as error:
        fail(str(error))


def _tell_address(address: str, token: str) -> None:
    say(f"Address: {address}")
    say(f"Token: {token}")
    say("Clients send the header: Authorization: Bearer TOKEN. Ctrl+C ends the server.")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
