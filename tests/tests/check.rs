//! `soundport check`: whatever is wrong with a configuration is named by file, line and key, with a remedy.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use soundport_tests::Relay;
use tempfile::TempDir;

/// A folder with a configuration in it.
struct Folder {
    folder: TempDir,
    file: PathBuf,
}

/// A broken configuration: its text, the line and key that are to blame (no key: the line as a whole), and words of the
/// remedy.
struct Broken {
    text: &'static str,
    line: usize,
    key: &'static str,
    remedy: &'static str,
}

const fn broken(text: &'static str, line: usize, key: &'static str, remedy: &'static str) -> Broken {
    Broken { text, line, key, remedy }
}

const BROKEN: &[Broken] = &[
    // The file as TOML.
    broken("demo = true\nhttps = = 1\n", 2, "", "write KEY = VALUE"),
    broken("\n\nhttps = \"localhost:8443\nhttp = 1\n", 3, "", "write KEY = VALUE"),
    broken("bitrate = 96\ndemo = true\nbitrate = 128\n", 3, "bitrate", "remove one"),
    broken("[[source]\nid = \"a\"\n", 1, "", "write KEY = VALUE"),
    // Keys.
    broken("# words\nhtps = \"localhost:1\"\n", 2, "htps", "did you mean https?"),
    broken("volume = 11\n", 1, "volume", "remove it, the keys here are source, https, http"),
    broken("[relay]\nhttps = \"localhost:1\"\n", 1, "relay", "remove it"),
    broken("[[sources]]\nid = \"a\"\n", 1, "sources", "did you mean source?"),
    broken("[source]\nid = \"a\"\n", 1, "source", "write [[source]], in double brackets"),
    broken("[[source]]\nid = \"a\"\ntitel = \"A\"\n", 3, "source.titel", "did you mean source.title?"),
    // Types.
    broken("demo = \"true\"\n", 1, "demo", "write true or false without quotes: demo = true"),
    broken("bitrate = \"96\"\n", 1, "bitrate", "write a number without quotes: bitrate = 128"),
    broken("bitrate = 96.5\n", 1, "bitrate", "write a whole number"),
    broken("https = 8443\n", 1, "https", "write text in quotes: https = \"localhost:8443\""),
    broken("announce = \"sound.example.org\"\n", 1, "announce", "write a list: announce = ["),
    broken("announce = [\n  \"192.0.2.1\",\n  7,\n]\n", 3, "announce", "write text in quotes"),
    broken("sap = false\n", 1, "sap", "write text in quotes"),
    // Values.
    broken("bitrate = 511\n", 1, "bitrate", "write 16 to 510 (kb/s)"),
    broken("bitrate = -1\n", 1, "bitrate", "write 16 to 510 (kb/s)"),
    broken("frame = 7\n", 1, "frame", "write 5, 10 or 20 (ms)"),
    broken("https = \"localhost\"\n", 1, "https", "write HOST:PORT, such as localhost:8443"),
    broken("https = \"localhost:99999\"\n", 1, "https", "write 0 to 65535"),
    broken("http = \"0.0.0.0:8080\"\n", 1, "http", "plain HTTP stays on this machine, open https instead"),
    broken("media = \"localhost:8443\"\n", 1, "media", "write an IP address and a port, such as [::]:8443"),
    broken("sap = \"on\"\n", 1, "sap", "such as [::]:8443, or off"),
    broken("announce = [\"https://sound.example.org\"]\n", 1, "announce", "write HOST or HOST:PORT alone"),
    broken("announce = [\"0.0.0.0\"]\n", 1, "announce", "write this host's address or name"),
    broken("origins = [\"desktop.example.org\"]\n", 1, "origins", "write https://HOST"),
    broken("origins = [\"https://a.example/page\"]\n", 1, "origins", "without a path"),
    broken("cert = \"\"\nkey = \"k\"\n", 1, "cert", "write its path"),
    // What does not go together.
    broken("http = \"localhost:8443\"\n", 1, "http", "taken by https, by default; choose another"),
    broken(
        "media = \"[::]:7000\"\nrtp = \"127.0.0.1:7000\"\n",
        2,
        "rtp",
        "taken by media in line 1; choose another",
    ),
    broken("\ncert = \"cert.pem\"\n", 2, "cert", "name the certificate's private key as well (--key)"),
    broken("key = \"key.pem\"\n", 1, "key", "name the key's certificate as well (--cert)"),
    broken("cert = \"/nowhere/cert.pem\"\nkey = \"k\"\n", 1, "cert", "make it readable, or choose another"),
    // Sources.
    broken("demo = false\n\n[[source]]\ntitle = \"A\"\n", 3, "source", "write one, such as id = \"desktop\""),
    broken("[[source]]\nid = \"My Desk\"\n", 2, "source.id", "write lower-case letters, digits and -"),
    broken("[[source]]\nid = \"echo\"\n", 2, "source.id", "choose another id"),
    // Talking.
    broken("allow_talk = 1\n", 1, "allow_talk", "write true or false"),
    broken("[[source]]\nid = \"a\"\ntalk = \"yes\"\n", 3, "source.talk", "write true or false"),
    broken(
        "[[source]]\nid = \"a\"\ntalk_to = \"0.0.0.0\"\n",
        3,
        "source.talk_to",
        "write that of one machine",
    ),
    broken(
        "[[source]]\nid = \"a\"\ntalk = false\ntalk_to = \"10.0.0.5\"\n",
        4,
        "source.talk_to",
        "leave it out, or write talk = true",
    ),
    broken(
        "[[source]]\nid = \"a\"\nroom = true\nport = 5006\n",
        4,
        "source.port",
        "a room, which has no container",
    ),
    broken("[[source]]\nid = \"a\"\nroom = true\ntalk = false\n", 4, "source.talk", "leave it out"),
    broken(
        "demo = true\n[[source]]\nid = \"demo\"\n",
        3,
        "source.id",
        "choose another id, or switch demo off",
    ),
    broken(
        "[[source]]\nid = \"a\"\n\n[[source]]\nid = \"a\"\n",
        5,
        "source.id",
        "source.id in line 2; choose another",
    ),
    broken(
        "[[source]]\nid = \"a\"\ntitle = \" \"\n",
        3,
        "source.title",
        "write 1 to 64 characters on one line",
    ),
    broken(
        "[[source]]\nid = \"a\"\ntitle = \"a\\nb\"\n",
        3,
        "source.title",
        "write 1 to 64 characters on one line",
    ),
    broken(
        "[[source]]\nid = \"a\"\nfrom = \"172.17.0.300\"\n",
        3,
        "source.from",
        "write an IP address, or a name",
    ),
    broken("[[source]]\nid = \"a\"\nfrom = \"172.17.0.0/16\"\n", 3, "source.from", "without a slash"),
    broken(
        "[[source]]\nid = \"a\"\nfrom = \"fd00::1::2\"\n",
        3,
        "source.from",
        "in brackets, such as [::1]:8443",
    ),
    broken("[[source]]\nid = \"a\"\nport = 0\n", 3, "source.port", "write 1024 to 65535"),
    broken("[[source]]\nid = \"a\"\nport = 80\n", 3, "source.port", "write 1024 to 65535"),
    broken(
        "[[source]]\nid = \"a\"\nport = 5004\n",
        3,
        "source.port",
        "rtp, by default); choose another, or leave it out",
    ),
    broken(
        "[[source]]\nid = \"a\"\nport = 5006\n[[source]]\nid = \"b\"\nport = 5006\n",
        6,
        "source.port",
        "source.port in line 3; choose another, or say from whom",
    ),
    broken(
        "[[source]]\nid = \"a\"\nfrom = \"10.0.0.1\"\n[[source]]\nid = \"b\"\nfrom = \"10.0.0.1\"\n",
        6,
        "source.from",
        "source.from in line 3; remove one",
    ),
    broken("[[source]]\nid = \"a\"\nformat = \"L16\"\n", 3, "source.format", "such as L16/48000/2"),
    broken(
        "[[source]]\nid = \"a\"\nformat = \"L15/48000/2\"\n",
        3,
        "source.format",
        "use L16, L24, PCMU, PCMA or opus",
    ),
    broken("[[source]]\nid = \"a\"\nformat = \"opus/44100/2\"\n", 3, "source.format", "always opus/48000/2"),
    broken("[[source]]\nid = \"a\"\nformat = \"L16/48000/9\"\n", 3, "source.format", "use 1 to 8"),
    broken("[[source]]\nid = \"a\"\nbitrate = 9\n", 3, "source.bitrate", "write 16 to 510"),
    broken("[[source]]\nid = \"a\"\nframe = 60\n", 3, "source.frame", "write 5, 10 or 20"),
];

