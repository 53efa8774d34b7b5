use std::rc::Rc;

use soundport_api::TalkbackState;
use yew::Reducible;

use super::talk::{Standing, TalkEvent, Trouble};
use super::{Attempt, Event, Listening, Phase};

/// A press that is shorter is a click, which stays on; a longer one is held, and its end mutes.
const CLICK_MILLIS: f64 = 350.0;

/// Where one card stands with the microphone. Nobody is heard before [`Talking::is_live`] says so.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Talking {
    /// Keeps the session as a listener's is kept; that it *listens* means here that the connection stands.
    line: Listening,
    /// Whether the person wants to be heard.
    want: Want,
    /// Whether the browser was asked for the microphone, and has not answered.
    asking: bool,
    /// What the relay says of the way into the container; none while it does not answer.
    way: Option<TalkbackState>,
    /// What stopped the talking, until the person goes on.
    trouble: Option<Trouble>,
}

/// Whether the person wants to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Want {
    #[default]
    Muted,
    Latched,
    /// Since when, by the clock of the events.
    Held(f64),
}

impl Reducible for Talking {
    type Action = TalkEvent;

    fn reduce(self: Rc<Self>, event: TalkEvent) -> Rc<Self> {
        let mut next = (*self).clone();
        next.take(event);
        if next == *self { self } else { Rc::new(next) }
    }
}

impl Talking {
    /// Whether there is something to end: a question, a session, or the wait for one.
    pub fn is_on(&self) -> bool {
        self.asking || self.line.is_on()
    }

    /// Whether the browser is to be asked for a microphone, or was, and has not answered.
    pub fn asks(&self) -> bool {
        self.asking
    }

    /// The session that should exist.
    pub fn attempt(&self) -> Option<Attempt> {
        self.line.attempt
    }

    /// Whether the microphone's sound is to be sent.
    pub fn is_live(&self) -> bool {
        self.standing() == Standing::Live
    }

    /// Whether the connection stands.
    pub fn is_connected(&self) -> bool {
        self.line.phase == Phase::Listening
    }

    /// Whether the talking ends when the button or the space bar is let go.
    pub fn is_held(&self) -> bool {
        matches!(self.want, Want::Held(_))
    }

    /// What stopped the talking.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Where the session stands.
    pub fn line(&self) -> &Phase {
        &self.line.phase
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        match (&self.line.phase, self.way) {
            _ if self.asking => Standing::Asking,
            (Phase::Failed(_), _) => Standing::Failed,
            _ if !self.line.is_on() => match self.trouble {
                Some(_) => Standing::Failed,
                None => Standing::Off,
            },
            (Phase::Listening, Some(TalkbackState::Refused)) => Standing::Refused,
            (Phase::Listening, _) if self.want == Want::Muted => Standing::Muted,
            (Phase::Listening, Some(TalkbackState::Open)) => Standing::Live,
            (Phase::Listening, _) => Standing::Opening,
            _ => Standing::Connecting,
        }
    }

    fn take(&mut self, event: TalkEvent) {
        match (event, self.want) {
            (TalkEvent::Press(at), Want::Muted) => self.wants(Want::Held(at)),
            (TalkEvent::Press(_), Want::Latched) => self.want = Want::Muted,
            (TalkEvent::Release(at), Want::Held(since)) => self.release(at - since),
            // The browser's question takes the pointer away from the click that it comes of.
            (TalkEvent::LetGo(at), Want::Held(since)) if self.asking => self.release(at - since),
            (TalkEvent::LetGo(_), Want::Held(_)) => self.want = Want::Muted,
            (TalkEvent::Hold, Want::Muted) if self.line.is_on() => self.wants(Want::Held(f64::NEG_INFINITY)),
            (TalkEvent::Toggle, Want::Muted) => self.wants(Want::Latched),
            (TalkEvent::Toggle, _) => self.want = Want::Muted,
            (TalkEvent::End, _) => {
                self.trouble = None;
                self.end();
            }
            (TalkEvent::Granted, _) if self.asking => {
                self.asking = false;
                self.tell_line(Event::Listen);
            }
            (TalkEvent::Stopped(trouble), want) => self.stop(trouble, want),
            (TalkEvent::Way(way), _) => self.way = way,
            (TalkEvent::Line(event), _) => self.tell_line(event),
            _ => {}
        }
    }

    fn wants(&mut self, want: Want) {
        self.want = want;
        self.trouble = None;
        if !self.is_on() {
            self.asking = true;
            self.tell_line(Event::Stop);
        }
    }

    fn release(&mut self, held_millis: f64) {
        self.want = if held_millis < CLICK_MILLIS { Want::Latched } else { Want::Muted };
    }

