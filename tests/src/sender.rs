use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{AudioServer, Process, Tone};

/// Longer than any test plays.
const WAV_SECONDS: u32 = 150;

/// A program of others that sends the test tone as a container would. It plays until dropped.
#[derive(Debug)]
pub struct Sender {
    process: Process,
    _pulse: Option<AudioServer>,
    _folder: Option<TempDir>,
}

impl Sender {
    /// ffmpeg, with samples computed as they are sent.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn ffmpeg(target: SocketAddr) -> Result<Self> {
        let (left, right, amplitude) = (Tone::LEFT_HZ, Tone::RIGHT_HZ, Tone::AMPLITUDE);
        let wave = format!(
            "aevalsrc={amplitude}*sin(2*PI*{left}*t)|{amplitude}*sin(2*PI*{right}*t):s=48000:c=stereo"
        );
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-re", "-f", "lavfi", "-i", &wave]);
        command.args(["-c:a", "pcm_s16be", "-f", "rtp", &format!("rtp://{target}")]);
        Ok(Self { process: Process::start("ffmpeg", &mut command)?, _pulse: None, _folder: None })
    }

    /// GStreamer's L16 payloader, with a live source per ear.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn gstreamer(target: SocketAddr) -> Result<Self> {
        let source = |hz: f64, pad: u8| {
            format!(
                "audiotestsrc is-live=true freq={hz} volume={} ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! queue ! mix.sink_{pad}",
                Tone::AMPLITUDE
            )
        };
        let pipeline = format!(
            "interleave name=mix ! audioconvert ! audio/x-raw,channels=2 ! rtpL16pay ! udpsink host={} port={} {} {}",
            target.ip(),
            target.port(),
            source(Tone::LEFT_HZ, 0),
            source(Tone::RIGHT_HZ, 1)
        );
        let mut command = Command::new("gst-launch-1.0");
        command.arg("-q").args(pipeline.split(' '));
        Ok(Self { process: Process::start("gst-launch-1.0", &mut command)?, _pulse: None, _folder: None })
    }

    /// An unmodified `paplay` into a private PulseAudio, whose null sink `module-rtp-send` sends.
    ///
    /// # Errors
    /// When either cannot be started.
    pub fn pulse_audio(target: SocketAddr) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let wav = folder.path().join("tone.wav");
        Tone::write_wav(&wav, WAV_SECONDS).context("Failed to write the tone")?;
        let pulse = AudioServer::pulse_audio(None)?;
        let (ip, port) = (target.ip(), target.port());
        pulse.load(&format!("module-rtp-send source=out.monitor destination_ip={ip} port={port}"))?;
        let process = pulse.play(&wav, None)?;
        Ok(Self { process, _pulse: Some(pulse), _folder: Some(folder) })
    }

    /// What the program has complained of.
    pub fn complaints(&self) -> String {
        self.process.stderr()
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;
    use crate::Recording;

    /// Collects two seconds of what `start` sends, taking the payload of every packet for L16 of two channels.
    fn heard(start: impl FnOnce(SocketAddr) -> Result<Sender>) -> Recording {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let sender = start(socket.local_addr().unwrap()).unwrap();
        let mut frames: Vec<[f32; 2]> = Vec::new();
        let mut buffer = [0; 4096];
        while frames.len() < 48_000 * 2 {
            let length =
                socket.recv(&mut buffer).unwrap_or_else(|_| panic!("no packet: {}", sender.complaints()));
            let sample = |bytes: &[u8]| f32::from(i16::from_be_bytes([bytes[0], bytes[1]])) / 32_768.0;
            let new = buffer[12..length].chunks_exact(4).map(|frame| [sample(frame), sample(&frame[2..])]);
            let loud = |frame: &[f32; 2]| !frames.is_empty() || frame[0] != 0.0;
            let new: Vec<[f32; 2]> = new.filter(loud).collect();
            frames.extend(new);
        }
        Recording { rate: 48_000, frames }
    }

    #[test]
    fn ffmpeg_plays_a_tone_an_ear() {
        heard(Sender::ffmpeg).check_ears().unwrap();
    }

    #[test]
    fn gstreamer_plays_a_tone_an_ear() {
        heard(Sender::gstreamer).check_ears().unwrap();
    }

    #[test]
    fn pulse_audio_plays_a_tone_an_ear() {
        heard(Sender::pulse_audio).check_ears().unwrap();
    }
}
