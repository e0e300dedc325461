"""Which vision-language model is asked: address, name, key, and what it may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from viewer.agents.canceling import Cancel
from viewer.agents.chat.keys import NO_KEYRING
from viewer.agents.endpoint import LOOPBACK, Endpoint, check_key
from viewer.agents.errors import AgentError
from viewer.egress import EgressError, check_egress
from viewer.policy import policy
from viewer.ui.background_runner import BackgroundRunner

if TYPE_CHECKING:
    from viewer.agents.chat.keys import Keys

_NOTICE = (
    "Any server that speaks the chat completions protocol: Ollama, vLLM or llama.cpp on this "
    "machine, or a vendor's. Nothing of a slide is sent before you allow it for a study."
)


class EndpointDialog(QDialog):
    """Edits a copy; `endpoint` is what the user chose, `key` what was typed ("": as it was).

    Parameters
    ----------
    why
        Says why a model has to be chosen first; "" where the user asked for the dialog.
    """

    def __init__(self, endpoint: Endpoint, keys: Keys, parent: QWidget, why: str = "") -> None:
        super().__init__(parent)
        self.setWindowTitle("Vision-language model")
        self._before, self._keys = endpoint, keys
        self._check: Cancel | None = None
        self._background = BackgroundRunner("connection check", 1, self)
        notice = QLabel(_NOTICE, self)
        notice.setWordWrap(True)
        notice.setTextFormat(Qt.TextFormat.PlainText)
        self.base_url = QLineEdit(endpoint.base_url, self)
        self.base_url.setPlaceholderText(Endpoint().base_url)
        self.model = QLineEdit(endpoint.model, self)
        self.model.setPlaceholderText("its name there, such as qwen2.5vl:7b")
        others = [host for host in endpoint.allowed_hosts if host not in LOOPBACK]
        self.hosts = QLineEdit(", ".join(others), self)
        self.hosts.setPlaceholderText("none but this machine")
        self.hosts.setToolTip(_hosts_tip())
        self._key = QLineEdit(self)
        self._key.setEchoMode(QLineEdit.EchoMode.Password)
        has_key = self._has_key = keys.key_of(endpoint.host) is not None
        self._key.setPlaceholderText("kept; type to change it" if has_key else "none")
        self._key.setToolTip(
            "Goes to the system's keyring" if keys.are_kept else NO_KEYRING,
        )
        self.side_px = QSpinBox(self)
        self.side_px.setRange(256, 8192)
        self.side_px.setSingleStep(128)
        self.side_px.setGroupSeparatorShown(True)
        self.side_px.setSuffix(" px")
        self.side_px.setValue(endpoint.picture_side_px)
        self.timeout_s = _amount(self, endpoint.timeout_s, "", " s", 1.0, 3600.0, 0)
        self.price_in = _amount(self, endpoint.price_in, "not counted", "", 0.0, 1e5, 4)
        self.price_out = _amount(self, endpoint.price_out, "not counted", "", 0.0, 1e5, 4)
        self.most_cost = _amount(self, endpoint.most_cost, "no limit", "", 0.0, 1e5, 2)
        self.complaint = QLabel(self)
        self.complaint.setWordWrap(True)
        self.complaint.setTextFormat(Qt.TextFormat.PlainText)
        self.complaint.hide()
        form = QFormLayout()
        form.addRow("Address:", self.base_url)
        form.addRow("Model:", self.model)
        form.addRow("Key:", self._key)
        form.addRow("Allowed hosts:", self.hosts)
        form.addRow("Largest image:", self.side_px)
        form.addRow("Longest wait:", self.timeout_s)
        form.addRow(f"Price of 1M tokens in ({endpoint.currency}):", self.price_in)
        form.addRow(f"Price of 1M tokens out ({endpoint.currency}):", self.price_out)
        form.addRow(f"Max. cost ({endpoint.currency}):", self.most_cost)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, self
        )
        self.test = buttons.addButton("Test connection", QDialogButtonBox.ButtonRole.ActionRole)
        self.test.setToolTip("Sends a red square that is made here, and nothing of any slide")
        self.test.clicked.connect(self._test)
        self.finished.connect(lambda _: self._end_test())
        buttons.accepted.connect(self._accept_if_sound)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(notice)
        layout.addLayout(form)
        layout.addWidget(self.complaint)
        layout.addWidget(buttons)
        self.setMinimumWidth(520)
        if why:
            self._say(why)
            self.model.setFocus()

    @property
    def endpoint(self) -> Endpoint:
        """Return what the dialog shows now."""
        others = [host.strip().casefold() for host in self.hosts.text().split(",")]
        return msgspec.structs.replace(
            self._before,
            base_url=self.base_url.text().strip() or Endpoint().base_url,
            model=self.model.text().strip(),
            allowed_hosts=(*LOOPBACK, *(host for host in others if host)),
            picture_side_px=self.side_px.value(),
            timeout_s=self.timeout_s.value(),
            price_in=self.price_in.value(),
            price_out=self.price_out.value(),
            most_cost=self.most_cost.value(),
        )

    @property
    def key(self) -> str:
        """Return what was typed; empty where the key is to stay as it was."""
        return self._key.text().strip()

    def _accept_if_sound(self) -> None:
        if self._sound_endpoint() is not None:
            self.accept()

    def _sound_endpoint(self) -> Endpoint | None:
        """Return what was chosen where it can be used; else say what is wrong with it."""
        try:
            endpoint = self.endpoint
            endpoint.check()
            check_key(self.key, endpoint.host)
            if endpoint.host not in endpoint.allowed_hosts:
                raise AgentError(f"Add {endpoint.host} to the allowed hosts to use this address.")
            check_egress(endpoint.base_url, carries_key=self._has_key or bool(self.key))
        except (AgentError, EgressError) as error:
            self._say(str(error))
            return None
        return endpoint

    def _test(self) -> None:
        """Ask the model that the dialog shows, off the window's thread; again stops it."""
        if self._check is not None:
            self._end_test()
            self._say("The test was stopped.")
            return
        endpoint = self._sound_endpoint()
        if endpoint is None:
            return
        from viewer.agents.chat.connection_check import check_connection

        cancel, keys, typed = Cancel(), self._keys, self.key
        self._check = cancel
        self.test.setText("Stop test")
        self._say(f"Waiting for {endpoint.model} at {endpoint.place}...")

        def ended(sentence: str) -> None:
            if self._check is cancel:
                self._end_test()
                self._say(sentence)

        self._background.run(
            lambda: check_connection(endpoint, typed or keys.key_of(endpoint.host), cancel),
            lambda report: ended(report.sentence),
            lambda error: ended(str(error) or "The test was stopped."),
        )

    def _end_test(self) -> None:
        if self._check is not None:
            self._check.set()
            self._check = None
            self.test.setText("Test connection")

    def _say(self, sentence: str) -> None:
        self.complaint.setText(sentence)
        self.complaint.show()


def _hosts_tip() -> str:
    tip = "Hosts beside this machine that pictures may ever be sent to"
    rules = policy()
    if rules.network and rules.allowed_hosts is None:
        return tip
    allowed = ", ".join(rules.allowed_hosts or ()) if rules.network else ""
    return f"{tip}; set by the administrator's policy: {allowed or 'none'}"


def _amount(
    parent: QWidget, value: float, at_none: str, suffix: str, low: float, high: float, decimals: int
) -> QDoubleSpinBox:
    box = QDoubleSpinBox(parent)
    box.setRange(low, high)
    box.setDecimals(decimals)
    box.setSuffix(suffix)
    if at_none:
        box.setSpecialValueText(at_none)
    box.setValue(value)
    return box
