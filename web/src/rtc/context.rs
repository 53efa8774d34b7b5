//! The page's one audio context, and what the sound is for.

use std::cell::{Cell, RefCell};

use gloo_timers::callback::Timeout;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AudioContext, AudioContextState};

use crate::js::NavigatorWithAudio;

/// How long the sound device stays awake when nobody hears or says anything any more.
const REST_AFTER_MILLIS: u32 = 2_000;

/// A browser that lets sound begin has begun within so many looks.
const LOOKS_FOR_LEAVE: u32 = 10;

/// From one such look to the next.
const LOOK_FOR_LEAVE_MILLIS: u32 = 60;

thread_local! {
    /// Browsers allow few contexts, and each costs a thread: all cards share one.
    static CONTEXT: RefCell<Option<AudioContext>> = const { RefCell::new(None) };
    static AWAKE: Cell<u32> = const { Cell::new(0) };
    static SPEAKING: Cell<u32> = const { Cell::new(0) };
}

/// Keeps the context running, until dropped.
pub(super) struct Awake {
    context: AudioContext,
}

impl Awake {
    /// Starts the context. Call it inside the user's click, or the browser holds the sound back.
    pub(super) fn begin() -> Result<Self, JsValue> {
        let context = context()?;
        AWAKE.set(AWAKE.get() + 1);
        let awake = Self { context };
        awake.wake();
        Ok(awake)
    }

    pub(super) fn context(&self) -> &AudioContext {
        &self.context
    }

    /// Whether the browser lets sound out.
    pub(super) fn is_running(&self) -> bool {
        self.context.state() == AudioContextState::Running
    }

    /// Asks the browser to let sound out again, where it stopped: after a sleep, or when another program took the loudspeaker.
    pub(super) fn wake(&self) {
        if !self.is_running() {
            // Whether it runs is read from its state.
            let _ = self.context.resume();
        }
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        let awake = AWAKE.get().saturating_sub(1);
        AWAKE.set(awake);
        if awake == 0 {
            // Where Chromium is to stop before it has begun, its clock stands still for good, and it says that it runs.
            Timeout::new(REST_AFTER_MILLIS, rest).forget();
        }
    }
}

/// The page uses a microphone, until dropped.
pub(super) struct Speaking(());

impl Speaking {
    pub(super) fn begin() -> Self {
        SPEAKING.set(SPEAKING.get() + 1);
        say_what_for();
        Self(())
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        SPEAKING.set(SPEAKING.get().saturating_sub(1));
        say_what_for();
    }
}

/// Tells iOS that this is playback, which its silent switch does not silence, or a call: playback alone gets no microphone.
pub(super) fn say_what_for() {
    let Some(window) = web_sys::window() else { return };
    let navigator: NavigatorWithAudio = window.navigator().unchecked_into();
    if let Some(session) = navigator.audio_session() {
        session.set_kind(if SPEAKING.get() > 0 { "play-and-record" } else { "playback" });
    }
}

/// A context that nobody hears would keep the sound device awake.
fn rest() {
    let context = CONTEXT.with_borrow(Option::clone);
    if let Some(context) = context.filter(|context| context.state() == AudioContextState::Running)
        && AWAKE.get() == 0
    {
        // Whether it rests is read from its state.
        let _ = context.suspend();
    }
}

fn context() -> Result<AudioContext, JsValue> {
    CONTEXT.with_borrow_mut(|slot| match slot {
        Some(context) => Ok(context.clone()),
        None => Ok(slot.insert(AudioContext::new()?).clone()),
    })
}

/// Makes the context before it is needed: its first making takes Chromium 50 ms, its start 6.
pub(super) fn warm_up() {
    // A browser without Web Audio says so when it is asked to listen.
    let _ = context();
}

/// Tells whether the browser lets sound begin without a click.
pub fn ask_to_play(tell: impl FnOnce(bool) + 'static) {
    let Ok(context) = context() else { return tell(false) };
    // Where it is not allowed this promise waits for a click.
    let _ = context.resume();
    look_for_leave(context, LOOKS_FOR_LEAVE, tell);
}

fn look_for_leave(context: AudioContext, looks: u32, tell: impl FnOnce(bool) + 'static) {
    let running = context.state() == AudioContextState::Running;
    if running || looks == 0 {
        return tell(running);
    }
    // Ends by itself within a second.
    Timeout::new(LOOK_FOR_LEAVE_MILLIS, move || look_for_leave(context, looks - 1, tell)).forget();
}
