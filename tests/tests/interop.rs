//! A WHEP client that is not ours (aiortc) hears the same, whatever else its offer holds.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use soundport_tests::{Recording, Relay, ToneSender, ToneSenderOptions, turn};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/aiortc_whep.py");

#[test]
fn aiortc_hears_each_ear() -> Result<()> {
    hears("audio")
}

#[test]
fn aiortc_hears_it_with_video_before_the_audio() -> Result<()> {
    hears("video,audio")
}

#[test]
fn aiortc_hears_it_with_video_after_the_audio() -> Result<()> {
    hears("audio,video")
}

fn hears(media: &str) -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let _sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live("127-0-0-1")?;
    let python = std::env::var_os("SOUNDPORT_PYTHON")
        .context("SOUNDPORT_PYTHON names no Python with aiortc: run `cargo xtask test`")?;
    let folder = tempfile::tempdir()?;
    let raw = folder.path().join("heard.raw");
    let url = format!("{}/whep/127-0-0-1", relay.http().base());
    let output = Command::new(python).args([SCRIPT, &url, media, "3"]).arg(&raw).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "aiortc failed: {}", said.trim().lines().last().unwrap_or_default());
    let sample = |bytes: &[u8]| f32::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32_768.0;
    let frames =
        std::fs::read(&raw)?.chunks_exact(4).map(|frame| [sample(frame), sample(&frame[2..])]).collect();
    let heard = Recording { rate: 48_000, frames };
    heard.part(1.0, 2.0).check_ears()
}
