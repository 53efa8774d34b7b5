//! What the relay's machine lacks, whether a relay runs or not.

use std::fs;
use std::net::TcpListener;

use anyhow::{Result, ensure};
use soundport_api::{Report, Verdict};
use soundport_tests::{Host, Relay};

use super::{Folder, doctor, said};

#[test]
fn a_machine_without_a_relay_is_looked_at_nevertheless() -> Result<()> {
    let host = Host::new()?;
    let folder = Folder::with("announce = [\"nowhere.invalid\", \"203.0.113.7\"]\n")?;
    let output = doctor(&host, &folder, &[])?;
    said(&output, 1, &["No relay runs here", "nowhere.invalid is announced, but cannot be resolved"])?;
    said(&output, 1, &["8443/tcp, 8080/tcp, 8443/udp, 5004/udp and 9875/udp are free"])?;
    said(
        &output,
        1,
        &["203.0.113.7 is announced, and is no address of this machine", "the relay mints one"],
    )?;
    let folder = Folder::with("announce = [\"127.0.0.1\"]\n")?;
    said(&doctor(&host, &folder, &[])?, 0, &["No relay runs here"])?;
    said(&doctor(&host, &folder, &["desktop"])?, 1, &["No relay runs here"])?;
    let _taken = host.inside(|| Ok(TcpListener::bind("127.0.0.1:8443")?))?;
    said(&doctor(&host, &folder, &[])?, 1, &["8443/tcp is held by", "(process ", "--https"])?;
    let output = doctor(&host, &folder, &["--json"])?;
    let found: Report = serde_json::from_slice(&output.stdout)?;
    ensure!(output.status.code() == Some(1) && found.verdict == Verdict::Trouble, "{found:?}");
    ensure!(found.relay.is_none() && found.summary.contains("8443/tcp is held by"), "{found:?}");
    Ok(())
}

#[test]
fn mistakes_of_configuration_and_certificate_are_named_and_wrong_usage_is_another_code() -> Result<()> {
    let host = Host::new()?;
    let folder = Folder::with("frame = 7\n")?;
    said(&doctor(&host, &folder, &[])?, 1, &[":1: frame: ", "write 5, 10 or 20 (ms)"])?;
    let output = doctor(&host, &folder, &["--nonsense"])?;
    ensure!(output.status.code() == Some(2), "{output:?}");
    let folder = Folder::with("cert = \"cert.pem\"\nkey = \"key.pem\"\n")?;
    said(&doctor(&host, &folder, &[])?, 1, &["certificate", "Failed to read a certificate"])?;
    for (year, code, words) in [(2020, 1, "has expired"), (2060, 0, "for sound.example.org")] {
        let mut parameters = rcgen::CertificateParams::new(["sound.example.org".to_owned()])?;
        parameters.not_before = rcgen::date_time_ymd(2019, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate()?;
        fs::write(folder.path("cert.pem"), parameters.self_signed(&key)?.pem())?;
        fs::write(folder.path("key.pem"), key.serialize_pem())?;
        said(&doctor(&host, &folder, &[])?, code, &[words])?;
    }
    fs::write(folder.path("key.pem"), rcgen::KeyPair::generate()?.serialize_pem())?;
    said(&doctor(&host, &folder, &[])?, 1, &["do not belong together"])
}

#[test]
fn a_running_relay_is_found_with_its_ports_and_sources() -> Result<()> {
    let relay = Relay::demo()?;
    relay.wait_live("demo")?;
    said(&relay.doctor(&[])?, 0, &["A relay runs here", "are the relay’s own", "Source demo (Demo)"])?;
    let output = relay.doctor(&["--json"])?;
    let found: Report = serde_json::from_slice(&output.stdout)?;
    ensure!(
        found.relay.is_some_and(|relay| relay.sources.iter().any(|source| source.source == "demo")),
        "{output:?}"
    );
    said(&relay.doctor(&["nowhere"])?, 1, &["The relay knows no source nowhere", "demo"])
}
