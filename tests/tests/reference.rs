//! `docs/reference.md` and `docs/operate.md` name every option, key, path and metric, in the relay's own words.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_tests::{
    Announced, Announcer, OpenApi, Relay, http_table, metrics_table, options_table, source_table, wait_until,
};

const REFERENCE: &str = include_str!("../../docs/reference.md");
const OPERATE: &str = include_str!("../../docs/operate.md");
const EXAMPLE: &str = include_str!("../../deploy/soundport.example.toml");

#[test]
fn every_option_is_there_with_its_default() -> Result<()> {
    let output = Command::new(Relay::program()?).args(["serve", "--help"]).output()?;
    let table = options_table(&String::from_utf8(output.stdout)?, EXAMPLE);
    holds("docs/reference.md", REFERENCE, &table, 20)
}

#[test]
fn every_key_of_a_source_is_there() -> Result<()> {
    holds("docs/reference.md", REFERENCE, &source_table(EXAMPLE), 10)
}

#[test]
fn every_path_is_there() -> Result<()> {
    holds("docs/reference.md", REFERENCE, &http_table(OpenApi::read()?.document()), 10)
}

#[test]
fn every_metric_is_there() -> Result<()> {
    let text = Relay::demo()?.http().get("/metrics")?.text();
    holds("docs/operate.md", OPERATE, &metrics_table(&text), 20)
}

#[test]
fn the_exit_codes_are_as_they_are_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let wrong = folder.path().join("wrong.toml");
    fs::write(&wrong, "htps = \"localhost:1\"\n")?;
    let wrong = wrong.display().to_string();
    for (arguments, code) in
        [(&["check"][..], 0), (&["check", "--config", &wrong], 1), (&["serve", "--htps"], 2)]
    {
        let output = Command::new(Relay::program()?).args(arguments).output()?;
        ensure!(output.status.code() == Some(code), "{arguments:?} ended with {}", output.status);
        ensure!(REFERENCE.contains(&format!("\n| {code} | ")), "docs/reference.md does not tell of {code}");
    }
    Ok(())
}

#[test]
fn every_file_that_the_relay_keeps_is_told_of() -> Result<()> {
    let relay = Relay::start()?;
    let _announcer = Announcer::start(relay.sap(), Announced::default())?;
    let names = || -> Result<Vec<String>> {
        let entries = fs::read_dir(relay.certs())?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    wait_until("what was announced to be kept", Duration::from_secs(20), || {
        Ok(names()?.iter().any(|name| name == "announced.json"))
    })?;
    for name in names()? {
        ensure!(REFERENCE.contains(&format!("\n| `{name}` | ")), "docs/reference.md does not tell of {name}");
    }
    let mode = |name: &str| -> Result<u32> {
        let path = Path::new(relay.certs()).join(name);
        Ok(fs::metadata(&path).with_context(|| path.display().to_string())?.permissions().mode() & 0o777)
    };
    ensure!(
        mode("key.pem")? == 0o600 && mode("cert.pem")? == 0o644,
        "others may read the key, or not the certificate"
    );
    Ok(())
}

fn holds(file: &str, text: &str, table: &str, rows: usize) -> Result<()> {
    ensure!(table.lines().count() > rows + 2, "the relay tells of too little:\n{table}");
    ensure!(text.contains(table), "{file} should hold this table:\n{table}");
    Ok(())
}
