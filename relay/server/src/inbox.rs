//! The hand-off between threads: a bounded queue whose sender wakes the receiver's event loop, and counts what it drops.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use mio::Waker;
use tracing::debug;

/// The sending end. Cheap to clone.
pub(crate) struct Outbox<T> {
    queue: SyncSender<T>,
    waker: Arc<Waker>,
    dropped: Arc<AtomicU64>,
}

impl<T> Clone for Outbox<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), waker: self.waker.clone(), dropped: self.dropped.clone() }
    }
}

/// A queue of at most `capacity` into the event loop that `waker` wakes.
pub(crate) fn inbox<T>(capacity: usize, waker: Arc<Waker>) -> (Outbox<T>, Receiver<T>) {
    let (queue, receiver) = sync_channel(capacity);
    (Outbox { queue, waker, dropped: Arc::default() }, receiver)
}

impl<T> Outbox<T> {
    /// Hands `item` over. False if the receiver is gone or far behind: then the item is dropped and counted.
    pub(crate) fn send(&self, item: T) -> bool {
        match self.queue.try_send(item) {
            Ok(()) => {
                if let Err(error) = self.waker.wake() {
                    debug!(%error, "Failed to wake the receiving thread");
                }
                true
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// Items dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
