#!/bin/sh
# As root, gives the data to the user and becomes that user; as anybody else, goes on.
set -e
if [ "$(id -u)" = 0 ]; then
    chown -R 1234:1235 /mnt/data
    exec gosu 1234:1235 report "$@"
fi
exec report "$@"
