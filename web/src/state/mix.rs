use std::rc::Rc;

use yew::{AttrValue, Reducible};

/// What plays on this page, like a mixing desk: who is on, who is alone, and who is to come back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mix {
    playing: Vec<Heard>,
    /// Those that silence the others.
    solo: Vec<AttrValue>,
    /// The ids of what this tab played before it was loaded.
    pending: Vec<String>,
    /// Whether the browser lets sound begin without a click; none while that is not known.
    free: Option<bool>,
}

/// A source that is listened to.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Its id.
    pub id: AttrValue,
    /// Its name for people.
    pub title: AttrValue,
    /// Whether sound comes out now.
    pub heard: bool,
}

/// What happens at the mix.
#[derive(Debug, Clone, PartialEq)]
pub enum Move {
    /// A source is listened to, and stands so.
    Plays(Heard),
    /// It no longer is.
    Ends(AttrValue),
    /// A source that is on silences those that are not solo either, or no longer does.
    Solo(AttrValue),
    /// This tab played the sources with these ids before it was loaded.
    Remembered(Vec<String>),
    /// Whether the browser lets sound begin without a click.
    Free(bool),
}

impl Reducible for Mix {
    type Action = Move;

    fn reduce(self: Rc<Self>, happened: Move) -> Rc<Self> {
        let mut next = (*self).clone();
        next.take(happened);
        if next == *self { self } else { Rc::new(next) }
    }
}

impl Mix {
    /// Whether a source is listened to.
    pub fn is_on(&self, id: &str) -> bool {
        self.playing.iter().any(|player| player.id == id)
    }

    /// How many are listened to.
    pub fn count(&self) -> usize {
        self.playing.len()
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
        self.playing.iter().filter(|player| player.heard).map(|player| player.title.clone()).collect()
    }

    /// Whether a source is to play again now, without a click.
    pub fn resumes(&self, id: &str) -> bool {
        self.free == Some(true) && self.is_pending(id)
    }

    /// Whether a source waits for a click before it plays again.
    pub fn asks(&self, id: &str) -> bool {
        self.free == Some(false) && self.is_pending(id)
    }

    fn is_pending(&self, id: &str) -> bool {
        self.pending.iter().any(|pending| pending == id)
    }

    fn take(&mut self, happened: Move) {
        match happened {
            Move::Plays(player) => {
                self.pending.retain(|id| player.id != id.as_str());
                match self.playing.iter_mut().find(|known| known.id == player.id) {
                    Some(known) => *known = player,
                    None => self.playing.push(player),
                }
            }
            Move::Ends(id) => {
                self.playing.retain(|player| player.id != id);
                self.solo.retain(|solo| *solo != id);
            }
            Move::Solo(id) if self.is_solo(&id) => self.solo.retain(|solo| *solo != id),
            Move::Solo(id) if self.is_on(&id) => self.solo.push(id),
            Move::Solo(_) => {}
            Move::Remembered(ids) => {
                self.pending = ids.into_iter().filter(|id| !self.is_on(id)).collect();
            }
            Move::Free(free) => self.free = Some(free),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plays(id: &'static str, heard: bool) -> Move {
        Move::Plays(Heard { id: id.into(), title: id.to_uppercase().into(), heard })
    }

    fn run(mix: Mix, moves: impl IntoIterator<Item = Move>) -> Rc<Mix> {
        moves.into_iter().fold(Rc::new(mix), Reducible::reduce)
    }

    #[test]
    fn what_is_heard_is_named_in_the_order_it_began() {
        let mix =
            run(Mix::default(), [plays("b", false), plays("a", true), plays("b", true), plays("c", false)]);
        assert_eq!(mix.heard(), ["B", "A"]);
        assert_eq!(mix.count(), 3);
    }

    #[test]
    fn several_may_be_solo_and_the_others_are_hushed() {
        let solo = |id: &'static str| Move::Solo(id.into());
        let mix =
            run(Mix::default(), [plays("a", true), plays("b", true), plays("c", true), solo("a"), solo("b")]);
        assert_eq!(["a", "b", "c"].map(|id| mix.is_hushed(id)), [false, false, true]);
        let mix = mix.reduce(solo("a"));
        assert_eq!(["a", "b", "c"].map(|id| mix.is_hushed(id)), [true, false, true]);
        let mix = mix.reduce(Move::Ends("b".into()));
        assert!(!mix.is_hushed("a"), "a source that stopped silences nobody");
        let unheard = mix.reduce(solo("z"));
        assert!(!unheard.is_hushed("a") && !unheard.is_solo("z"), "nor does one that never played");
    }

    #[test]
    fn what_played_before_comes_back_or_asks() {
        let before = || Mix { pending: vec!["a".into(), "b".into()], ..Mix::default() };
        assert!(!before().resumes("a") && !before().asks("a"), "the browser has not said yet");
        let free = run(before(), [Move::Free(true)]);
        assert!(free.resumes("a") && !free.resumes("z") && !free.asks("a"));
        let asks = run(before(), [Move::Free(false), plays("a", false)]);
        assert!(!asks.asks("a") && asks.asks("b") && !asks.resumes("b"));
        let remembered = Move::Remembered(vec!["a".into(), "b".into()]);
        let again = run(Mix::default(), [plays("a", true), remembered, Move::Free(true)]);
        assert!(!again.resumes("a") && again.resumes("b"), "what plays needs no resuming");
    }
}
