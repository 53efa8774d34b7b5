//! A share of the few connections that a browser opens to one host over HTTP/1.1.
//!
//! Six tabs side by side would each keep one for its events, and leave none to ask for anything else.

use js_sys::{Array, Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::Base;
use crate::js::{LockManager, LockRequest, NavigatorWithLocks};

/// Streams of events at once, of all tabs: half of the six connections that browsers open.
const SLOTS: u32 = 3;

/// The right to keep a connection open, until dropped.
pub struct Slot {
    release: Option<Function>,
}

impl Slot {
    /// Takes one, if one is free. Over HTTPS, and in browsers that cannot count, there are enough.
    pub async fn take(base: &Base) -> Option<Self> {
        let window = web_sys::window()?;
        let navigator: NavigatorWithLocks = window.navigator().unchecked_into();
        match navigator.locks() {
            Some(locks) if base.is_plain() => {
                for number in 0..SLOTS {
                    if let Some(slot) = Self::lock(&locks, &format!("soundport-events-{number}")).await {
                        return Some(slot);
                    }
                }
                None
            }
            _ => Some(Self { release: None }),
        }
    }

    async fn lock(locks: &LockManager, name: &str) -> Option<Self> {
        let mut release = None;
        let held = Promise::new(&mut |resolve, _| release = Some(resolve));
        let mut answer = None;
        let answered = Promise::new(&mut |resolve, _| answer = Some(resolve));
        let request: LockRequest = js_sys::Object::new().unchecked_into();
        request.set_if_available(true);
        let taken = Closure::once_into_js(move |lock: JsValue| -> JsValue {
            // A promise's own function does not throw.
            let _ = answer.map(|answer| answer.call1(&JsValue::NULL, &lock));
            held.into()
        });
        let asked = locks.request(name, &request, taken.unchecked_ref());
        let Ok(lock) = JsFuture::from(Promise::race(&Array::of2(&answered, &asked))).await else {
            // A browser that refuses to count counts nothing.
            return Some(Self { release: None });
        };
        (!lock.is_null()).then_some(Self { release })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // As above.
        let _ = self.release.as_ref().map(|release| release.call0(&JsValue::NULL));
    }
}
