"""The class above all errors of Coverslip, so that a script can catch them in one place."""


class CoverslipError(Exception):
    """Something went wrong that Coverslip can explain; `str()` is one sentence for the user."""
