#!/bin/sh
# One image, several roles, and whatever else somebody wants to run in it.
set -e
export ROLE=any
case "$1" in
"" | -*) exec report web --workers 2 "$@" ;;
worker)
    shift
    export ROLE=worker
    cd /usr
    exec report celery "$@"
    ;;
*) exec "$@" ;;
esac