const GOOD: &str = "https = \"[::]:8443\"\ndemo = true\n\n\
    [[source]]\nid = \"desktop\"\ntitle = \"Küche\"\nfrom = \"172.17.0.2\"\nformat = \"L24/96000/6\"\n\n\
    [[source]]\nid = \"kiosk\"\nport = 5006\nbitrate = 64\nframe = 20\n\n\
    [[source]]\nid = \"quiet\"\n";

#[test]
fn every_broken_configuration_is_named_by_line_key_and_remedy() -> Result<()> {
    let mut wrong = String::new();
    for Broken { text, line, key, remedy } in BROKEN {
        let folder = Folder::with(text)?;
        let place = match *key {
            "" => format!("{}:{line}: ", folder.file.display()),
            key => format!("{}:{line}: {key}: ", folder.file.display()),
        };
        let said = folder.refused(&[])?;
        if said.lines().count() != 1 || !said.starts_with(&place) || !said.contains(remedy) {
            wrong += &format!("\n{text}is said to be {said}");
        }
    }
    ensure!(wrong.is_empty(), "{wrong}");
    Ok(())
}

#[test]
fn a_file_that_is_none_is_named() -> Result<()> {
    let folder = Folder::with("")?;
    let missing = folder.folder.path().join("missing.toml");
    let outside = folder.folder.path().to_path_buf();
    for (path, remedy) in [(missing, "create it, or name another"), (outside, "name the file in it")] {
        let output = run(Command::new(Relay::program()?).arg("check").arg("--config").arg(&path))?;
        let said = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(1), "{:?}", output.status);
        ensure!(said.starts_with(&format!("{}: ", path.display())) && said.contains(remedy), "{said}");
    }
    fs::write(&folder.file, b"demo = true\n# K\xfcche\n")?;
    let said = folder.refused(&[])?;
    ensure!(said.starts_with(&format!("{}:2: ", folder.file.display())), "{said}");
    ensure!(said.contains("save the file as UTF-8"), "{said}");
    Ok(())
}

