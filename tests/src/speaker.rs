use std::io::Write;
use std::process::ChildStdin;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{AudioServer, Process, Recording};

/// As long as a block of a sound card, and of browsers.
const BLOCK: Duration = Duration::from_millis(10);
const BLOCK_FRAMES: usize = 480;

/// Somebody at a microphone, who is silent and sometimes speaks. Silence is sound too: what hears it has found its pace.
#[derive(Debug)]
pub struct Speaker {
    words: SyncSender<Vec<u8>>,
    _process: Process,
}

impl Speaker {
    /// Is silent into a sink of an audio server from now on.
    ///
    /// # Errors
    /// When `pacat` cannot be started.
    pub fn start(server: &AudioServer, sink: &str) -> Result<Self> {
        let mut command = server.client("pacat");
        command.args(["--raw", "--format=s16le", "--rate=48000", "--channels=2", "--latency-msec=20", "-d"]);
        let (process, input) = Process::start_fed("pacat", command.arg(sink))?;
        let (words, said) = mpsc::sync_channel(1);
        thread::Builder::new().name("speaker".into()).spawn(move || speak(input, &said))?;
        Ok(Self { words, _process: process })
    }

    /// Says something of 48 kHz, after all that was said before; returns before it is said.
    ///
    /// # Errors
    /// When `pacat` has ended.
    pub fn say(&self, words: &Recording) -> Result<()> {
        let level = |sample: &f32| ((sample * 32_767.0) as i16).to_le_bytes();
        let bytes = words.frames.as_flattened().iter().flat_map(level).collect();
        self.words.send(bytes).ok().context("pacat has ended")
    }
}

/// Says blocks as time goes by, until nobody speaks any more or `pacat` has ended.
fn speak(mut input: ChildStdin, words: &Receiver<Vec<u8>>) {
    let silence = [0; BLOCK_FRAMES * 4];
    let mut due = Instant::now();
    let mut say = |block: &[u8]| {
        due += BLOCK;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        input.write_all(block).is_ok()
    };
    loop {
        let said = match words.try_recv() {
            Ok(words) => words.chunks(BLOCK_FRAMES * 4).all(&mut say),
            Err(mpsc::TryRecvError::Empty) => say(&silence),
            Err(mpsc::TryRecvError::Disconnected) => false,
        };
        if !said {
            return;
        }
    }
}
