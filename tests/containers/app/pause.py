"""Says that it is there, and does nothing about whatever comes."""

import signal

print("ready", flush=True)
signal.pause()
