use clap::{CommandFactory, FromArgMatches};

use super::*;
use crate::options::{IceEntry, IceOptions, TurnCredentials};

#[derive(clap::Parser)]
struct Typed {
    #[command(flatten)]
    flags: Flags,
}

fn gather(file: Option<&str>, arguments: &[&str]) -> Result<Options, Mistakes> {
    let mut arguments: Vec<_> = arguments.to_vec();
    arguments.insert(0, "soundport");
    let folder = std::env::temp_dir();
    let name = format!("soundport-{}-{:?}.toml", std::process::id(), std::thread::current().id());
    let path = folder.join(name);
    let text_path = path.display().to_string();
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
        arguments.extend(["--config", &text_path]);
    }
    let matches = Typed::command().try_get_matches_from(arguments).unwrap();
    let options = Options::gather(&Typed::from_arg_matches(&matches).unwrap().flags);
    if file.is_some() {
        std::fs::remove_file(&path).unwrap();
    }
    options
}

#[test]
fn the_command_line_goes_over_the_file() {
    let file =
        "https = \"[::]:9443\"\nbitrate = 96\nannounce = [\"a.example\", \"192.0.2.1:7000\"]\nsap = \"off\"";
    let options = gather(Some(file), &["--bitrate", "64", "--multicast", "--demo=false"]).unwrap();
    assert_eq!(options.bitrate_bps, 64_000);
    assert_eq!(options.https.to_string(), "[::]:9443");
    assert_eq!(options.announce[1], "192.0.2.1:7000".parse().unwrap());
    assert_eq!((options.sap, options.multicast, options.demo), (None, true, false));
}

#[test]
fn the_example_file_holds_every_key_with_its_default() {
    let text = include_str!("../../../../deploy/soundport.example.toml");
    let defaults = gather(None, &[]).unwrap();
    assert_eq!(gather(Some(text), &[]).unwrap(), defaults);
    let (top, ice) = text.split_once("[ice]").unwrap();
    let (ice, _) = ice.split_once("[[source]]").unwrap();
    for argument in Typed::command().get_arguments().map(|argument| argument.get_id().to_string()) {
        let (section, wanted) =
            argument.strip_prefix("ice_").map_or((top, argument.as_str()), |key| (ice, key));
        let is_there = section.lines().any(|line| {
            line.trim_start_matches("# ").split_once(" = ").is_some_and(|(key, _)| key == wanted)
        });
        assert!(is_there || argument == "config", "{argument} is not in the example");
    }
}

#[test]
fn the_example_of_a_source_holds_every_key() {
    let text = include_str!("../../../../deploy/soundport.example.toml");
    let (_, example) = text.split_once("# [[source]]").unwrap();
    let uncommented: String = example
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.contains(" = "))
        .fold("[[source]]\n".to_owned(), |text, line| text + line + "\n");
    let options = gather(Some(&uncommented), &[]).unwrap();
    let source = &options.sources[0];
    let all = (&source.from, source.port, source.format, source.bitrate_bps, source.frame);
    assert!(matches!(all, (Some(_), Some(5006), Some(_), Some(128_000), Some(FrameLength::Ms10))), "{all:?}");
    assert_eq!((source.talk, source.monitor_talkers, source.room), (Some(true), false, false));
    assert!(source.talk_to.is_some());
    assert_eq!((source.id.as_str(), source.title.as_str()), ("desktop", "Desktop"));
}

