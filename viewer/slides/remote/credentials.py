"""Credentials for servers of slides: from the environment, the keyring, or files of the profile.

Nothing here is logged, and no error repeats what was found.
"""

from __future__ import annotations

import base64
import configparser
import json
import logging
import netrc
import os
import re
from pathlib import Path

from viewer.limits import read_kept
from viewer.system_keyring import has_keyring

_log = logging.getLogger(__name__)
KEYRING_SERVICE = "coverslip-slides"
"""Where `keyring set` puts the secret of a host."""


def authorization_of(host: str, user: tuple[str, str] | None = None) -> str:
    """Return the Authorization header for a web server, "" where nothing is known for it.

    Looked for are, in this order: a user and a password in the address itself; the environment
    variable `COVERSLIP_TOKEN_` with the host's name; the keyring, where `NAME:PASSWORD` is a user
    and all else a token; the file .netrc.
    """
    if user is not None:
        return _basic(*user)
    variable = "COVERSLIP_TOKEN_" + re.sub(r"[^A-Z0-9]", "_", host.upper())
    secret = os.environ.get(variable) or _from_keyring(host)
    if secret:
        name, colon, password = secret.partition(":")
        return _basic(name, password) if colon else f"Bearer {secret}"
    try:
        found = netrc.netrc().hosts.get(host)
    except (OSError, netrc.NetrcParseError):
        found = None
    return _basic(found[0], found[2]) if found else ""


def _basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def _from_keyring(host: str) -> str:
    if not has_keyring():
        return ""
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(KEYRING_SERVICE, host) or ""
    except KeyringError as error:
        _log.warning("the keyring cannot be read (%s)", type(error).__name__)
        return ""


def s3_settings() -> dict[str, str]:
    """Return how S3 is reached, by obstore's names: environment first, then the AWS profile."""
    profile = os.environ.get("AWS_PROFILE", "default")
    found = _aws_section("AWS_CONFIG_FILE", "~/.aws/config", f"profile {profile}", profile)
    found |= _aws_section("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", profile)
    settings = {
        "region": _first("AWS_REGION", "AWS_DEFAULT_REGION") or found.get("region", "us-east-1"),
        "endpoint": _first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
        or found.get("endpoint_url", ""),
    }
    own = os.environ if os.environ.get("AWS_ACCESS_KEY_ID") else None
    names = ("access_key_id", "secret_access_key", "session_token")
    for name in names:
        settings[name] = (own.get(f"AWS_{name.upper()}") if own else found.get(f"aws_{name}")) or ""
    return {name: value for name, value in settings.items() if value}


def google_settings() -> dict[str, str]:
    """Return how Google's store is reached, by obstore's names."""
    places = [
        os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", ""),
        "~/.config/gcloud/application_default_credentials.json",
    ]
    for place in filter(None, places):
        path = Path(place).expanduser()
        try:
            kind = json.loads(read_kept(path)).get("type")
        except (OSError, ValueError, AttributeError):
            continue
        name = "service_account" if kind == "service_account" else "application_credentials"
        return {name: str(path)}
    return {}


def azure_settings() -> dict[str, str]:
    """Return how Azure's store is reached, by obstore's names."""
    names = {
        "account_name": "AZURE_STORAGE_ACCOUNT_NAME",
        "account_key": "AZURE_STORAGE_ACCOUNT_KEY",
        "sas_token": "AZURE_STORAGE_SAS_TOKEN",
        "endpoint": "AZURE_STORAGE_ENDPOINT",
    }
    return {
        name: os.environ[variable] for name, variable in names.items() if os.environ.get(variable)
    }


def _first(*names: str) -> str:
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def _aws_section(variable: str, usual: str, *sections: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(Path(os.environ.get(variable) or usual).expanduser(), encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        _log.warning("a file of the AWS profile cannot be read")
        return {}
    name = next((each for each in sections if parser.has_section(each)), None)
    return dict(parser[name]) if name is not None else {}
