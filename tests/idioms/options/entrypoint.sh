#!/bin/bash
# Makes the server's options from variables.
set -e
: "${APP_MODULE:?is required}"
options=(--worker-tmp-dir /dev/shm "--bind=0.0.0.0:${PORT:-8000}")
if [ -n "$LOG_LEVEL" ]; then
    options+=(--log-level "$LOG_LEVEL")
fi
if [ "$DEBUG" = 1 ]; then
    options+=(--reload)
fi
module=$APP_MODULE extra=$EXTRA_ARGS
unset PORT LOG_LEVEL DEBUG APP_MODULE EXTRA_ARGS
# shellcheck disable=SC2086 # to be split
exec report "${options[@]}" "$module" $extra "$@"
