# The audio server of entrypoint.sh: PulseAudio.
# shellcheck shell=sh disable=SC2034,SC2154 # entrypoint.sh reads these names, and sets others
server=PulseAudio
programs="pulseaudio pactl"
packages="pulseaudio, pulseaudio-utils, gstreamer1.0-plugins-base and gstreamer1.0-plugins-good"

# A loudspeaker `out`, and a microphone `mic` that hears what is played to `micsink`.
start() {
    rm -f "$socket"
    # Its own folder is closed to others, and the socket is for all.
    own=$folder/own
    PULSE_RUNTIME_PATH=$own PULSE_STATE_PATH=$own HOME=$own pulseaudio -n --daemonize=no --use-pid-file=no \
        --exit-idle-time=-1 --realtime=no --high-priority=no --log-level=error --log-target=stderr \
        -L "module-native-protocol-unix socket=$socket auth-anonymous=1" \
        -L "module-null-sink sink_name=out rate=48000 channels=2" \
        -L "module-null-sink sink_name=micsink rate=48000 channels=2" \
        -L "module-remap-source master=micsink.monitor source_name=mic" < /dev/null > "$log" 2>&1 &
    pulse=$!
    wait_until pactl info || return 1
    # Before anything is sent: a default that is chosen later would take the sender with it.
    pactl set-default-sink out
    pactl set-default-source mic
}

is_alive() { all_run "$pulse"; }

connect() {
    pactl unload-module module-rtp-recv > /dev/null 2>&1 || true
    pactl unload-module module-rtp-send > /dev/null 2>&1 || true
    pactl load-module module-rtp-recv sink=micsink sap_address="$listen" latency_msec=60 > /dev/null &&
        pactl load-module module-rtp-send source=out.monitor destination_ip="$1" source_ip="$from" mtu=972 > /dev/null
}
