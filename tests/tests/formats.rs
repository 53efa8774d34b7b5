//! Every format that containers send is heard at its own pitch, and in the right ears.

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use soundport_api::{Encoding, Found, SourceState};
use soundport_tests::{
    Announced, Announcer, Events, Relay, Signal, ToneSender, ToneSenderOptions, WhepClient, report, turn,
};

const HZ: f64 = 1000.0;
const ALLOWED_HZ: f64 = 1.0;
const STATE_WITHIN: Duration = Duration::from_secs(10);
/// −40 dB below a tone of half of full scale.
const HARDLY: f64 = 0.005;

/// What is sent, and who is to hear it.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    encoding: Encoding,
    rate: u32,
    channels: u8,
    /// A payload type that stands for the format, where nothing is announced.
    payload_type: Option<u8>,
    /// The channel that plays; all where there is none.
    playing: Option<u8>,
    ears: Ears,
}

#[derive(Clone, Copy, PartialEq)]
enum Ears {
    Left,
    Right,
    Both,
}

use Ears::{Both, Left, Right};
use Encoding::{L16, L24, Opus, Pcma, Pcmu};

#[test]
fn announced_formats_are_heard_at_their_pitch_and_in_the_right_ears() -> Result<()> {
    heard_right(&[
        case("cd", L16, 44_100, 2, Some(0), Left),
        case("mono", L16, 48_000, 1, None, Both),
        case("speech", L16, 16_000, 1, None, Both),
        case("fine", L16, 96_000, 2, Some(1), Right),
        case("deep", L24, 48_000, 2, Some(0), Left),
        case("ulaw", Pcmu, 8_000, 1, None, Both),
        case("alaw", Pcma, 8_000, 2, Some(1), Right),
        case("opus", Opus, 48_000, 2, Some(0), Left),
    ])
}

#[test]
fn surround_is_mixed_down_to_the_right_ears() -> Result<()> {
    // Front left and right, centre, low frequencies, back left and right (WAVE).
    heard_right(&[
        case("front-left", L16, 48_000, 6, Some(0), Left),
        case("front-right", L16, 48_000, 6, Some(1), Right),
        case("centre", L16, 48_000, 6, Some(2), Both),
        case("back-left", L24, 44_100, 6, Some(4), Left),
        case("back-right", L16, 48_000, 6, Some(5), Right),
    ])
}

#[test]
fn payload_types_that_stand_for_a_format_need_no_announcement() -> Result<()> {
    let fixed = |case: Case, payload_type| Case { payload_type: Some(payload_type), ..case };
    heard_right(&[
        fixed(case("127-0-0-40", Pcmu, 8_000, 1, None, Both), 0),
        fixed(case("127-0-0-41", Pcma, 8_000, 1, None, Both), 8),
        fixed(case("127-0-0-42", L16, 44_100, 2, Some(1), Right), 10),
        fixed(case("127-0-0-43", L16, 44_100, 1, None, Both), 11),
    ])
}

const fn case(
    name: &'static str,
    encoding: Encoding,
    rate: u32,
    channels: u8,
    playing: Option<u8>,
    ears: Ears,
) -> Case {
    Case { name, encoding, rate, channels, payload_type: None, playing, ears }
}

/// Sends all cases to one relay at once, and listens to each.
fn heard_right(cases: &[Case]) -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let events = Events::subscribe(relay.http())?;
    let mut senders = Vec::new();
    for (case, last) in cases.iter().zip(40..) {
        senders.push(case.start(&relay, Ipv4Addr::new(127, 0, 0, last).into())?);
    }
    for case in cases {
        let source = events
            .wait_source(case.name, "live", STATE_WITHIN, |source| source.state == SourceState::Live)?;
        let format = source.format.with_context(|| format!("{} has no format", case.name))?;
        let found = if case.payload_type.is_some() { Found::PayloadType } else { Found::Announced };
        ensure!(
            (format.encoding, format.rate, format.channels, format.found)
                == (case.encoding, case.rate, case.channels, found),
            "{}: {format:?}",
            case.name
        );
    }
    thread::scope(|scope| {
        let hearings: Vec<_> = cases.iter().map(|case| scope.spawn(|| case.check(&relay))).collect();
        hearings.into_iter().zip(cases).try_for_each(|(hearing, case)| {
            let heard = hearing.join().unwrap_or_else(|_| Err(anyhow!("the listener panicked")));
            heard.with_context(|| format!("{}: {} of {} channels", case.name, case.rate, case.channels))
        })
    })
}

impl Case {
    fn start(&self, relay: &Relay, from: IpAddr) -> Result<(ToneSender, Option<Announcer>)> {
        let IpAddr::V4(address) = from else { unreachable!("loopback of IPv4") };
        let number = u32::from(address);
        let payload_type = self.payload_type.unwrap_or(100);
        let options = ToneSenderOptions {
            encoding: self.encoding,
            rate: self.rate,
            channels: self.channels,
            payload_type,
            packet_frames: if self.encoding == Opus { 960 } else { self.rate / 200 },
            ssrc: number,
            from,
            signal: Signal::Kilohertz(self.playing),
            ..ToneSenderOptions::default()
        };
        let stream = Announced {
            name: self.name.into(),
            port: relay.rtp().port(),
            encoding: self.encoding,
            rate: self.rate,
            channels: self.channels,
            payload_type,
            session: u64::from(number),
            from,
        };
        let announcer = match self.payload_type {
            Some(_) => None,
            None => Some(Announcer::start(relay.sap(), stream)?),
        };
        Ok((ToneSender::start(relay.rtp(), options)?, announcer))
    }

    fn check(&self, relay: &Relay) -> Result<()> {
        let client = WhepClient::listen(relay.http(), self.name)?;
        client.hear(Duration::from_millis(500))?;
        let stream = client.hear(Duration::from_millis(2500))?;
        stream.check_steps()?;
        let heard = stream.settled()?;
        let levels = [heard.amplitude(0, HZ), heard.amplitude(1, HZ)];
        let ears: &[usize] = match self.ears {
            Left => &[0],
            Right => &[1],
            Both => &[0, 1],
        };
        let pitches: Vec<f64> = ears.iter().map(|ear| heard.frequency(*ear, HZ)).collect();
        report(&format!("{}: {pitches:.2?} Hz, left {:.3}, right {:.3}", self.name, levels[0], levels[1]));
        for (ear, pitch) in ears.iter().zip(&pitches) {
            // Mixing down may turn it down, but not away.
            ensure!(levels[*ear] > 0.1, "1 kHz is not heard in ear {ear}: {levels:.3?}");
            ensure!((pitch - HZ).abs() <= ALLOWED_HZ, "{pitch:.2} Hz in ear {ear}");
        }
        match self.ears {
            Left => ensure!(levels[1] < HARDLY, "it is heard on the right: {levels:.4?}"),
            Right => ensure!(levels[0] < HARDLY, "it is heard on the left: {levels:.4?}"),
            Both => ensure!((levels[0] - levels[1]).abs() < HARDLY, "the ears differ: {levels:.4?}"),
        }
        Ok(())
    }
}
