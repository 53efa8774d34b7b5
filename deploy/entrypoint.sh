#!/bin/sh
# Gives an app a loudspeaker and a microphone, and connects both to a Soundport relay: starts the audio server of this
# image (server.sh), then becomes the app. Stays behind it to follow the relay, and to start a server that died.
#
#   SOUNDPORT_RELAY   the relay's name or address; localhost where it shares this container's network, as in a pod
#   PULSE_SERVER      where the audio server listens for apps, unix:/tmp/soundport/native unless you say so
set -eu

export PULSE_SERVER="${PULSE_SERVER:-unix:/tmp/soundport/native}"
socket=${PULSE_SERVER#unix:}
folder=$(dirname "$socket")
log=$folder/log
# Clients that cannot write one into a home complain; this server asks for none.
export PULSE_COOKIE="$folder/cookie"
# How often the relay is looked up, and the server looked at.
look_seconds=3
start_seconds=15

say() { echo "soundport: $*" >&2; }
fail() { say "$*"; exit 1; }
# What the server said last, besides that there is no D-Bus: no container has one.
last_words() { { echo nothing; grep -v -i -e '^$' -e ' bus' "$log" 2> /dev/null; } | tail -n 1; }

# The bytes that say for which processor a program is built; fails where it is no ELF file.
machine() {
    [ "$(head -c 4 "$1" | od -An -tx1)" = " 7f 45 4c 46" ] && od -An -tx1 -j 18 -N 2 "$1"
}

# What can be told before anything runs.
check() {
    [ -n "${SOUNDPORT_RELAY:-}" ] ||
        fail "SOUNDPORT_RELAY is not set in this container: give it the relay's name or address, such as -e SOUNDPORT_RELAY=172.17.0.1."
    for program in $programs; do
        command -v "$program" > /dev/null ||
            fail "There is no $program in this image: install Debian's $packages."
    done
    [ $# -gt 0 ] || fail "There is no command for this container: name the app that is to be heard."
    app=$(command -v "$1") || fail "There is no program $1 in this image: name one that is, or install it."
    if [ -f "$app" ] && built=$(machine "$app") && [ "$built" != "$(machine /bin/sh)" ]; then
        fail "$app is built for another processor than this image ($(uname -m)): take the build for $(uname -m)."
    fi
}

# The relay's address now, nothing while its name is unknown: RTP senders take no names. It is asked for again and again:
# no single answer is worth waiting for.
address() (
    export RES_OPTIONS="timeout:1 attempts:1"
    { getent ahostsv4 "$SOUNDPORT_RELAY" || getent ahostsv6 "$SOUNDPORT_RELAY"; } | awk 'NR == 1 { print $1 }'
)

# Where the relay at address $1 finds this container: `listen` for its announcements, `from` to send with.
choose_own() {
    case $1 in
        127.*) listen=127.0.0.2 from=127.0.0.2 ;; # one network for both: the relay has the other addresses
        *:*) listen=:: from=:: ;;
        *) listen=0.0.0.0 from=0.0.0.0 ;;
    esac
}

# Whether all these processes run. One that died is still there until the app takes note of it, which few do.
all_run() {
    for process; do
        grep -q '^State:[[:space:]]*[^Z[:space:]]' "/proc/$process/status" 2> /dev/null || return 1
    done
}

# Waits until a command succeeds, and no longer than a server may take to start.
wait_until() {
    tries=$((start_seconds * 10))
    until "$@" > /dev/null 2>&1; do
        tries=$((tries - 1))
        is_alive && [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

# Follows the relay, and keeps the server alive, for as long as the container lives.
follow() {
    while sleep $look_seconds; do
        if ! is_alive; then
            say "$server ended in this container and is started again; it said: $(last_words)"
            start || continue
            at=
        fi
        now=$(address)
        if [ -n "$now" ] && [ "$now" != "$at" ] && choose_own "$now" && connect "$now" 2> /dev/null; then
            say "Sound goes to $SOUNDPORT_RELAY ($now)."
            at=$now
        fi
    done
}

. "${SOUNDPORT_SERVER:-/usr/local/lib/soundport/server.sh}"
check "$@"
mkdir -p "$folder" 2> /dev/null && [ -w "$folder" ] ||
    fail "Nothing can be written to $folder in this container: mount something writable there (--tmpfs /tmp)."
start || fail "$server does not start in this container: mend what it says: $(last_words)"
at=$(address)
if [ -z "$at" ]; then
    say "SOUNDPORT_RELAY is $SOUNDPORT_RELAY, a name that nobody knows in this container: start the relay in the same network, or set it to an address; it is looked up until then."
else
    choose_own "$at"
    connect "$at" 2> /dev/null || fail "$server cannot send RTP in this image: install Debian's $packages."
fi
follow &
exec "$@"
