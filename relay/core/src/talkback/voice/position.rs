/// Where playing is on the talker's timeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    /// The time that the next packet should have.
    pub(crate) end: u64,
    /// How many samples were made up beyond that.
    pub(crate) beyond: usize,
}

impl Position {
    /// How far the oldest of `waiting` samples is behind the relay's clock.
    pub(crate) fn delay(self, tick: i64, waiting: usize) -> i64 {
        let begin = self.end.wrapping_add(self.beyond as u64).wrapping_sub(waiting as u64);
        tick.wrapping_sub(begin as i64)
    }

    /// How much is missing before a packet of this time; less than nothing if time stood still for it.
    pub(crate) fn until(self, time: u64) -> i64 {
        (time.wrapping_sub(self.end) as i64).saturating_sub(self.beyond as i64)
    }
}