#[test]
fn every_mistake_has_its_line_and_none_shows_the_file() -> Result<()> {
    let text = "password = \"tomato\"\nframe = 7\nhtps = 1 # potato\n[[source]]\nid = \"a\"\nport = 80\n";
    let folder = Folder::with(text)?;
    let said = folder.refused(&["--bitrate", "1", "--multicast=perhaps"])?;
    ensure!(said.lines().count() == 6, "{said}");
    for place in
        [":1: password: ", ":2: frame: ", ":3: htps: ", ":6: source.port: ", "--bitrate: ", "--multicast: "]
    {
        ensure!(said.contains(place), "{place} is not in {said}");
    }
    ensure!(!said.contains("tomato") && !said.contains("potato"), "the file is shown: {said}");
    fs::write(&folder.file, "password = \"tomato\n")?;
    let said = folder.refused(&[])?;
    ensure!(!said.contains("tomato"), "the file is shown: {said}");
    Ok(())
}

#[test]
fn the_environment_is_named_where_it_is_wrong() -> Result<()> {
    let output = run(Command::new(Relay::program()?).arg("check").env("SOUNDPORT_FRAME", "7"))?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1) && said.starts_with("SOUNDPORT_FRAME: 7 is not"), "{said}");
    let output =
        run(Command::new(Relay::program()?).args(["check", "--frame", "20"]).env("SOUNDPORT_FRAME", "7"))?;
    ensure!(output.status.success(), "{output:?}");
    let mut empty = Command::new(Relay::program()?);
    empty
        .arg("check")
        .envs(["SOUNDPORT_DEMO", "SOUNDPORT_ANNOUNCE", "SOUNDPORT_CONFIG"].map(|name| (name, "")));
    ensure!(run(&mut empty)?.status.success(), "an empty variable is not taken for one that is not set");
    Ok(())
}

