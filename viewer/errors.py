"""The class above all errors of Coverslip, so that a script can catch them in one place."""


class CoverslipError(Exception):
    """Something went wrong that Coverslip can explain; `str()` is one sentence for the user."""


def reason_of(error: Exception) -> str:
    """Return why something failed: of an error of the system its words, not path and number."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
