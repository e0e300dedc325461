"""Whether the system has a keyring that keeps secrets; asking loads all backends there are."""

from __future__ import annotations


def has_keyring() -> bool:
    """Return whether there is a keyring to trust secrets to."""
    import keyring
    from keyring.errors import KeyringError

    try:
        backend = keyring.get_keyring()
        # Backends of keyrings.alt write what they keep to plain files.
        return backend.priority >= 1 and "keyrings.alt" not in type(backend).__module__
    except (KeyringError, RuntimeError):
        return False
