#!/bin/bash
# entrypoint.toml as a script; benches/peers puts one of the two endings behind it. As one writes it who
# counts processes: none is started here, $(<FILE) is done by bash 5.2 itself.
set -euo pipefail

file_env() {
    local name=$1 file=$1_FILE
    if [[ -n ${!name:-} && -n ${!file:-} ]]; then
        echo "both $name and $file are set" >&2
        exit 1
    fi
    [[ -n ${!name:-} ]] || printf -v "$name" '%s' "$(<"${!file:?}")"
    export "${name?}"
    unset "$file"
}
file_env DB_PASSWORD
file_env SECRET_KEY
export DATABASE_URL=postgres://app:$DB_PASSWORD@$DB_HOST/app

args=()
[[ -z ${PORT:-} ]] || args+=("--bind=0.0.0.0:$PORT")
[[ -z ${WEB_CONCURRENCY:-} ]] || args+=(--workers "$WEB_CONCURRENCY")
[[ -z ${THREADS:-} ]] || args+=(--threads "$THREADS")
args+=(--timeout "${TIMEOUT:-30}")
[[ -z ${KEEP_ALIVE:-} ]] || args+=(--keep-alive "$KEEP_ALIVE")
args+=(--log-level "${LOG_LEVEL:-info}")
[[ -z ${MAX_REQUESTS:-} ]] || args+=(--max-requests "$MAX_REQUESTS")
[[ ${DEBUG:-} != 1 ]] || args+=(--reload)
# shellcheck disable=SC2206 # split on purpose
args+=(${EXTRA_ARGS:-})
args+=("${APP_MODULE:?}")
unset PORT WEB_CONCURRENCY THREADS TIMEOUT KEEP_ALIVE LOG_LEVEL MAX_REQUESTS DEBUG EXTRA_ARGS APP_MODULE

src=@HERE@/settings.ini.template dest=@HERE@/settings.ini
