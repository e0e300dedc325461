"""What can go wrong with an agent; `str()` of each is one sentence for the user."""

from __future__ import annotations

from viewer.errors import CoverslipError

MODEL_DIALOG = '"Model..." on the page Agent'
"""Where address, model, key, hosts and limits are set."""


class AgentError(CoverslipError):
    """The agent cannot go on; the sentence says why and what to do."""


class NotPermittedError(AgentError):
    """Nothing was sent: the user has not allowed this study and host."""


class EndpointError(AgentError):
    """The model's server cannot be reached, or fails time and again."""


class RefusedError(AgentError):
    """The model's server refused the request; asking again would not help."""


class DeclinedError(AgentError):
    """The model, or a filter of its server, declined this question; another may be answered."""


class BadAnswerError(AgentError):
    """The model's answer cannot be used; the sentence is also the complaint sent to it."""


class LimitError(AgentError):
    """The limit of cost is reached; nothing more is asked."""


class MicroscopeError(AgentError):
    """The microscope cannot do what it was asked for."""


class ToolError(AgentError):
    """A tool gives no result; the sentence is sent to the model."""
