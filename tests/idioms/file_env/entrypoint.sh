#!/bin/bash
# Takes a secret from NAME, or from the file that NAME_FILE names, or a default.
set -e
from_file() {
    local name=$1 file=$1_FILE
    if [ -n "${!name}" ] && [ -n "${!file}" ]; then
        echo "$name and $file are both set" >&2
        exit 1
    fi
    if [ -n "${!file}" ]; then
        export "$name=$(cat "${!file}")"
    elif [ -z "${!name}" ]; then
        export "$name=$2"
    fi
    unset "$file"
}
from_file DB_PASSWORD fallback
export DATABASE_URL="postgres://app:$DB_PASSWORD@db/app"
exec report "$@"
