#!/bin/sh
# Runs everything with the virtual environment.
. /mnt/venv/bin/activate
unset PS1 VIRTUAL_ENV_PROMPT
exec "$@"
