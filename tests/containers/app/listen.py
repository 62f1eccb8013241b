"""Says what reaches it: signals, the size of its terminal, and lines."""

import os
import select
import signal

# Python calls a handler once for signals that come close together; into this pipe goes a byte for each.
reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)
for number in (signal.SIGINT, signal.SIGCONT, signal.SIGUSR1, signal.SIGWINCH):
    signal.signal(number, lambda *_: None)
print("ready", flush=True)
while True:
    ready, _, _ = select.select([0, reader], [], [])
    if reader in ready:
        for number in os.read(reader, 100):
            print("got", signal.Signals(number).name, flush=True)
            if number == signal.SIGWINCH:
                print("size {}x{}".format(*os.get_terminal_size()), flush=True)
    elif line := os.read(0, 100):
        print("read", line.decode().strip(), flush=True)
    else:
        break
