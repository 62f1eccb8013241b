# The demo's box as a PID namespace with a root of its own, for where there is no engine; sourced by
# docker/demo/run. It is made of the same base and the same three lines as the Dockerfile.
# shellcheck shell=bash disable=SC2154

# The base as an archive, and the wheels for its Python.
box_parts() {
    archive=$(docker/base root)
    wheelhouse=$(docker/wheelhouse "$(tar -tf "$archive" | sed -n 's|^\./usr/bin/python\(3\.[0-9]*\)$|\1|p')")
}

# Mounts and chroot need root. What is built is built before, as the user whose files they are.
if [ "$(id -u)" != 0 ]; then
    have sudo || die "without an engine the demo needs root for its namespace, and this user has no sudo"
    build/static
    box_parts
    exec sudo DEMO_ENGINE=none DEMO_BUILT=yes "PATH=$PATH" "$0"
fi
need unshare util-linux

box=$target/demo-box
# shellcheck disable=SC2034
box_stop_command="kill -TERM"
box_pid=
box_code=0

box_create() {
    box_parts
    rm -rf --one-file-system "$box"
    mkdir -p "$box/root"
    tar -C "$box/root" -xf "$archive"
    mkdir -p "$box/root/app" "$box/root/wheelhouse"
    touch "$box/root/requirements.txt" "$box/log"
    chroot "$box/root" useradd --uid 10001 --user-group --create-home app
    chroot "$box/root" python -m venv /venv
    chroot "$box/root" chown -R app:app /venv
    cp "$target/static/pydexec" "$box/root/usr/local/bin/pydexec"
}

box_describe() {
    cat <<END
root ${box#"$root"/}/root, of Debian's packages
command pydexec -- gunicorn --bind=127.0.0.1:0 --worker-tmp-dir=/dev/shm --threads=4 app:app
mounted docker/demo/app:/app:ro
mounted docker/demo/requirements.txt:/requirements.txt:ro
mounted target/wheelhouse:/wheelhouse:ro
PYDEXEC_VENV=/venv
PYDEXEC_USER=app
PIP_NO_INDEX=1
PIP_FIND_LINKS=/wheelhouse
PYDEXEC_VERBOSE=1
END
}

# Inside of the new mount and PID namespaces: the mounts, and then pydexec in this shell's own place,
# which is PID 1. The mounts are gone when the namespace is.
# shellcheck disable=SC2016 # expanded there
box_inside='
    set -e
    cd "$1"
    mount --bind . .
    cd "$1"
    mount -t proc proc proc
    mount --rbind /dev dev
    mount -t tmpfs tmpfs dev/shm
    mount --bind "$2" app
    mount --bind "$3" requirements.txt
    mount --bind "$4" wheelhouse
    for dir in app requirements.txt wheelhouse; do mount -o remount,bind,ro "$dir"; done
    cd app
    exec chroot "$1" /usr/bin/env -i --chdir=/app \
        PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
        PYDEXEC_VENV=/venv PYDEXEC_USER=app PYDEXEC_VERBOSE=1 PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheelhouse \
        pydexec -- gunicorn --bind=127.0.0.1:0 --worker-tmp-dir=/dev/shm --threads=4 app:app
'

box_start() {
    box_seen=$(wc -l <"$box/log")
    unshare --mount --pid --fork --kill-child --propagation private \
        sh -c "$box_inside" sh "$box/root" "$root/docker/demo/app" "$root/docker/demo/requirements.txt" "$wheelhouse" \
        >>"$box/log" 2>&1 </dev/null &
    box_pid=$!
    box_code=
}

box_running() {
    grep -q '^State:[[:space:]]*[^Z]' "/proc/${box_pid:-none}/status" 2>/dev/null || { box_collect; return 1; }
}
box_collect() { [ -z "$box_pid" ] || { box_code=0; wait "$box_pid" 2>/dev/null || box_code=$?; box_pid=; }; }
# The port is one that the kernel chose; gunicorn says which.
box_address() { tail -n "+$((box_seen + 1))" "$box/log" | sed -n 's/.*Listening at: \(http:[^ ]*\).*/\1/p'; }
box_log() { cat "$box/log"; }
# Like `docker stop`: SIGTERM to PID 1, and ten seconds to follow it.
box_stop() {
    kill -TERM "$(cat "/proc/$box_pid/task/$box_pid/children")"
    (timeout 10 tail -f -s 0.2 --pid="$box_pid" /dev/null || kill -KILL "$box_pid") >/dev/null 2>&1 &
    box_collect
}
box_exit_code() { echo "$box_code"; }
box_remove() {
    # unshare takes its child along, and that one, PID 1, the whole namespace.
    if [ -n "$box_pid" ]; then kill -KILL "$box_pid" 2>/dev/null || true; box_collect; fi
    rm -rf --one-file-system "$box"
}