#[test]
fn the_examples_of_servers_can_be_read() {
    let text = include_str!("../../../../deploy/soundport.example.toml");
    let uncommented = |section: &str, until: &str| {
        let (_, rest) = text.split_once(section).unwrap();
        let lines = rest.split_once(until).unwrap().0.lines().map(|line| line.trim_start_matches("# "));
        let lines = lines.filter(|line| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')));
        lines.fold(String::new(), |text, line| text + line + "\n")
    };
    let webrtc = uncommented("# [webrtc]\n", "# Sources that");
    let options = ice(&format!("[webrtc]\n{webrtc}"), &[]).unwrap();
    assert_eq!(
        entries(&options),
        ["stun:stun.example.org:3478", "turns:turn.example.org:5349 by change me for 3600"]
    );
    let own = uncommented("[ice]\n", "# The same for everybody")
        .replace("turn = []", "turn = [\"turn:a.example\"]");
    let options = ice(&format!("[ice]\n{own}"), &[]).unwrap();
    assert_eq!(entries(&options), ["turn:a.example by change me for 3600"]);
}

#[test]
fn every_mistake_is_found_in_the_order_of_the_lines() {
    let file =
        "frame = 7\nhtps = 1\n\n[[source]]\nid = \"A\"\nport = 80\nformat = \"L15/48000\"\n\n[[source]]\n";
    let mistakes = gather(Some(file), &["--bitrate", "1"]).unwrap_err().to_string();
    let lines: Vec<_> = mistakes
        .lines()
        .map(|line| line.split_once(".toml:").map_or(line, |(_, rest)| rest))
        .map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(": "))
        .collect();
    let expected = ["1: frame", "2: htps", "5: source.id", "6: source.port", "7: source.format", "9: source"];
    assert_eq!(lines[..6], expected);
    assert!(lines[6].starts_with("--bitrate: 1 is out of range"), "{mistakes}");
    assert_eq!(lines.len(), 7);
}

#[test]
fn sources_may_share_what_tells_them_apart() {
    let both = |one: &str, other: &str| {
        gather(Some(&format!("[[source]]\nid = \"a\"\n{one}\n[[source]]\nid = \"b\"\n{other}\n")), &[])
            .map(|options| options.sources.len())
    };
    for (one, other) in [
        ("", ""),
        ("port = 5006", "port = 5008"),
        ("from = \"10.0.0.1\"\nport = 5006", "from = \"10.0.0.2\"\nport = 5006"),
        ("from = \"10.0.0.1\"", "from = \"10.0.0.1\"\nport = 5006"),
        ("from = \"10.0.0.1:4000\"", "from = \"10.0.0.1:4002\""),
    ] {
        assert_eq!(both(one, other).map_err(|mistakes| mistakes.to_string()), Ok(2), "{one} {other}");
    }
    for (one, other) in [
        ("port = 5006", "port = 5006"),
        ("port = 5006", "from = \"10.0.0.2\"\nport = 5006"),
        ("from = \"10.0.0.1\"", "from = \"10.0.0.1\""),
        ("from = \"Desk.Example\"", "from = \"desk.example\""),
    ] {
        assert!(both(one, other).is_err(), "{one} {other}");
    }
}

#[test]
fn a_source_says_all_there_is_or_its_id_alone() {
    let options = gather(Some("[[source]]\nid = \"kiosk-2\"\n"), &[]).unwrap();
    let source = &options.sources[0];
    assert_eq!((source.id.as_str(), source.title.as_str()), ("kiosk-2", "kiosk-2"));
    assert_eq!((&source.from, source.port, source.format), (&None, None, None));
}

/// What is read of `[ice]` and its like, or what is wrong, without the file's name.
fn ice(file: &str, arguments: &[&str]) -> Result<IceOptions, String> {
    let gathered = gather(Some(file), arguments).map(|options| options.ice);
    gathered.map_err(|mistakes| {
        let lines = mistakes.to_string();
        lines
            .lines()
            .map(|line| line.split_once(".toml:").map_or(line, |(_, rest)| rest))
            .collect::<Vec<_>>()
            .join("\n")
    })
}

