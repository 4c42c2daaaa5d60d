"""A terminal for a command: a pty of a given size, and what a person would see in it."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios

import pytest


class Screen:
    """What was drawn.

    Attributes:
        raw: all that was written.
        text: the same without colours, and with an end of line for escapes that move the cursor.
        lines: of the text; a line that was drawn again and again is there as often.
        code: exit status.
    """

    def __init__(self, raw, code):
        self.raw, self.code = raw, code
        plain = re.sub(r"\x1b\[[0-9;]*m", "", raw)
        self.text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", plain.replace("\r", "\n"))
        self.lines = [line.rstrip() for line in self.text.split("\n") if line.strip()]


def in_terminal(arguments, cwd, columns=80, rows=24, encoding="utf-8", **variables):
    """Give a `vgbench` command in a terminal of its own."""
    command = [sys.executable, "-c", "from vgbench.cli import main; main()", *map(str, arguments)]
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    environ = plain | {"TERM": "xterm-256color", "OMP_NUM_THREADS": "1"} | variables
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execvpe(command[0], command, environ)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    written = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        written += part
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return Screen(written.decode(encoding, "backslashreplace"), os.waitstatus_to_exitcode(status))


@pytest.fixture
def terminal(tmp_path):
    """Give a command in a terminal, in an empty folder."""

    def call(*arguments, **how):
        return in_terminal(arguments, tmp_path, VGBENCH_CACHE=str(tmp_path / "cache"), **how)

    return call
