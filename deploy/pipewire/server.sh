# The audio server of entrypoint.sh: PipeWire, which answers PulseAudio's and ALSA's clients too.
# shellcheck shell=sh disable=SC2034,SC2154 # entrypoint.sh reads these names, and sets others
server=PipeWire
programs="pipewire wireplumber pipewire-pulse pw-cli pactl"
packages="pipewire-bin, wireplumber, pipewire-pulse and pulseaudio-utils"
parts=
ways=

# PipeWire's own clients find it by this.
export PIPEWIRE_RUNTIME_DIR="$folder"

# A loudspeaker `out`, and a microphone `mic` that hears what is played to `micsink`.
start() {
    # shellcheck disable=SC2086 # they are numbers
    [ -z "$parts$ways" ] || kill $parts $ways 2> /dev/null || true
    rm -f "$socket" "$folder"/pipewire-0*
    : > "$log"
    parts= ways=
    run pipewire
    wait_until [ -S "$folder/pipewire-0" ] || return 1
    run wireplumber
    run pipewire-pulse
    wait_until pactl info || return 1
    pactl load-module module-null-sink sink_name=out rate=48000 channels=2 > /dev/null
    pactl load-module module-null-sink sink_name=micsink rate=48000 channels=2 > /dev/null
    pactl load-module module-remap-source master=micsink.monitor source_name=mic > /dev/null
    # They can be chosen once WirePlumber has seen them.
    wait_until choose_defaults
}

run() {
    PULSE_RUNTIME_PATH=$folder XDG_RUNTIME_DIR=$folder XDG_STATE_HOME=$folder HOME=$folder PIPEWIRE_DEBUG=1 \
        "$@" < /dev/null >> "$log" 2>&1 &
    parts="$parts $!"
}

choose_defaults() {
    pactl set-default-sink out && pactl set-default-source mic &&
        [ "$(pactl get-default-sink) $(pactl get-default-source)" = "out mic" ]
}

# shellcheck disable=SC2086 # they are numbers
is_alive() { all_run $parts $ways; }

# Each module lives as long as the pw-cli that loaded it.
connect() {
    # shellcheck disable=SC2086 # they are numbers
    [ -z "$ways" ] || kill $ways 2> /dev/null || true
    ways=
    load libpipewire-module-rtp-source "{
        sap.ip = \"$listen\" sess.latency.msec = 60
        stream.props = { node.name = \"soundport-mic\" media.class = \"Stream/Output/Audio\" target.object = \"micsink\" }
    }"
    load libpipewire-module-rtp-sink "{
        destination.ip = \"$1\" destination.port = 5004 source.ip = \"$from\" sap.ip = \"$1\" sess.name = \"$(uname -n)\"
        audio.format = \"S16BE\" audio.rate = 48000 audio.channels = 2
        stream.props = { node.name = \"soundport\" media.class = \"Stream/Input/Audio\" stream.capture.sink = true target.object = \"out\" }
    }"
    wait_until is_sending
}

load() {
    pw-cli -m load-module "$@" < /dev/null >> "$log" 2>&1 &
    ways="$ways $!"
}

is_sending() { pw-cli ls Node | grep -q '"soundport"'; }