fn entries(options: &IceOptions) -> Vec<String> {
    let urls = |entry: &IceEntry| entry.urls.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let words = |entry: &IceEntry| match &entry.credentials {
        None => urls(entry),
        Some(TurnCredentials::Minted { secret, ttl }) => {
            format!("{} by {} for {}", urls(entry), secret.expose(), ttl.as_secs())
        }
        Some(TurnCredentials::Fixed { username, credential }) => {
            format!("{} as {username} with {}", urls(entry), credential.expose())
        }
    };
    options.servers.iter().map(words).collect()
}

#[test]
fn servers_come_from_the_file_and_from_the_command_line() {
    let file = "[ice]\nstun = [\"stun:a.example\"]\nturn = [\"turn:b.example\"]\nsecret = \"north\"\nttl = 5\npolicy = \"relay\"\n";
    let options = ice(file, &[]).unwrap();
    assert_eq!(entries(&options), ["stun:a.example", "turn:b.example by north for 5"]);
    assert!(options.relay_only);
    let options =
        ice(file, &["--ice-turn", "turn:c.example,turns:c.example", "--ice-ttl", "60", "--ice-policy=all"])
            .unwrap();
    assert_eq!(entries(&options), ["stun:a.example", "turn:c.example turns:c.example by north for 60"]);
    assert!(!options.relay_only);
    let file = "[ice]\nturn = [\"turn:b.example\"]\nusername = \"me\"\ncredential = \"south\"\n";
    assert_eq!(entries(&ice(file, &[]).unwrap()), ["turn:b.example as me with south"]);
}

#[test]
fn abcdesktops_words_mean_the_same() {
    let own = "[ice]\nstun = [\"stun:stun.example.org:19302\"]\nturn = [\"turns:turn.example.org:3478\"]\nsecret = \"north\"\nttl = 3600\npolicy = \"relay\"\n";
    let tables = "[rtc_configuration]\niceServers = [ { urls = \"stun:stun.example.org:19302\" } ]\niceTransportPolicy = \"relay\"\n\
        [coturn]\ncoturn_static_auth_secret = \"north\"\nttl = 3600\nprotocol = \"turns\"\nurl = \"turn.example.org:3478\"\n";
    let dotted = "webrtc.enable = true\n\
        webrtc.rtc_configuration = { 'iceServers' = [ {'urls' = 'stun:stun.example.org:19302'} ], iceTransportPolicy = 'relay' }\n\
        webrtc.coturn = { 'coturn_static_auth_secret' = 'north', 'ttl' = 3600, 'protocol' = 'turns', 'url' = 'turn.example.org:3478' }\n";
    let own = ice(own, &[]).unwrap();
    assert_eq!(ice(tables, &[]).unwrap(), own);
    assert_eq!(ice(dotted, &[]).unwrap(), own);
    assert_eq!(entries(&ice(&dotted.replace("true", "false"), &[]).unwrap()), [""; 0]);
    let servers = "[rtc_configuration]\niceServers = [ { urls = [\"stun:a.example\", \"turn:a.example\"], username = \"me\", credential = \"south\" } ]\n";
    assert_eq!(entries(&ice(servers, &[]).unwrap()), ["stun:a.example turn:a.example as me with south"]);
}

