//! The demo source: a container's worth of sound made in this process, sent as real RTP to the ingest port.

use std::thread;
use std::time::Instant;

use anyhow::Context;
use soundport_core::demo::DemoSender;
use tracing::debug;

use crate::built_in::BuiltIn;

/// A demo that is about to play.
pub(crate) struct Demo(pub(crate) BuiltIn);

impl Demo {
    /// Plays on a thread of its own, for as long as the process lives.
    pub(crate) fn play(self) -> anyhow::Result<()> {
        thread::Builder::new()
            .name("demo".into())
            .spawn(move || self.send())
            .context("Failed to start the demo")?;
        Ok(())
    }

    fn send(self) {
        let mut sender = DemoSender::new(rand_u32());
        let mut due = Instant::now();
        loop {
            let packet = sender.next_packet();
            if let Err(error) = self.0.socket.send_to(packet, self.0.to) {
                debug!(%error, "Demo packet not sent");
            }
            due += DemoSender::PACKET_TIME;
            let now = Instant::now();
            match due.checked_duration_since(now) {
                Some(rest) => thread::sleep(rest),
                // The machine slept or was busy: go on from here, do not catch up in a burst.
                None if now - due > DemoSender::PACKET_TIME * 20 => due = now,
                None => {}
            }
        }
    }
}

fn rand_u32() -> u32 {
    getrandom::u32().unwrap_or_else(|_| std::process::id())
}
