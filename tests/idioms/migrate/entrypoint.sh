#!/bin/sh
# Migrates unless told not to, then serves.
set -e
if [ -z "$SKIP_MIGRATE" ]; then
    migrate --noinput
fi
collect || true
exec report serve "$@"