#[test]
fn mistakes_about_servers_are_named_with_their_place() {
    for (file, expected) in [
        ("[ice]\nturn = [\"turn:a.example\"]", "2: ice.turn: lacks credentials"),
        (
            "[ice]\nturn = [\"http:a.example\"]\nsecret = \"north\"",
            "2: ice.turn: \"http:a.example\" does not begin with stun:, turn: or turns:",
        ),
        (
            "[ice]\nstun = [\"turn:a.example\"]",
            "2: ice.stun: \"turn:a.example\" is a TURN server; write it under turn",
        ),
        (
            "[ice]\nturn = [\"turn:a.example\"]\nsecret = \"north\"\nusername = \"me\"",
            "3: ice.secret: is given, and so is ice.username in line 4",
        ),
        ("[ice]\nturn = [\"turn:a.example\"]\nusername = \"me\"", "3: ice.username: stands alone"),
        ("[ice]\nturn = [\"turn:a.example\"]\ncredential = \"north\"", "3: ice.credential: stands alone"),
        ("[ice]\nsecret = \"north\"", "2: ice.secret: is for a TURN server, but none is named"),
        (
            "[ice]\nturn = [\"turn:a.example\"]\nsecret = \" north\"",
            "3: ice.secret: begins or ends with a blank",
        ),
        (
            "[ice]\nturn = [\"turn:a.example\"]\nsecret = 5",
            "3: ice.secret: is a number; write text in quotes",
        ),
        ("[ice]\nttl = 0", "2: ice.ttl: 0 is out of range; write 1 to 604800 (seconds)"),
        ("[ice]\nttl = 604801", "2: ice.ttl: 604801 is out of range"),
        ("[ice]\npolicy = \"none\"", "2: ice.policy: \"none\" is no policy; write all, or relay"),
        ("[ice]\npolicy = \"relay\"", "2: ice.policy: lets browsers connect through TURN alone"),
        ("[ice]\nstuns = []", "2: ice.stuns: is not a key; did you mean ice.stun?"),
        ("ice = 5", "1: ice: is a number; write [ice] above its keys"),
        ("proxies = [\"localhost\"]", "1: proxies: \"localhost\" is neither an address nor a network"),
        ("stun = \"turn:a.example\"", "1: stun: \"turn:a.example\" is no STUN server"),
        (
            "announce = [\"a.example:1/sctp\"]",
            "1: announce: \"a.example:1/sctp\" ends in something that is no transport",
        ),
        (
            "[rtc_configuration]\niceServers = [{ urls = \"turn:a.example\" }]",
            "2: rtc_configuration.iceServers.urls: lacks credentials",
        ),
        (
            "[rtc_configuration]\niceServers = [{ username = \"me\" }]",
            "2: rtc_configuration.iceServers: lacks urls",
        ),
        ("[coturn]\nprotocol = \"turn\"\nurl = \"a.example\"", "1: coturn: lacks coturn_static_auth_secret"),
        (
            "[coturn]\ncoturn_static_auth_secret = \"north\"\nprotocol = \"https\"\nurl = \"a.example\"",
            "3: coturn.protocol: \"https\" is no protocol",
        ),
        ("[webrtc]\ncoturn = 5", "2: webrtc.coturn: is a number; write [coturn] above its keys"),
    ] {
        let said = ice(file, &[]).unwrap_err();
        assert!(said.starts_with(expected), "{file}\n{said}");
        assert_eq!(said.lines().count(), 1, "{file}\n{said}");
        assert!(!said.contains("north"), "{said}");
    }
    let said = ice("", &["--ice-secret", "north", "--ice-username", "me"]).unwrap_err();
    assert!(said.starts_with("--ice-secret: is given, and so is --ice-username"), "{said}");
    let said = ice("", &["--proxy", "a.example"]).unwrap_err();
    assert!(said.starts_with("--proxy: \"a.example\" is neither"), "{said}");
}

#[test]
fn secrets_are_not_printed() {
    let options = ice("[ice]\nturn = [\"turn:a.example\"]\nsecret = \"north\"", &[]).unwrap();
    assert!(!format!("{options:?}").contains("north"));
    let matches = Typed::command().try_get_matches_from(["soundport", "--ice-secret", "north"]).unwrap();
    assert!(!format!("{:?}", Typed::from_arg_matches(&matches).unwrap().flags).contains("north"));
    for name in ["ice_secret", "ice_credential"] {
        let command = Typed::command();
        let argument = command.get_arguments().find(|argument| argument.get_id() == name).unwrap();
        assert!(argument.is_hide_env_values_set(), "--help shows {name}");
    }
}

#[test]
fn an_address_announced_twice_stands_once() {
    let options = gather(None, &["--announce", "a.example,A.example,a.example:7000"]).unwrap();
    assert_eq!(options.announce.len(), 2);
}