    fn stop(&mut self, trouble: Trouble, want: Want) {
        match trouble {
            Trouble::Hidden if want == Want::Muted => {}
            Trouble::Hidden => (self.want, self.trouble) = (Want::Muted, Some(trouble)),
            _ if self.is_on() => {
                self.trouble = Some(trouble);
                self.end();
            }
            _ => {}
        }
    }

    fn end(&mut self) {
        self.want = Want::Muted;
        self.asking = false;
        self.tell_line(Event::Stop);
    }

    fn tell_line(&mut self, event: Event) {
        let line = Rc::new(std::mem::take(&mut self.line)).reduce(event);
        self.line = Rc::unwrap_or_clone(line);
        if matches!(self.line.phase, Phase::Failed(_)) {
            self.want = Want::Muted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Failure, Pause, Refusal};
    use super::*;

    const OPEN: TalkEvent = TalkEvent::Way(Some(TalkbackState::Open));
    const BROKEN: TalkEvent = TalkEvent::Line(Event::Broken(Pause::Broken, 1.0));

    fn run(state: Rc<Talking>, events: impl IntoIterator<Item = TalkEvent>) -> Rc<Talking> {
        events.into_iter().fold(state, Reducible::reduce)
    }

    fn connected() -> Rc<Talking> {
        let line = [Event::Begun, Event::Connected, Event::Sound].map(TalkEvent::Line);
        run(Rc::default(), [TalkEvent::Toggle, TalkEvent::Granted].into_iter().chain(line))
    }

    fn live() -> Rc<Talking> {
        run(connected(), [OPEN])
    }

    #[test]
    fn a_click_asks_connects_and_is_live_only_when_the_way_is_open() {
        let mut state = Rc::<Talking>::default();
        let mut standings = vec![state.standing()];
        let opening = TalkEvent::Way(Some(TalkbackState::Opening));
        for event in [
            TalkEvent::Press(1_000.0),
            TalkEvent::Release(1_090.0),
            TalkEvent::Granted,
            TalkEvent::Line(Event::Begun),
            TalkEvent::Line(Event::Connected),
            TalkEvent::Line(Event::Sound),
            opening,
        ] {
            state = state.reduce(event);
            standings.push(state.standing());
            assert!(!state.is_live());
        }
        standings.dedup();
        use Standing::{Asking, Connecting, Opening};
        assert_eq!(standings, [Standing::Off, Asking, Connecting, Opening]);
        assert!(run(state, [OPEN]).is_live());
    }

    #[test]
    fn an_open_way_without_a_connection_is_not_live() {
        let state = run(Rc::default(), [OPEN, TalkEvent::Toggle, TalkEvent::Granted]);
        assert_eq!(state.standing(), Standing::Connecting);
        assert_eq!(run(live(), [BROKEN]).standing(), Standing::Connecting);
        assert_eq!(run(live(), [TalkEvent::Way(None)]).standing(), Standing::Opening);
    }

    #[test]
    fn a_short_press_stays_on_and_a_long_one_ends_when_it_is_let_go() {
        let muted = run(live(), [TalkEvent::Toggle]);
        assert_eq!(muted.standing(), Standing::Muted);
        let pressed = run(muted, [TalkEvent::Press(5_000.0)]);
        assert!(pressed.is_live() && pressed.is_held(), "the word that the press begins with is whole");
        let clicked = run(Rc::clone(&pressed), [TalkEvent::Release(5_200.0)]);
        assert!(clicked.is_live() && !clicked.is_held());
        let again = run(clicked, [TalkEvent::Press(9_000.0)]);
        assert_eq!(again.standing(), Standing::Muted, "what is on is muted as soon as it is pressed");
        assert_eq!(run(again, [TalkEvent::Release(9_100.0)]).standing(), Standing::Muted);
        assert_eq!(run(pressed, [TalkEvent::Release(5_351.0)]).standing(), Standing::Muted);
    }

    #[test]
    fn a_hold_ends_when_the_window_is_left_but_what_is_latched_goes_on() {
        let held = run(live(), [TalkEvent::Toggle, TalkEvent::Press(5_000.0)]);
        assert_eq!(run(held, [TalkEvent::LetGo(5_010.0)]).standing(), Standing::Muted);
        assert!(run(live(), [TalkEvent::LetGo(5_000.0)]).is_live());
    }

    #[test]
    fn the_browsers_question_does_not_undo_the_click_that_it_came_of() {
        let asked = || run(Rc::default(), [TalkEvent::Press(1_000.0)]);
        let stood = |events: [TalkEvent; 3]| {
            let line = [Event::Connected, Event::Sound].map(TalkEvent::Line);
            run(asked(), events.into_iter().chain(line).chain([OPEN])).standing()
        };
        let (granted, late) = (TalkEvent::Granted, TalkEvent::Release(9_000.0));
        assert_eq!(stood([TalkEvent::LetGo(1_100.0), granted.clone(), late.clone()]), Standing::Live);
        assert_eq!(stood([TalkEvent::LetGo(2_000.0), granted.clone(), late.clone()]), Standing::Muted);
        assert_eq!(stood([late.clone(), granted, late]), Standing::Muted);
    }

    #[test]
    fn the_space_bar_speaks_only_where_there_is_a_connection_and_only_while_it_is_down() {
        let off = run(Rc::default(), [TalkEvent::Hold]);
        assert_eq!(off.standing(), Standing::Off);
        let held = run(live(), [TalkEvent::Toggle, TalkEvent::Hold]);
        assert!(held.is_live());
        assert_eq!(run(held, [TalkEvent::Release(0.0)]).standing(), Standing::Muted);
        let latched = run(live(), [TalkEvent::Hold, TalkEvent::Release(0.0)]);
        assert!(latched.is_live(), "what is on stays on");
    }

    #[test]
    fn what_is_refused_comes_back_by_itself() {
        let refused = run(live(), [TalkEvent::Way(Some(TalkbackState::Refused))]);
        assert_eq!(refused.standing(), Standing::Refused);
        assert!(run(refused, [OPEN]).is_live());
        let broken = run(live(), [BROKEN]);
        assert_eq!(broken.attempt().map(|attempt| attempt.number), Some(2));
        let mended = run(broken, [Event::Begun, Event::Connected, Event::Sound].map(TalkEvent::Line));
        assert!(mended.is_live(), "the person wanted to be heard, and still does");
    }

    #[test]
    fn no_microphone_is_no_session() {
        for trouble in [Trouble::Denied, Trouble::NoDevice, Trouble::InUse, Trouble::Unknown] {
            let state = run(Rc::default(), [TalkEvent::Toggle, TalkEvent::Stopped(trouble)]);
            assert_eq!((state.standing(), state.trouble()), (Standing::Failed, Some(trouble)));
            assert!(!state.is_on());
            let again = run(state, [TalkEvent::Toggle]);
            assert_eq!((again.standing(), again.trouble()), (Standing::Asking, None));
        }
    }

    #[test]
    fn a_microphone_that_goes_ends_the_session() {
        for trouble in [Trouble::Unplugged, Trouble::Revoked] {
            let state = run(live(), [TalkEvent::Stopped(trouble)]);
            assert_eq!((state.standing(), state.attempt()), (Standing::Failed, None));
            let off = run(Rc::default(), [TalkEvent::Stopped(trouble)]);
            assert_eq!(off.standing(), Standing::Off, "nobody who does not talk is told");
        }
    }

    #[test]
    fn a_hidden_page_mutes_says_so_and_can_go_on() {
        let hidden = run(live(), [TalkEvent::Stopped(Trouble::Hidden)]);
        assert_eq!((hidden.standing(), hidden.trouble()), (Standing::Muted, Some(Trouble::Hidden)));
        let on = run(hidden, [TalkEvent::Press(0.0), TalkEvent::Release(50.0)]);
        assert_eq!((on.is_live(), on.trouble()), (true, None));
        let muted = run(live(), [TalkEvent::Toggle, TalkEvent::Stopped(Trouble::Hidden)]);
        assert_eq!(muted.trouble(), None, "who was muted has nothing to be told");
    }

    #[test]
    fn the_end_lets_go_of_everything_and_late_news_is_ignored() {
        let ended = run(live(), [TalkEvent::End]);
        assert_eq!((ended.standing(), ended.is_on()), (Standing::Off, false));
        let late = [TalkEvent::Granted, BROKEN, TalkEvent::Release(0.0), TalkEvent::Line(Event::Sound)];
        for event in late {
            assert_eq!(Rc::clone(&ended).reduce(event), ended);
        }
        let early = run(Rc::default(), [TalkEvent::Toggle, TalkEvent::End, TalkEvent::Granted]);
        assert!(!early.is_on(), "a permission that comes too late begins nothing");
    }

    #[test]
    fn a_relay_that_says_no_leaves_nobody_waiting_to_be_live() {
        let detail = "The configuration does not allow it.".to_owned();
        let no = Refusal::Status { code: 403, retry_after_secs: None, detail: detail.clone() };
        let state = run(Rc::default(), [TalkEvent::Toggle, TalkEvent::Granted]);
        let state = run(state, [TalkEvent::Line(Event::Begun), TalkEvent::Line(Event::Refused(no, 0.5))]);
        assert_eq!((state.standing(), state.is_on()), (Standing::Failed, false));
        assert_eq!(*state.line(), Phase::Failed(Failure::Forbidden(detail)));
        let again = run(state, [TalkEvent::Press(0.0)]);
        assert_eq!(again.standing(), Standing::Asking);
    }
}
