"""When something unexpected fails: a report one can copy, and the program goes on."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from viewer.crash_report import crash_report, native_crash_report

if TYPE_CHECKING:
    from types import TracebackType

_UNEXPECTED = (
    "Coverslip met an error it did not expect. You can go on working; if it happens "
    "again, copy this report and send it to us. The names of slides are left out of it."
)
_CRASHED = (
    "Coverslip crashed the last time. What you drew and recorded is saved up to that moment. "
    "If it happens again, copy this report and send it to us. "
    "The names of slides are left out of it."
)
_log = logging.getLogger(__name__)


class CrashDialog(QDialog):
    """Shows the report of one failure, and of those that follow while it is open."""

    def __init__(self, sentence_text: str, report: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Something went wrong")
        sentence = QLabel(sentence_text, self)
        sentence.setWordWrap(True)
        self.report = QPlainTextEdit(report, self)
        self.report.setAccessibleName("Error report")
        self.report.setReadOnly(True)
        self.report.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.report.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self.copy_button = buttons.addButton("&Copy report", QDialogButtonBox.ButtonRole.ActionRole)
        self.copy_button.clicked.connect(self._copy)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(sentence)
        layout.addWidget(self.report)
        layout.addWidget(buttons)
        self.resize(720, 440)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.report.toPlainText())


class CrashWatch(QObject):
    """Catches what nothing else caught, in any thread, and shows at most one dialog.

    `install` and `remove` set and restore `sys.excepthook` and `threading.excepthook`.
    """

    _caught = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self.dialog: CrashDialog | None = None
        self._before = (sys.excepthook, threading.excepthook)
        self._caught.connect(self._show, Qt.ConnectionType.QueuedConnection)

    def install(self) -> None:
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception

    def show_trace(self, trace: str) -> None:
        """Offer the trace of a native crash of the last time, once the window is up."""
        self._caught.emit(_CRASHED, native_crash_report(trace))

    def remove(self) -> None:
        sys.excepthook, threading.excepthook = self._before

    def _on_exception(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QGuiApplication.quit()
            return
        _log.critical("unexpected error", exc_info=(kind, error, trace))
        self._caught.emit(_UNEXPECTED, crash_report(kind, error, trace))

    def _on_thread_exception(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and args.exc_type is not SystemExit:
            self._on_exception(args.exc_type, args.exc_value, args.exc_traceback)

    def _show(self, sentence: str, report: str) -> None:
        if self.dialog is not None:
            self.dialog.report.appendPlainText(f"\n{'-' * 40}\n{report}")
            return
        dialog = CrashDialog(sentence, report, QApplication.activeWindow())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.finished.connect(self._on_closed)
        self.dialog = dialog
        dialog.open()

    def _on_closed(self) -> None:
        self.dialog = None
