#!/usr/bin/env bash
# The main job, end to end: a private Redis, the supervisor, actors of all four kinds, and jobs through gRPC and back.
set -euo pipefail
cd "$(dirname "$0")/.."

hero=${HERO_SUPERVISOR:-${CARGO_TARGET_DIR:-target}/debug/hero-supervisor}
folder=$(mktemp -d "${TMPDIR:-/tmp}/hero-demo.XXXXXX")
"$hero" dev --listen 127.0.0.1:0 --data-dir "$folder/data" --ready-file "$folder/ready" >"$folder/log" 2>&1 &
dev=$!
finish() {
    kill -INT "$dev" 2>/dev/null && wait "$dev" || true
    rm -rf "$folder"
}
trap finish EXIT

for _ in $(seq 300); do
    [ -s "$folder/ready" ] && break
    kill -0 "$dev" 2>/dev/null || break
    sleep 0.1
done
if ! [ -s "$folder/ready" ]; then
    cat "$folder/log" >&2
    exit 1
fi
address=$(sed -n 's/.*"addresses":\["\([^"]*\)".*/\1/p' "$folder/ready")
export HERO_SUPERVISOR_SERVER="http://$address"

show() { # prints a command as a reader would type it, and runs it
    local word
    printf '\n$ hero-supervisor'
    for word in "$@"; do
        case $word in
            *[!a-zA-Z0-9_./:=-]*) printf " '%s'" "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$hero" "$@"
}

show actor start --all
show actor ls
show job run '40 + 2'
show job run 'println!("Hello World!");'
show job run --caller alice --context billing 'CALLER_ID + " works for " + CONTEXT_ID'
printf '\nA script that fails is told with its place, and costs nobody else anything:\n'
show job run $'let x = 1;\nx.no_such_thing()' || true
printf '\nA real script for each kind of actor:\n'
show job run --type osis --file examples/scripts/objects.rhai
show job run --type osis --file examples/scripts/playbook.hero
show job run --type sal --file examples/scripts/files_and_processes.rhai
show job run --type python --file examples/scripts/statistics_over_csv.py
if command -v v >/dev/null; then
    show job run --type v --file examples/scripts/squares.v
else
    printf 'There is no V compiler here, so there is no actor for V; everything else goes on.\n'
fi
show actor scale osis 3
show actor ls
show job ls
printf '\nDone: Redis, the supervisor and its actors end here.\n'
printf 'Next: `make run` starts such a system and keeps it, and docs/tutorial.md leads to an actor of your own.\n'
