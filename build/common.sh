# What the scripts of this repository share; sourced, never run. Progress goes to stderr, results to stdout.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # for the scripts that source this
target=$root/target
me=${0#"$root"/}

say() { printf '%s: %s\n' "$me" "$*" >&2; }
# die [CODE] MESSAGE: one line, and out.
die() {
    local code=1
    case $1 in [0-9]*) code=$1; shift ;; esac
    say "$*"
    exit "$code"
}
# For the end of a pipe: `grep -q` leaves at the first match, and under pipefail the writer's SIGPIPE
# then counts as a failure.
matches() { grep "$@" >/dev/null; }
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root: directly, or by sudo, which may ask for a password only where somebody sits.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif ! have sudo; then
        say "needs root for '$1', and this user has no sudo"
        return 1
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# apt_candidate PACKAGE: whether apt knows where to get it; refreshes lists that are empty or too old to.
apt_candidate() {
    have apt-get || return 1
    apt-cache show "$1" >/dev/null 2>&1 && return
    as_root apt-get -qq update >&2 && apt-cache show "$1" >/dev/null 2>&1
}

# apt_install PACKAGE…: what is not there yet. Quiet when all is well.
apt_install() {
    local missing=() package log
    have apt-get || { say "needs $*, and there is no apt-get here: install it by your own package manager"; return 1; }
    for package; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | matches ' installed$' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    log=$(mktemp)
    # Lists of last week name packages that the mirror no longer has: one update and a second try mend it.
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1 </dev/null &&
        ! { as_root apt-get -qq update && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        say "apt-get could not install ${missing[*]}"
        return 1
    fi
    rm -f "$log"
}

# need COMMAND PACKAGE: COMMAND is there, or PACKAGE is installed and brings it.
need() { have "$1" || apt_install "$2"; }
