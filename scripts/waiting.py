"""Waiting of the scripts that drive a real window."""

from PySide6.QtCore import QEventLoop, QTimer


def wait_ms(duration_ms: int) -> None:
    """Let the window work for so long."""
    loop = QEventLoop()
    QTimer.singleShot(duration_ms, loop.quit)
    loop.exec()
