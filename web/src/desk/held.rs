use std::cell::RefCell;
use std::rc::Rc;

use gloo_timers::callback::Timeout;

use crate::state::Attempt;

/// An attempt: first a wait, then a session. Dropping it ends both.
pub(super) struct Held<S> {
    _wait: Option<Timeout>,
    session: Rc<RefCell<Option<S>>>,
}

impl<S: 'static> Held<S> {
    /// Opens a session when it is time.
    pub(super) fn begin(attempt: Attempt, open: impl FnOnce() -> Option<S> + 'static) -> Self {
        let session = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&session);
        let open = move || {
            let opened = open();
            slot.replace(opened);
        };
        let wait = match attempt.delay_millis {
            0 => {
                open();
                None
            }
            millis => Some(Timeout::new(millis, open)),
        };
        Self { _wait: wait, session }
    }

    /// Does something with the session, where there is one.
    pub(super) fn with<T>(&self, act: impl FnOnce(&S) -> T) -> Option<T> {
        self.session.borrow().as_ref().map(act)
    }
}
