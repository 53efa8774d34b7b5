use std::cell::RefCell;
use std::rc::Rc;

use yew::{AttrValue, Callback};

/// Cards by the ids of their sources, to be told something past the page's state.
pub struct Board<T>(Rc<RefCell<Vec<Row<T>>>>);

type Row<T> = (AttrValue, Callback<T>);

/// A card on a board, until dropped.
pub struct Posted<T> {
    board: Board<T>,
    row: Row<T>,
}

impl<T> Board<T> {
    /// Lets the card of the source with this id be told by `tell`.
    pub fn post(&self, id: AttrValue, tell: Callback<T>) -> Posted<T> {
        let row = (id, tell);
        self.0.borrow_mut().push(row.clone());
        Posted { board: self.clone(), row }
    }

    /// Tells each card that `choose` has something for.
    pub(super) fn tell(&self, choose: impl Fn(&str) -> Option<T>) {
        // A card that is told may leave the board.
        let rows = self.0.borrow().clone();
        for (id, tell) in rows {
            if let Some(what) = choose(&id) {
                tell.emit(what);
            }
        }
    }
}

impl<T> Drop for Posted<T> {
    fn drop(&mut self) {
        self.board.0.borrow_mut().retain(|row| *row != self.row);
    }
}

impl<T> Default for Board<T> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<T> Clone for Board<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> PartialEq for Board<T> {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}
