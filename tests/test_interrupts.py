"""Ctrl+C is heard also where it comes just before a wait."""

import _thread
import signal
import subprocess
import sys
import threading

import pytest

from viewer.cli.interrupts import interrupts_heard


def test_a_signal_that_a_wait_would_keep_is_heard() -> None:
    ends = threading.Event()
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    # As of a signal that came just before the wait: it is noted, and the wait goes on.
    noting = threading.Timer(0.3, lambda: _thread.interrupt_main(signal.SIGUSR1))
    ending = threading.Timer(30.0, ends.set)
    try:
        noting.start()
        ending.start()
        with interrupts_heard(), pytest.raises(KeyboardInterrupt):
            ends.wait()
        assert not ends.is_set()
    finally:
        ending.cancel()
        signal.signal(signal.SIGUSR1, before)


def test_an_interrupt_while_the_program_loads_says_nothing() -> None:
    """The command line takes a third of a second to load."""
    code = (
        "import os, signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'viewer.cli.explain':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from viewer.entry import main\n"
        "main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")
