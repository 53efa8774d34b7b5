//! Who talks on this page.

use std::rc::Rc;

use soundport_api::Source;

use super::Desk;
use super::booth::Booth;
use super::talker::{TalkView, Talker};
use crate::state::{Link, Roster, TalkEvent};

impl Desk {
    pub(super) fn talk(&self, id: &str) -> TalkView {
        let talker = self.talkers().into_iter().find(|talker| talker.id == id);
        let (choice, devices) = self.booth.choice();
        TalkView { choice, devices, ..talker.map(|talker| talker.view()).unwrap_or_default() }
    }

    pub(super) fn talker(&self, id: &str) -> Rc<Talker> {
        let mut talkers = self.talkers.borrow_mut();
        if let Some(known) = talkers.iter().find(|talker| talker.id == id) {
            return Rc::clone(known);
        }
        let talker = Talker::new(id, self.own.clone());
        talkers.push(Rc::clone(&talker));
        talker
    }

    pub(super) fn talkers(&self) -> Vec<Rc<Talker>> {
        self.talkers.borrow().clone()
    }

    pub(super) fn booth(&self) -> &Booth {
        &self.booth
    }

    /// Tells a source's talker, where it has one, what is known; whether it talks, or is about to.
    pub(super) fn meet_talker(&self, source: &Source, roster: &Roster) -> bool {
        let Some(talker) = self.talkers().into_iter().find(|talker| talker.id == source.id) else {
            return false;
        };
        let player = self.player(&source.id);
        if !source.talk {
            talker.tell(TalkEvent::End);
        }
        talker.meet((roster.link == Link::Up).then_some(source), roster.instance(), player.session());
        talker.measure(player.output());
        talker.is_on()
    }
}
