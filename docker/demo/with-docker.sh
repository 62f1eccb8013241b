# The demo's box as a Docker container; sourced by docker/demo/run.
# shellcheck shell=bash disable=SC2154

docker=$(docker/engine client)
box=pydexec-demo-$$
# shellcheck disable=SC2034
box_stop_command="docker stop"

box_create() {
    local image wheelhouse
    image=$(docker/demo/image)
    wheelhouse=$(docker/wheelhouse)
    # What is to be installed comes from the wheelhouse, so that no network is needed.
    "$docker" create --name "$box" --publish 127.0.0.1::8000 \
        --volume "$root/docker/demo/app:/app:ro" \
        --volume "$root/docker/demo/requirements.txt:/requirements.txt:ro" \
        --volume "$wheelhouse:/wheelhouse:ro" \
        --env PIP_NO_INDEX=1 --env PIP_FIND_LINKS=/wheelhouse --env PYDEXEC_VERBOSE=1 \
        "$image" >/dev/null
}

box_describe() {
    "$docker" container inspect --format 'image {{.Config.Image}}
ENTRYPOINT {{json .Config.Entrypoint}}
CMD {{json .Config.Cmd}}
{{range .HostConfig.Binds}}mounted {{.}}
{{end}}{{range .Config.Env}}{{.}}
{{end}}' "$box" | sed "s|$root/||" | grep -vE '^$|^(PATH|LANG|GPG_KEY|PYTHON_)' || true
}

box_start() { "$docker" start "$box" >/dev/null; }
box_running() { [ "$("$docker" container inspect --format '{{.State.Running}}' "$box")" = true ]; }
box_address() { "$docker" port "$box" 8000/tcp 2>/dev/null | sed -n '1s|^|http://|p'; }
box_log() { "$docker" logs "$box" 2>&1; }
box_stop() { "$docker" stop "$box" >/dev/null; }
box_exit_code() { "$docker" container inspect --format '{{.State.ExitCode}}' "$box"; }
box_remove() { "$docker" rm --force --volumes "$box" >/dev/null 2>&1 || true; }
