"""`coverslip record`: readings in other programs are received as sessions."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from viewer.cli.output import SessionsFolder, checked_places, fail, say
from viewer.errors import reason_of
from viewer.files.atomic_write import unwritable

if TYPE_CHECKING:
    import ssl
    from types import FrameType

    from viewer.recording.receiving.server import RecordServer

DEFAULT_PORT = 8790

record_app = typer.Typer(
    help="Record readings in other programs, such as viewers in web pages.", no_args_is_help=True
)


@record_app.command()
def serve(
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = DEFAULT_PORT,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's need --cert.")
    ] = "127.0.0.1",
    cert: Annotated[
        Path | None, typer.Option(help="Certificate (PEM, with its chain): serve https.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Private key of the certificate, where it lies apart.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Origin of pages that may send, such as https://viewer.example.org; give it "
            "several times. Pages of this machine may anyway."
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="Keep the token in this file, so that it is the same at the next start; made "
            "where it is absent."
        ),
    ] = None,
    slides: Annotated[
        list[Path] | None,
        typer.Option(
            help="Where the slides lie that the pages show, files or folders: sessions are of "
            "those with the same name and shape."
        ),
    ] = None,
    out: SessionsFolder = None,
) -> None:
    """Receive readings of web pages that hold our recorder, until Ctrl+C.

    Prints the address and the token that the pages need, then the id of each session that was
    made. Only this machine is listened to, unless there is a certificate.
    """
    from viewer.egress import LOOPBACK
    from viewer.policy import policy
    from viewer.recording.library import sessions_folder
    from viewer.recording.receiving.incoming import IncomingSessions
    from viewer.recording.receiving.page_slides import PageSlides
    from viewer.recording.receiving.server import RecordServer, ServerOptions

    if policy().recording == "off":
        fail("The administrator's policy allows no recording.")
    if cert is None and key is not None:
        fail("--key belongs to --cert: give both.")
    if host not in LOOPBACK:
        if cert is None:
            fail(f"{host} is open to other machines: give --cert, so that they send over https.")
        if not policy().network:
            fail("The administrator's policy allows no network: leave out --host.")
    origins = frozenset(_checked_origin(each) for each in allow_origin or [])
    checked_places(slides)
    token, tls = _token(token_file), _tls(cert, key)
    try:
        library = sessions_folder() if out is None else out.absolute()
        library.mkdir(parents=True, exist_ok=True)
        incoming = IncomingSessions(
            library.parent / "incoming" if out is None else library / ".incoming",
            library,
            slide_of=PageSlides(slides or []).slide_of,
            on_made=_tell_made,
        )
    except OSError as error:
        fail(f"{error.filename} cannot be used ({reason_of(error)}).")
    try:
        options = ServerOptions(token=token, host=host, port=port, origins=origins, tls=tls)
        server = RecordServer(options, incoming)
    except OSError as error:
        fail(f"Port {port} of {host} cannot be used ({reason_of(error)}): choose another.")
    incoming.make_all()
    _serve(server, token)


@record_app.command()
def plugin(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="File to write; in this folder by default.")
    ] = Path("coverslip-recorder.js"),
) -> None:
    """Write the recorder for OpenSeadragon, one file, to put beside your web page."""
    from viewer.cli.output import check_writable
    from viewer.files.atomic_write import atomic_write_bytes
    from viewer.resource_files import resource

    check_writable(out)
    content = resource("recorders/openseadragon/coverslip-recorder.js").read_bytes()
    try:
        atomic_write_bytes(out, content)
    except OSError as error:
        fail(unwritable(out, error))
    typer.echo(out)


def _serve(server: RecordServer, token: str) -> None:
    """Answer until the process is interrupted or terminated, then make what is left."""
    signal.signal(signal.SIGTERM, _interrupt)
    answering = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    answering.start()
    try:
        typer.echo(f"Address: {server.address}")
        typer.echo(f"Token: {token}")
        sys.stdout.flush()
        say("Give both to the recorder in the page. Ctrl+C ends the server.")
        while answering.is_alive():
            answering.join(0.5)
            sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
        answering.join()


def _tell_made(folder: Path) -> None:
    from viewer.audit_log import trail

    trail.note("imported", folder, "received from a page")
    typer.echo(folder.name)


def _checked_origin(text: str) -> str:
    """Return an origin as browsers send it; ends the command where it is none."""
    advice = f'"{text}" is no origin: --allow-origin takes such as https://viewer.example.org.'
    if text == "null":
        return text  # pages that were opened as files
    try:
        parts = urlsplit(text)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        fail(advice)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        fail(advice)
    if "*" in parts.hostname:
        fail(advice)
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{name}{port}"


def _token(path: Path | None) -> str:
    """Return the token in a file, or a new one; ends the command where it cannot be kept."""
    import secrets

    from viewer.files.atomic_write import atomic_write_bytes
    from viewer.limits import Limit, read_regular

    made = secrets.token_urlsafe(32)
    if path is None:
        return made
    try:
        if path.exists():
            kept = read_regular(path, Limit(4096, "{name} is too large for a token")).decode()
            kept = kept.strip()
            if len(kept) < 16 or not kept.isascii() or not kept.isprintable() or " " in kept:
                fail(f"{path} holds no token: remove it, and one is made.")
            return kept
        atomic_write_bytes(path, f"{made}\n".encode(), mode=0o600)
    except UnicodeDecodeError:
        fail(f"{path} holds no token: remove it, and one is made.")
    except OSError as error:
        fail(f"{path} cannot be used ({reason_of(error)}).")
    return made


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None:
        return None
    import ssl

    from viewer.limits import check_regular

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        for each in filter(None, (cert, key)):
            check_regular(each)
        context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError) as error:
        reason = reason_of(error)
        fail(f"{cert} cannot be used as a certificate ({reason}): give PEM without a password.")
    return context


def _no_password() -> str:
    raise ValueError("the key has a password")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
