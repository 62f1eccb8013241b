"""The demo's application: a page, and two that let its process table be watched."""

import os
import pwd
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import flask

app = flask.Flask(__name__)


def user_name(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def processes():
    """What /proc says of each process: pid, parent, state, user, command line."""
    for entry in sorted((e for e in Path("/proc").iterdir() if e.name.isdigit()), key=lambda e: int(e.name)):
        try:
            status = dict(line.split(":", 1) for line in (entry / "status").read_text().splitlines() if ":" in line)
            argv = (entry / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        user = user_name(int(status["Uid"].split()[0]))
        yield int(entry.name), int(status["PPid"]), status["State"].split()[0], user, argv or f"[{status['Name'].strip()}]"


@app.get("/")
def page():
    user = user_name(os.getuid())
    first = Path("/proc/1/comm").read_text().strip()
    return (
        "<!doctype html>\n<title>pydexec</title>\n<h1>It runs</h1>\n"
        f"<p>Flask {version('flask')} on Python {sys.version.split()[0]},"
        f" as user {user}, from {sys.prefix}; PID 1 is {first}.</p>\n"
    )


@app.get("/healthz")
def health():
    return "ok\n"


@app.get("/processes")
def table():
    rows = [("PID", "PPID", "S", "USER", "COMMAND"), *processes()]
    lines = ("{:>5} {:>5} {} {:<8} {}".format(*row)[:110] for row in rows)
    return "\n".join(lines) + "\n", {"Content-Type": "text/plain"}


@app.post("/orphans")
def leave_orphan():
    """Leaves a process behind whose parent has ended, and answers with its pid."""
    shell = subprocess.run(["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"], stdout=subprocess.PIPE, check=True, text=True)
    return shell.stdout, 201


@app.delete("/orphans/<int:pid>")
def end_orphan(pid):
    """Ends it. Who reaps it is no business of this application."""
    os.kill(pid, signal.SIGTERM)
    return "", 204
