use soundport_tests::Snippet;

/// Who runs a piece of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    /// `pactl` with PulseAudio and with PipeWire; what plays is heard.
    Speaker,
    /// `pactl` in a desktop that has a PulseAudio; what plays is heard. How one gets in is for the desktop to say.
    Desktop,
    /// `pactl` with PulseAudio; what is said is recorded at the microphone, and what plays is heard.
    Microphone,
    /// `pactl` that looks, or moves something.
    Pactl,
    /// A program that sends RTP, in a container; it is heard.
    Sender,
    /// A program that receives a microphone; what is said is played.
    Receiver,
    /// A configuration file, which `soundport check` finds fine and the relay starts with.
    Configuration,
    /// A relay, which starts.
    Relay,
    /// A command that asks a relay.
    Asked,
    /// A command that ends, and well.
    Command,
    /// `curl`, with a relay.
    Curl,
    /// An option or a variable, which the help knows.
    Name,
    /// A line for a page on another server, which finds the relay by it.
    Page,
    /// coturn's configuration, which coturn takes.
    Coturn,
    /// A package of this workspace.
    Cargo,
    /// Packages of Debian, which tests install and use.
    Packages,
    /// Tests elsewhere.
    Elsewhere,
    /// A drawing, or the shape of an answer with dots in it.
    Nobody,
}

/// What other tests run: the test, and by which the text is known. Some take it from the page; where they have words of their
/// own, the whole line is here, so that it cannot change unseen.
pub(crate) const ELSEWHERE: &[(&str, &[&str])] = &[
    // Reads every page, and has the command line's own parser read each line.
    ("xtask/src/args.rs", &["cargo xtask "]),
    // Hold the page against the recipes, which they run.
    ("tests/src/nginx.rs", &["map $http_upgrade $connection_upgrade"]),
    ("tests/src/caddy.rs", &["handle_path /sound/*"]),
    // Holds the line against the pinned tools.
    ("xtask/src/tools/crates.rs", &["trunk serve"]),
    ("xtask/src/page.rs", &["trunk build --release"]),
    (
        "tests/tests/containers.rs",
        &[
            "podman build -t soundport-pulseaudio -f deploy/pulseaudio/Containerfile deploy/\npodman run --hostname kiosk -e SOUNDPORT_RELAY=172.17.0.1 -v \"$PWD/music.flac:/music:ro\" soundport-pulseaudio paplay /music",
            "podman run -d --name kiosk-sound --hostname kiosk -v kiosk-sound:/tmp/soundport -e SOUNDPORT_RELAY=172.17.0.1 soundport-pulseaudio\npodman run -v kiosk-sound:/tmp/soundport -e PULSE_SERVER=unix:/tmp/soundport/native IMAGE",
            "docker exec CONTAINER soundport doctor",
            "docker run --hostname NAME",
        ],
    ),
    (
        "tests/tests/service.rs",
        &[
            "install -m 755 target/release/soundport /usr/bin/soundport\ninstall -D -m 644 deploy/soundport.example.toml /etc/soundport/soundport.toml\ninstall -m 644 deploy/soundport.service /etc/systemd/system/\nsystemctl daemon-reload && systemctl enable --now soundport",
            "systemctl reload soundport",
        ],
    ),
    (
        "tests/tests/ogg.rs",
        &[
            "vlc http://localhost:8080/sources/desktop.ogg\nmpv http://localhost:8080/sources/desktop.ogg\nffplay -nodisp http://localhost:8080/sources/desktop.ogg",
            "--network-caching=300",
            "<audio controls src=\"/sources/desktop.ogg\"></audio>",
            "<audio controls crossorigin src=\"https://sound.example.org:8443/sources/desktop.ogg\"></audio>",
        ],
    ),
    (
        "tests/tests/embed.rs",
        &[
            "<script src=\"https://sound.example.org:8443/embed.js\" data-source=\"desktop\"></script>",
            "<iframe src=\"https://sound.example.org:8443/?embed&source=desktop\" allow=\"autoplay; microphone\" width=\"300\" height=\"56\"></iframe>",
            "  --soundport-scheme: dark;\n",
            "const control = soundport.controls[0];\nawait control.listen();",
            "document.addEventListener(\"soundport:state\", ({ detail }) =>",
            "add_header Content-Security-Policy \"frame-ancestors 'self' https://desk.example.org\";",
            "--soundport-font",
        ],
    ),
    ("tests/tests/doctor.rs", &["tcpdump -ni any udp port 5004", "ss -lunp sport = :PORT"]),
];

/// Who runs it; none where nobody does.
pub(crate) fn runner(snippet: &Snippet) -> Option<Runner> {
    let text = snippet.text.as_str();
    if ELSEWHERE.iter().any(|(_, texts)| texts.iter().any(|known| text.contains(known))) {
        return Some(Runner::Elsewhere);
    }
    Some(match snippet.program() {
        "pactl" if text.contains("module-rtp-recv") => Runner::Microphone,
        "pactl" if text.contains("module-rtp-send") && snippet.is_block => Runner::Speaker,
        "pactl" if text.contains("module-rtp-send") => Runner::Desktop,
        "pactl" => Runner::Pactl,
        "docker" | "-e" if text.contains(" pactl load-module module-rtp-send ") => Runner::Desktop,
        "pw-cli" | "ffmpeg" => Runner::Sender,
        "gst-launch-1.0" if text.contains("udpsrc") => Runner::Receiver,
        "gst-launch-1.0" => Runner::Sender,
        "soundport" => of_soundport(text),
        "curl" => Runner::Curl,
        "cargo" => Runner::Cargo,
        "apt-get" => Runner::Packages,
        _ if snippet.is_option() || snippet.is_variable() => Runner::Name,
        _ if snippet.is_configuration() => Runner::Configuration,
        _ if text.starts_with("<meta name=\"soundport-relay\"") => Runner::Page,
        _ if text.contains("denied-peer-ip=") => Runner::Coturn,
        _ if text.contains("─▶") || text.starts_with("{\"") => Runner::Nobody,
        _ => return None,
    })
}

fn of_soundport(text: &str) -> Runner {
    let has = |word: &str| text.contains(&format!("soundport {word}"));
    if has("doctor") || has("health") {
        Runner::Asked
    } else if has("check")
        || has("completions")
        || has("manual")
        || text.contains("--help")
        || has("--version")
    {
        Runner::Command
    } else {
        Runner::Relay
    }
}
