"""Opens in this window what later starts of the program ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSocketNotifier, Qt, QTimer, Signal

from viewer.running_window import ANSWER, MOST_BYTES, read_request

if TYPE_CHECKING:
    import socket

    from PySide6.QtWidgets import QWidget

    from viewer.running_window import RunningWindow

_PATIENCE_MS = 5000
_MOST_VISITORS = 16


class WindowDoor(QObject):
    """Listens while the window runs; `close` gives the place up to the next start."""

    asked = Signal(list)
    """Paths to open, none where the window is only to come to the front."""

    def __init__(self, running: RunningWindow, window: QWidget) -> None:
        super().__init__(window)
        self._running = running
        self._window = window
        self._visitors: set[_Visitor] = set()
        self._notifier = _notifier(running.listener, self)
        self._notifier.activated.connect(self._accept)

    def close(self) -> None:
        """Listen no more."""
        self._notifier.setEnabled(False)
        for visitor in list(self._visitors):
            visitor.close()
        self._running.close()

    def _accept(self) -> None:
        connection = self._running.accept()
        if connection is None:
            return
        if len(self._visitors) >= _MOST_VISITORS:
            connection.close()
            return
        visitor = _Visitor(connection, self)
        self._visitors.add(visitor)
        visitor.asked.connect(self._on_asked)
        visitor.left.connect(lambda: self._visitors.discard(visitor))

    def _on_asked(self, paths: list[object]) -> None:
        window = self._window
        window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
        window.raise_()
        window.activateWindow()
        self.asked.emit(paths)


class _Visitor(QObject):
    """A start of the program that asks one thing."""

    asked = Signal(list)
    left = Signal()

    def __init__(self, connection: socket.socket, parent: QObject) -> None:
        super().__init__(parent)
        self._connection = connection
        self._data = b""
        self._notifier = _notifier(connection, self)
        self._notifier.activated.connect(self._read)
        QTimer.singleShot(_PATIENCE_MS, self, self.close)

    def close(self) -> None:
        self._notifier.setEnabled(False)
        self._connection.close()
        self.left.emit()
        self.deleteLater()

    def _read(self) -> None:
        try:
            data = self._connection.recv(1 << 16)
        except OSError:
            data = b""
        self._data += data
        if data and not self._data.endswith(b"\n") and len(self._data) <= MOST_BYTES:
            return
        is_whole = self._data.endswith(b"\n") and len(self._data) <= MOST_BYTES
        paths = read_request(self._data) if is_whole else None
        if paths is not None and self._answer():
            self.asked.emit(paths)
        self.close()

    def _answer(self) -> bool:
        """Tell the start that it may end; False where it no longer waits, and opens a window."""
        try:
            self._connection.sendall(ANSWER)
        except OSError:
            return False
        return True


def _notifier(connection: socket.socket, parent: QObject) -> QSocketNotifier:
    return QSocketNotifier(connection.fileno(), QSocketNotifier.Type.Read, parent)
