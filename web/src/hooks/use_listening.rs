use std::cell::RefCell;
use std::rc::Rc;

use gloo_events::EventListener;
use gloo_timers::callback::Timeout;
use soundport_api::SourceState;
use yew::{AttrValue, Callback, UseReducerHandle, UseStateHandle, hook};
use yew::{use_callback, use_effect_with, use_memo, use_mut_ref, use_reducer, use_state_eq};

use crate::relay::Base;
use crate::rtc::{self, Output, Report, Session, Ties, Wishes};
use crate::state::{Attempt, Event, Failure, Listening, Phase};
use crate::store;

/// A card that is off is made ready for its click this soon, when the page has been drawn.
const PREPARE_AFTER_MILLIS: u32 = 50;

/// A card's listening.
#[derive(Clone, PartialEq)]
pub struct ListeningHandle {
    state: UseReducerHandle<Listening>,
    output: UseStateHandle<Option<OpenOutput>>,
    report: UseStateHandle<Option<Report>>,
    /// Begins to listen. Call it inside the user's click.
    pub listen: Callback<()>,
    /// Stops listening.
    pub stop: Callback<()>,
}

/// An output, equal only to itself.
#[derive(Clone)]
pub struct OpenOutput(pub Rc<Output>);

impl PartialEq for OpenOutput {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl ListeningHandle {
    /// What the user is told.
    pub fn phase(&self) -> &Phase {
        &self.state.phase
    }

    /// Whether there is a session, or will be.
    pub fn is_on(&self) -> bool {
        self.state.is_on()
    }

    /// The way to the loudspeaker, while listening.
    pub fn output(&self) -> Option<OpenOutput> {
        (*self.output).clone()
    }

    /// The last figures, while listening.
    pub fn report(&self) -> Option<Report> {
        (*self.report).clone()
    }
}

/// What listening depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// What the relay says of the source; none while it does not answer. When it becomes live, a wait for the next attempt ends.
    pub source: Option<SourceState>,
    /// The relay's run: when it becomes another, the session is doubted.
    pub instance: Option<AttrValue>,
    /// The factor on samples.
    pub gain: f32,
    /// Whether a steady sound is worth a longer delay.
    pub robust: bool,
}

/// Listens to the source with this id when asked to.
#[hook]
pub fn use_listening(base: &Rc<Base>, source: &AttrValue, conditions: Conditions) -> ListeningHandle {
    let Conditions { source: said, instance, gain, robust } = conditions;
    let state = use_reducer(Listening::default);
    let output = use_state_eq(|| None::<OpenOutput>);
    let report = use_state_eq(|| None::<Report>);
    // Read by the session's looks, many times between two renderings.
    let wishes = use_memo((), |()| Wishes::default());
    wishes.stopped.set(said.is_some_and(|said| said != SourceState::Live));
    wishes.robust.set(robust);
    if *wishes.instance.borrow() != instance {
        wishes.instance.replace(instance);
        wishes.doubted.set(true);
    }
    let tell = {
        let dispatcher = state.dispatcher();
        Callback::from(move |event| dispatcher.dispatch(event))
    };
    let opening = Opening {
        endpoint: base.join(&format!("whep/{source}")),
        ties: Ties { on_event: tell.clone(), on_report: report_to(&report), wishes: Rc::clone(&wishes) },
    };
    use_session(opening, state.attempt, (*output).clone());
    use_effect_with(said == Some(SourceState::Live), {
        let tell = tell.clone();
        move |live| {
            if *live {
                tell.emit(Event::RelayAnswers);
            }
        }
    });
    use_effect_with(((*output).clone(), gain), |(output, gain)| {
        if let Some(OpenOutput(output)) = output {
            output.set_gain(*gain);
        }
    });
    use_effect_with(state.is_on(), {
        let (output, report) = (output.setter(), report.setter());
        move |on| {
            if !on {
                output.set(None);
                report.set(None);
            }
            let soon = (!on).then(|| Timeout::new(PREPARE_AFTER_MILLIS, rtc::prepare));
            move || drop(soon)
        }
    });
    let listen = use_callback(
        (output.setter(), tell.clone(), gain, source.clone()),
        |(), (output, tell, gain, source)| {
            store::remember_playing(source, true);
            tell.emit(Event::Listen);
            match Output::open(*gain) {
                Ok(opened) => output.set(Some(OpenOutput(Rc::new(opened)))),
                Err(failure) => tell.emit(Event::Failed(failure)),
            }
        },
    );
    let stop = use_callback((tell, source.clone()), |(), (tell, source)| {
        store::remember_playing(source, false);
        tell.emit(Event::Stop);
    });
    ListeningHandle { state, output, report, listen, stop }
}

/// Holds the session that should exist, until another should, or the page goes away.
#[hook]
fn use_session(opening: Opening, attempt: Option<Attempt>, output: Option<OpenOutput>) {
    let held = use_mut_ref(|| None::<Held>);
    let tell = opening.ties.on_event.clone();
    use_effect_with((attempt, output), {
        let held = Rc::clone(&held);
        move |(attempt, output)| {
            let wanted = attempt.zip(output.clone());
            *held.borrow_mut() = wanted.map(|(attempt, output)| opening.hold(attempt, output));
            move || drop(held.take())
        }
    });
    use_effect_with((), move |()| {
        let leaving = end_when_page_goes(held, tell);
        move || drop(leaving)
    });
}

/// An attempt: first a wait, then a session.
struct Held {
    _wait: Option<Timeout>,
    _session: Rc<RefCell<Option<Session>>>,
}

/// What every attempt of a card needs.
#[derive(Clone)]
struct Opening {
    endpoint: Option<String>,
    ties: Ties,
}

impl Opening {
    fn hold(self, attempt: Attempt, output: OpenOutput) -> Held {
        let session = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&session);
        let open = move || *slot.borrow_mut() = self.open(output);
        let wait = match attempt.delay_millis {
            0 => {
                open();
                None
            }
            millis => Some(Timeout::new(millis, open)),
        };
        Held { _wait: wait, _session: session }
    }

    fn open(self, output: OpenOutput) -> Option<Session> {
        let on_event = self.ties.on_event.clone();
        on_event.emit(Event::Begun);
        let opened = match self.endpoint {
            Some(endpoint) => Session::open(endpoint, output.0, self.ties),
            None => Err(Failure::NoRelay),
        };
        opened.map_err(|failure| on_event.emit(Event::Failed(failure))).ok()
    }
}

fn report_to(report: &UseStateHandle<Option<Report>>) -> Callback<Report> {
    let setter = report.setter();
    Callback::from(move |figures| setter.set(Some(figures)))
}

/// A page that goes away says so, rather than leave the relay sending until it notices.
fn end_when_page_goes(held: Rc<RefCell<Option<Held>>>, tell: Callback<Event>) -> Option<EventListener> {
    let window = web_sys::window()?;
    Some(EventListener::new(&window, "pagehide", move |_| {
        drop(held.take());
        tell.emit(Event::Stop);
    }))
}
