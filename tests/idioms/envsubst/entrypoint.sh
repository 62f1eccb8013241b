#!/bin/sh
# Fills in a configuration file.
set -e
: "${PORT:=8080}"
export PORT
envsubst </mnt/settings.ini.template >/mnt/settings.ini
exec report "$@"