#[test]
fn files_of_a_certificate_are_looked_at_and_none_is_made() -> Result<()> {
    let relay = Relay::start()?;
    let (cert, key) = (relay.certs().join("cert.pem"), relay.certs().join("key.pem"));
    let other = Relay::start()?;
    let (other_key, own) = (other.certs().join("key.pem"), |cert: &PathBuf, key: &PathBuf| {
        format!("cert = {:?}\nkey = {:?}\n", cert.display().to_string(), key.display().to_string())
    });
    let folder = Folder::with(&own(&cert, &key))?;
    folder.accepted()?;
    for (text, place, remedy) in [
        (own(&cert, &other_key), ":2: key: ", "do not belong together; name the key of this certificate"),
        (own(&key, &key), ":1: cert: ", "holds no certificate"),
        (own(&cert, &cert), ":2: key: ", "choose another"),
        (format!("certs = {:?}\n", cert.display().to_string()), ":1: certs: ", "name a folder"),
    ] {
        fs::write(&folder.file, text)?;
        let said = folder.refused(&[])?;
        ensure!(said.contains(place) && said.contains(remedy), "{said}");
    }
    let fresh = folder.folder.path().join("fresh");
    fs::write(&folder.file, format!("certs = {:?}\n", fresh.display().to_string()))?;
    folder.accepted()?;
    ensure!(!fresh.exists(), "a check made {}", fresh.display());
    Ok(())
}

#[test]
fn a_good_configuration_is_said_to_be_fine() -> Result<()> {
    let folder = Folder::with(GOOD)?;
    let said = folder.accepted()?;
    for line in [
        "Source desktop \"Küche\": from 172.17.0.2, L24/96000/6".to_owned(),
        "Source kiosk \"kiosk\": to port 5006, 64 kb/s, 20 ms frames".to_owned(),
        "Source quiet \"quiet\": whoever appears under this id".to_owned(),
        format!("{} is fine.", folder.file.display()),
    ] {
        ensure!(said.lines().any(|said| said == line), "{line} is not in {said}");
    }
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/soundport.example.toml");
    let output = run(Command::new(Relay::program()?).args(["check", "--config", example]))?;
    ensure!(output.status.success(), "{output:?}");
    let output = run(Command::new(Relay::program()?).arg("check"))?;
    ensure!(String::from_utf8(output.stdout)?.contains("No file is named (--config FILE)"));
    Ok(())
}

#[test]
fn what_is_only_odd_is_a_warning() -> Result<()> {
    let folder = Folder::with(
        "[[source]]\nid = \"a\"\nfrom = \"nowhere.invalid\"\n[[source]]\nid = \"b\"\nfrom = \"8.8.8.8\"\n",
    )?;
    let output = folder.check(&[])?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "{said}");
    ensure!(said.contains(":3: source.from: warning: \"nowhere.invalid\" cannot be resolved"), "{said}");
    ensure!(said.contains(":6: source.from: warning: \"8.8.8.8\" is in no private network"), "{said}");
    Ok(())
}

#[test]
fn the_relay_itself_refuses_with_the_same_words() -> Result<()> {
    let folder = Folder::with("frame = 7\nhtps = 1\n")?;
    let checked = folder.refused(&[])?;
    let mut serve = Command::new("timeout");
    serve.arg("10").arg(Relay::program()?).arg("serve").arg("--config").arg(&folder.file);
    let output = run(&mut serve)?;
    ensure!(output.status.code() == Some(1), "{:?}", output.status);
    let served = String::from_utf8(output.stderr)?.replace("soundport: ", "");
    ensure!(served == checked, "{served} is not {checked}");
    Ok(())
}

impl Folder {
    fn with(text: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("soundport.toml");
        fs::write(&file, text)?;
        Ok(Self { folder, file })
    }

    fn check(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(Relay::program()?);
        run(command
            .current_dir(self.folder.path())
            .arg("check")
            .arg("--config")
            .arg(&self.file)
            .args(arguments))
    }

    /// What is said of a configuration that is not to be taken.
    fn refused(&self, arguments: &[&str]) -> Result<String> {
        let output = self.check(arguments)?;
        let said = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(1), "ended with {:?}: {said}", output.status);
        ensure!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
        Ok(said)
    }

    /// What is said of a configuration that is to be taken.
    fn accepted(&self) -> Result<String> {
        let output = self.check(&[])?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() && said.is_empty(), "ended with {:?}: {said}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }
}

fn run(command: &mut Command) -> Result<Output> {
    command.output().context("Failed to run the relay's program")
}
