use std::rc::Rc;

use soundport_api::{Relay, Source, SourceState};
use yew::Reducible;

use super::merge;

/// What is known of the relay and its sources.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Roster {
    /// The sources, in the order of their cards.
    pub sources: Vec<Source>,
    /// Whether the relay answers.
    pub link: Link,
    /// What the relay says of itself, where it told.
    pub relay: Option<Relay>,
    /// The sources that are listened to here: they stay, whatever the relay says.
    held: Vec<String>,
}

/// Whether the relay answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Link {
    /// The first answer has not come yet.
    #[default]
    Looking,
    /// It answers.
    Up,
    /// It does not.
    Down,
    /// Something answers that is no relay.
    Strange,
    /// It answers, and does not let pages from elsewhere read what it says.
    Closed,
}

/// What is new.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// The relay answers, or does not.
    Link(Link),
    /// The relay itself.
    Relay(Relay),
    /// All sources there are.
    Sources(Vec<Source>),
    /// A source came or changed.
    Source(Source),
    /// The relay does not know the source any more.
    Gone(String),
    /// The source is listened to here, or no longer is.
    Held(String, bool),
}

impl Reducible for Roster {
    type Action = News;

    fn reduce(self: Rc<Self>, news: News) -> Rc<Self> {
        let mut next = (*self).clone();
        next.take(news);
        if next == *self { self } else { Rc::new(next) }
    }
}

impl Roster {
    /// The relay's run: another one knows none of its sessions.
    pub fn instance(&self) -> Option<&String> {
        self.relay.as_ref().map(|relay| &relay.instance)
    }

    fn take(&mut self, news: News) {
        match news {
            News::Link(link) => self.link = link,
            News::Relay(relay) => self.relay = Some(relay),
            News::Sources(fresh) => {
                let held = |id: &str| self.held.iter().any(|held| held == id);
                self.sources = merge(&self.sources, fresh, held);
                self.link = Link::Up;
            }
            News::Source(source) => match self.sources.iter_mut().find(|known| known.id == source.id) {
                Some(known) => *known = source,
                None => self.sources.push(source),
            },
            News::Gone(id) if self.held.contains(&id) => {
                if let Some(known) = self.sources.iter_mut().find(|known| known.id == id) {
                    (known.state, known.talkback) = (SourceState::Lost, None);
                }
            }
            News::Gone(id) => self.sources.retain(|known| known.id != id),
            News::Held(id, true) if self.held.contains(&id) => {}
            News::Held(id, true) => self.held.push(id),
            News::Held(id, false) => self.held.retain(|held| *held != id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sources::tests::{ids, source};
    use super::*;

    fn run(news: impl IntoIterator<Item = News>) -> Rc<Roster> {
        news.into_iter().fold(Rc::default(), Reducible::reduce)
    }

    fn listed() -> News {
        News::Sources(vec![source("a", SourceState::Live), source("b", SourceState::Live)])
    }

    #[test]
    fn a_source_that_changes_keeps_its_place_and_a_new_one_comes_last() {
        let roster = run([
            listed(),
            News::Source(source("c", SourceState::Waiting)),
            News::Source(source("a", SourceState::Idle)),
        ]);
        assert_eq!(ids(&roster.sources), ["a", "b", "c"]);
        assert_eq!(roster.sources[0].state, SourceState::Idle);
        assert_eq!(roster.link, Link::Up);
    }

    #[test]
    fn what_is_gone_leaves_unless_it_is_listened_to() {
        let roster =
            run([listed(), News::Held("b".into(), true), News::Gone("a".into()), News::Gone("b".into())]);
        assert_eq!(ids(&roster.sources), ["b"]);
        assert_eq!(roster.sources[0].state, SourceState::Lost);
        let roster = roster.reduce(News::Held("b".into(), false)).reduce(News::Sources(vec![]));
        assert_eq!(ids(&roster.sources), Vec::<&str>::new());
    }

    #[test]
    fn a_relay_that_goes_takes_no_source_with_it() {
        let relay =
            Relay { instance: "one".into(), trouble: Some("Line 3 is odd.".into()), ..Relay::default() };
        let roster = run([listed(), News::Relay(relay), News::Link(Link::Down)]);
        assert_eq!(ids(&roster.sources), ["a", "b"]);
        assert_eq!((roster.link, roster.instance()), (Link::Down, Some(&"one".to_owned())));
        assert_eq!(roster.relay.as_ref().unwrap().trouble.as_deref(), Some("Line 3 is odd."));
    }

    #[test]
    fn nothing_new_is_the_same_state() {
        let roster = run([listed()]);
        assert!(Rc::ptr_eq(&roster, &Rc::clone(&roster).reduce(listed())));
    }
}
