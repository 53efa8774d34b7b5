use soundport_api::TalkbackState;

use super::Event;

/// Where it stands, for the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not connected.
    Off,
    /// The browser asks for the microphone.
    Asking,
    /// There is no connection yet, or none any more.
    Connecting,
    /// Connected, and the container is being told.
    Opening,
    /// Connected, and nothing is sent.
    Muted,
    /// What is said is heard.
    Live,
    /// The container takes nothing.
    Refused,
    /// Nothing more happens without the person.
    Failed,
}

/// What keeps the microphone from being heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The page has no right to a microphone: it came over plain HTTP.
    Insecure,
    /// The person, or the browser's settings, said no.
    Denied,
    /// There is no microphone.
    NoDevice,
    /// Another program holds it.
    InUse,
    /// It was unplugged while it was used.
    Unplugged,
    /// The permission was taken back.
    Revoked,
    /// The page was hidden while the person talked.
    Hidden,
    /// The browser gave none, and no reason that is known.
    Unknown,
}

/// What happened. Times are of one clock, in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub enum TalkEvent {
    /// The button went down.
    Press(f64),
    /// The button went up.
    Release(f64),
    /// The press ended in another way: the pointer was taken away, or the window left.
    LetGo(f64),
    /// The space bar went down somewhere on the page.
    Hold,
    /// The button was used without being held, as screen readers do.
    Toggle,
    /// The person has done.
    End,
    /// The browser gave a microphone.
    Granted,
    /// There is no microphone, or no longer.
    Stopped(Trouble),
    /// The relay says how the way into the container stands; none while it does not answer.
    Way(Option<TalkbackState>),
    /// Something happened to the session.
    Line(Event),
}
