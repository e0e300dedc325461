"""Which machine an address leads to, and whether that may be contacted."""

from __future__ import annotations

from urllib.parse import urlsplit

from viewer.egress import check_egress
from viewer.slides.remote import credentials
from viewer.slides.remote.errors import ServerError

GOOGLE = "https://storage.googleapis.com"
_GOOGLE_TOKENS = "https://oauth2.googleapis.com"


def endpoint_of(address: str) -> str:
    """Return the web address that requests for an address go to. Raises ServerError."""
    scheme = urlsplit(address).scheme
    match scheme:
        case "s3":
            settings = credentials.s3_settings()
            region = settings["region"]
            return settings.get("endpoint") or f"https://s3.{region}.amazonaws.com"
        case "gs":
            return GOOGLE
        case "az":
            settings = credentials.azure_settings()
            if "account_name" not in settings:
                raise ServerError(
                    "An az:// address needs the name of its storage account: set "
                    "AZURE_STORAGE_ACCOUNT_NAME."
                )
            usual = f"https://{settings['account_name']}.blob.core.windows.net"
            return settings.get("endpoint") or usual
        case _:
            return address


def check_contact(address: str) -> None:
    """Allow an address to be contacted, or say why it is not.

    Raises
    ------
    EgressError
        The administrator's policy forbids it, or its address is none.
    ServerError
        It cannot be told where the address leads.
    """
    scheme = urlsplit(address).scheme
    has_keys = scheme == "s3" and "access_key_id" in credentials.s3_settings()
    check_egress(endpoint_of(address), carries_key=has_keys)
    if scheme == "gs" and credentials.google_settings():
        check_egress(_GOOGLE_TOKENS)
