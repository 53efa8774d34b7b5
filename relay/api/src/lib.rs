//! The HTTP interface's types, shared by the relay (`soundport`) and the page (`soundport-web`).
//!
//! Only shapes live here: no behaviour, no transport.

mod doctor;
mod event;
mod ice;
mod problem;
mod source;
mod stream;
mod talkback;

pub use doctor::{
    Check, Checkup, Diagnosis, Finding, Playback, PlaybackState, Report, SessionDiagnosis, Verdict,
};
pub use event::{Gone, Levels, Relay, event_name};
pub use ice::{IceCheck, IceConfiguration, IceServer};
pub use problem::Problem;
pub use source::{Encoding, Format, Found, Source, SourceState};
pub use stream::{
    STREAM_PROTOCOL, StreamOpened, StreamPurpose, StreamRequest, StreamTicket, TICKET_PROTOCOL,
};
pub use talkback::{TALKER_HEADER, Talkback, TalkbackState, Talker};
