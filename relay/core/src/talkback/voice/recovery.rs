/// Losses that count for less the longer ago they were: two thirds are forgotten in as many ticks, 10 s.
const MEMORY_TICKS: f32 = 1_000.0;

/// From so many remembered losses on it is worth to wait, down to so many.
const LOSSES_TO_WAIT: f32 = 2.0;
const LOSSES_TO_STOP: f32 = 0.5;

/// The longest packet that is waited for, in samples: 60 ms.
const MAX_WAIT: usize = 2_880;

/// Decides whether to play later by one packet, so that the packet after a lost one, which may say what the lost one
/// said (RFC 6716, section 2.1.7), is there in time.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    losses: f32,
    wait: Option<usize>,
}

impl Recovery {
    /// A packet was lost, and the one after it, so many samples long, says what it said.
    pub(crate) fn lost(&mut self, samples: usize) {
        self.losses += 1.0;
        if self.losses >= LOSSES_TO_WAIT {
            self.wait = Some(samples.min(MAX_WAIT));
        }
    }

    /// A tick has passed.
    pub(crate) fn tick(&mut self) {
        self.losses -= self.losses / MEMORY_TICKS;
        if self.losses < LOSSES_TO_STOP {
            self.wait = None;
        }
    }

    /// How much later than usual to play, in samples.
    pub(crate) fn wait(&self) -> i64 {
        self.wait.unwrap_or(0) as i64
    }
}

/// Whether a packet says something of the one before it: its first frame is of SILK and has the LBRR flag (RFC 6716,
/// sections 3.1 and 4.2.4).
pub(crate) fn tells_of_previous(packet: &[u8]) -> bool {
    let Some(toc) = packet.first() else {
        return false;
    };
    let (Ok(parsed), Ok(samples)) =
        (opus::packet::parse(packet), opus::packet::get_samples_per_frame(packet, crate::frame::RATE_HZ))
    else {
        return false;
    };
    let Some(header) = parsed.frames.first().and_then(|frame| frame.first()) else {
        return false;
    };
    let (is_silk, is_stereo) = (toc >> 7 == 0, toc >> 2 & 1 == 1);
    // For each channel come as many bits as it has frames of 20 ms, and then the flag.
    let frames = samples.div_ceil(960).clamp(1, 3);
    let flag = |channel: usize| header >> (7 - frames - channel * (frames + 1)) & 1 == 1;
    is_silk && (flag(0) || is_stereo && frames < 3 && flag(1))
}
