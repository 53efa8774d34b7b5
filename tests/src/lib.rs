//! What the end-to-end tests share: the relay as a process, senders, listeners, and an ear that measures.
//!
//! Tests assert what a user would notice; nothing here looks inside the relay.

mod announcer;
mod audio_server;
mod browser;
mod callee;
mod events;
mod firefox;
mod flaws;
mod host;
mod http;
mod likeness;
mod network;
mod process;
mod random;
mod recorder;
mod relay;
mod report;
mod sender;
mod site;
mod speaker;
mod static_page;
mod tone;
mod tone_sender;
mod turn;
mod wait;
mod whep;
mod whip;
mod wire;

pub use announcer::{Announced, Announcer};
pub use audio_server::AudioServer;
pub use browser::{Browser, BrowserOptions, Inbound, Microphone, Tab};
pub use callee::Callee;
pub use events::{Event, Events, Subscribers};
pub use firefox::Firefox;
pub use flaws::{Flaws, Tolerance};
pub use host::Host;
pub use http::{Answer, Http, Request};
pub use network::{Container, Network, SAP_PORT};
pub use process::{Process, Usage};
pub use random::Random;
pub use recorder::Recorder;
pub use relay::{Relay, RelayOptions};
pub use report::report;
pub use sender::Sender;
pub use site::{Site, Way};
pub use speaker::Speaker;
pub use static_page::StaticPage;
pub use tone::{Recording, Tone};
pub use tone_sender::{Onset, Pause, Signal, ToneSender, ToneSenderOptions};
pub use turn::{best_of_three, long, turn};
pub use wait::{wait_for, wait_until};
pub use whep::{Listener, Packet, Stream, WhepClient, opus_offer, talk_offer};
pub use whip::{Said, Says, Speech, SpeechOptions, Talker, WhipClient};
