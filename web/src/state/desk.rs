use std::rc::Rc;

use yew::{AttrValue, Reducible};

/// What plays on this page, like a mixing desk: who is on, who is alone, and who is to come back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Desk {
    players: Vec<Player>,
    /// Those that silence the others.
    solo: Vec<AttrValue>,
    /// The ids of what this tab played before it was loaded.
    pending: Vec<String>,
    /// Whether the browser lets sound begin without a click; none while that is not known.
    free: Option<bool>,
}

/// A source that is listened to.
#[derive(Debug, Clone, PartialEq)]
pub struct Player {
    /// Its id.
    pub id: AttrValue,
    /// Its name for people.
    pub title: AttrValue,
    /// Whether sound comes out now.
    pub heard: bool,
}

/// What happens at the desk.
#[derive(Debug, Clone, PartialEq)]
pub enum Move {
    /// A source is listened to, and stands so.
    Plays(Player),
    /// It no longer is.
    Ends(AttrValue),
    /// A source that is on silences those that are not solo either, or no longer does.
    Solo(AttrValue),
    /// Whether the browser lets sound begin without a click.
    Free(bool),
}

impl Reducible for Desk {
    type Action = Move;

    fn reduce(self: Rc<Self>, happened: Move) -> Rc<Self> {
        let mut next = (*self).clone();
        next.take(happened);
        if next == *self { self } else { Rc::new(next) }
    }
}

impl Desk {
    /// A desk that is to play again what these ids name.
    pub fn resuming(pending: Vec<String>) -> Self {
        Self { pending, ..Self::default() }
    }

    /// Whether a source is listened to.
    pub fn is_on(&self, id: &str) -> bool {
        self.players.iter().any(|player| player.id == id)
    }

    /// How many are listened to.
    pub fn count(&self) -> usize {
        self.players.len()
    }

    /// Whether a source silences others.
    pub fn is_solo(&self, id: &str) -> bool {
        self.solo.iter().any(|solo| *solo == id)
    }

    /// Whether a source is silenced by others.
    pub fn is_hushed(&self, id: &str) -> bool {
        !self.solo.is_empty() && !self.is_solo(id)
    }

    /// The titles of what is heard.
    pub fn heard(&self) -> Vec<AttrValue> {
        self.players.iter().filter(|player| player.heard).map(|player| player.title.clone()).collect()
    }

    /// Whether a source is to play again now, without a click.
    pub fn resumes(&self, id: &str) -> bool {
        self.free == Some(true) && self.is_pending(id)
    }

    /// Whether a source waits for a click before it plays again.
    pub fn asks(&self, id: &str) -> bool {
        self.free == Some(false) && self.is_pending(id)
    }

    /// Whether anything is to play again.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    fn is_pending(&self, id: &str) -> bool {
        self.pending.iter().any(|pending| pending == id)
    }

    fn take(&mut self, happened: Move) {
        match happened {
            Move::Plays(player) => {
                self.pending.retain(|id| player.id != id.as_str());
                match self.players.iter_mut().find(|known| known.id == player.id) {
                    Some(known) => *known = player,
                    None => self.players.push(player),
                }
            }
            Move::Ends(id) => {
                self.players.retain(|player| player.id != id);
                self.solo.retain(|solo| *solo != id);
            }
            Move::Solo(id) if self.is_solo(&id) => self.solo.retain(|solo| *solo != id),
            Move::Solo(id) if self.is_on(&id) => self.solo.push(id),
            Move::Solo(_) => {}
            Move::Free(free) => self.free = Some(free),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plays(id: &'static str, heard: bool) -> Move {
        Move::Plays(Player { id: id.into(), title: id.to_uppercase().into(), heard })
    }

    fn run(desk: Desk, moves: impl IntoIterator<Item = Move>) -> Rc<Desk> {
        moves.into_iter().fold(Rc::new(desk), Reducible::reduce)
    }

    #[test]
    fn what_is_heard_is_named_in_the_order_it_began() {
        let desk =
            run(Desk::default(), [plays("b", false), plays("a", true), plays("b", true), plays("c", false)]);
        assert_eq!(desk.heard(), ["B", "A"]);
        assert_eq!(desk.count(), 3);
    }

    #[test]
    fn several_may_be_solo_and_the_others_are_hushed() {
        let solo = |id: &'static str| Move::Solo(id.into());
        let desk = run(
            Desk::default(),
            [plays("a", true), plays("b", true), plays("c", true), solo("a"), solo("b")],
        );
        assert_eq!(["a", "b", "c"].map(|id| desk.is_hushed(id)), [false, false, true]);
        let desk = desk.reduce(solo("a"));
        assert_eq!(["a", "b", "c"].map(|id| desk.is_hushed(id)), [true, false, true]);
        let desk = desk.reduce(Move::Ends("b".into()));
        assert!(!desk.is_hushed("a"), "a source that stopped silences nobody");
        let unheard = desk.reduce(solo("z"));
        assert!(!unheard.is_hushed("a") && !unheard.is_solo("z"), "nor does one that never played");
    }

    #[test]
    fn what_played_before_comes_back_or_asks() {
        let before = || Desk::resuming(vec!["a".into(), "b".into()]);
        assert!(!before().resumes("a") && !before().asks("a"), "the browser has not said yet");
        let free = run(before(), [Move::Free(true)]);
        assert!(free.resumes("a") && !free.resumes("z") && !free.asks("a"));
        let asks = run(before(), [Move::Free(false), plays("a", false)]);
        assert!(!asks.asks("a") && asks.asks("b") && !asks.resumes("b"));
        assert!(!run(before(), [plays("a", true), plays("b", true)]).has_pending());
    }
}
