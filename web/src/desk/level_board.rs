use std::cell::RefCell;
use std::rc::Rc;

use yew::{AttrValue, Callback};

/// Levels by the source's id, largest sample magnitudes left and right.
pub(super) type Levels = Vec<(String, [f32; 2])>;

/// Where meters of sources that nobody listens to here get their levels: drawn as they come, past the page's state.
#[derive(Clone, Default)]
pub struct LevelBoard(Rc<RefCell<Vec<Row>>>);

type Row = (AttrValue, Callback<[f32; 2]>);

/// A meter on the board, until dropped.
pub struct Posted {
    board: LevelBoard,
    row: Row,
}

impl PartialEq for LevelBoard {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl LevelBoard {
    /// Hands the levels of the source with this id to `show`, as largest sample magnitudes left and right.
    pub fn post(&self, id: AttrValue, show: Callback<[f32; 2]>) -> Posted {
        let row = (id, show);
        self.0.borrow_mut().push(row.clone());
        Posted { board: self.clone(), row }
    }

    /// Takes new levels; none at all mean that no more will come for now.
    pub(super) fn show(&self, levels: &Levels) {
        for (id, show) in self.0.borrow().iter() {
            match levels.iter().find(|(known, _)| id == known.as_str()) {
                Some((_, sides)) => show.emit(*sides),
                None if levels.is_empty() => show.emit([0.0; 2]),
                None => {}
            }
        }
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        self.board.0.borrow_mut().retain(|row| *row != self.row);
    }
}
