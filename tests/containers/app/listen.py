"""Says what reaches it: signals, the size of its terminal, and lines."""

import os
import signal
import sys


def say(text):
    os.write(1, f"{text}\n".encode())  # unlike print, it may be called again while it runs


def tell(number, _):
    say(f"got {signal.Signals(number).name}")
    if number == signal.SIGWINCH:
        say("size {}x{}".format(*os.get_terminal_size()))


for number in (signal.SIGINT, signal.SIGCONT, signal.SIGUSR1, signal.SIGWINCH):
    signal.signal(number, tell)
say("ready")
for line in sys.stdin:
    say(f"read {line.strip()}")
