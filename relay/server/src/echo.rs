//! The source `echo`: a container in this process that says back what is said into it. It takes its microphone as any
//! container does, and what it hears it sends as its sound, so that a browser can be tried out without any container.

use std::thread;

use anyhow::Context;
use tracing::debug;

use crate::built_in::BuiltIn;

/// Larger than any packet that talkback sends.
const BUFFER_BYTES: usize = 2048;

/// Packets of silence by which it shows that it is there.
const GREETING: u8 = 3;

/// An echo that is about to listen.
pub(crate) struct Echo(pub(crate) BuiltIn);

impl Echo {
    /// Says back what it hears, on a thread of its own, for as long as the process lives.
    pub(crate) fn listen(self) -> anyhow::Result<()> {
        thread::Builder::new()
            .name("echo".into())
            .spawn(move || self.say_back())
            .context("Failed to start the echo")?;
        Ok(())
    }

    fn say_back(self) {
        // A container that has never sent anything cannot be listened to.
        for sequence in 0..GREETING {
            if let Err(error) = self.0.socket.send_to(&silence(sequence), self.0.to) {
                debug!(%error, "The echo could not show that it is there");
            }
        }
        let mut buffer = [0; BUFFER_BYTES];
        loop {
            // The packets are RTP as the ingest port takes it. Whoever else on this host sends here is heard as well.
            let said = self
                .0
                .socket
                .recv_from(&mut buffer)
                .and_then(|(length, _)| self.0.socket.send_to(&buffer[..length], self.0.to));
            if let Err(error) = said {
                debug!(%error, "The echo missed a packet");
            }
        }
    }
}

/// A packet of 5 ms of silence: RTP (RFC 3550, section 5.1) of L16, 48 kHz stereo.
fn silence(sequence: u8) -> Vec<u8> {
    let timestamp = u16::from(sequence) * 240;
    let mut packet = vec![0x80, 127, 0, sequence, 0, 0];
    packet.extend(timestamp.to_be_bytes());
    packet.resize(12 + 960, 0);
    packet
}
