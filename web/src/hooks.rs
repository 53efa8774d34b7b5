//! Where the page's state meets the browser: each hook returns a handle.

use std::ops::Deref;
use std::rc::Rc;

use yew::{hook, use_effect_with, use_force_update, use_memo};

use crate::desk::Desk;

/// The page's desk.
pub struct DeskHandle(Rc<Desk>);

impl Deref for DeskHandle {
    type Target = Desk;

    fn deref(&self) -> &Desk {
        &self.0
    }
}

/// A desk that works while the component is there, and draws it again when something has changed.
#[hook]
pub fn use_desk() -> DeskHandle {
    let redraw = use_force_update();
    let desk = use_memo((), |()| Desk::new(move || redraw.force_update()));
    use_effect_with((), {
        let desk = Rc::clone(&desk);
        move |()| {
            desk.begin();
            move || desk.end()
        }
    });
    DeskHandle(Rc::clone(&desk))
}
