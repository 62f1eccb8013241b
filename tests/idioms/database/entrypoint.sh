#!/bin/bash
# Waits for the database, then runs the command.
set -e
until (exec 3<>"/dev/tcp/$DB_HOST/$DB_PORT") 2>/dev/null; do
    sleep 0.05
done
exec "$@"
