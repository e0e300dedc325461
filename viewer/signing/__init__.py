"""Signatures (Ed25519) that prove who wrote a record, and that nothing of it was changed or cut."""
