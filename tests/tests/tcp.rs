//! The HTTPS port as strangers use it: media over TCP (RFC 6544), and whatever else comes, harms nobody.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use soundport_tests::{Relay, ToneSender, ToneSenderOptions, WhepClient, report, turn, wait_for};

const SOURCE: &str = "127-0-0-1";
const LIMIT: Duration = Duration::from_secs(10);
/// How long a connection may live that says nothing of use.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);
/// So many connections no household makes.
const CROWD: usize = 600;
const CLOSED: &str = "soundport_tcp_closed_total";
const REFUSED: &str = "soundport_https_refused_total";
const OPEN: &str = "soundport_tcp_connections";

/// A relay with a source, a listener by UDP and one by TCP.
struct Stage {
    relay: Relay,
    listeners: [WhepClient; 2],
    _sender: ToneSender,
}

impl Stage {
    fn set() -> Result<Self> {
        let relay = Relay::start()?;
        let sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
        relay.wait_live(SOURCE)?;
        let listeners =
            [WhepClient::join(relay.http(), SOURCE)?, WhepClient::join_by_tcp(relay.http(), SOURCE)?];
        for listener in &listeners {
            listener.wait_tone(LIMIT)?;
            listener.take()?;
        }
        Ok(Self { relay, listeners, _sender: sender })
    }

    /// A connection to the HTTPS port that says `words`.
    fn say(&self, words: &[u8]) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(self.relay.media())?;
        stream.write_all(words)?;
        Ok(stream)
    }

    /// Checks that both listeners heard everything, and that nothing of it was late.
    fn is_undisturbed(&self) -> Result<()> {
        for listener in &self.listeners {
            let stream = listener.hear_on(Duration::from_secs(1))?;
            stream.check_steps()?;
            stream.settled()?.check_ears()?;
        }
        Ok(())
    }

    fn metric(&self, name: &str) -> Result<u64> {
        let text = self.relay.http().get("/metrics")?.text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.with_context(|| format!("no {name} in {text}"))?.parse().context("not a number")
    }
}

/// What is left to read until the relay closes the connection.
fn rest(mut stream: TcpStream) -> Result<Vec<u8>> {
    stream.set_read_timeout(Some(CLOSED_WITHIN))?;
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        // What it did not read it answers by a reset.
        Err(error) if error.kind() != ErrorKind::ConnectionReset => {
            Err(error).context("the connection stays open")
        }
        _ => Ok(rest),
    }
}

/// A STUN binding request without attributes, framed (RFC 4571).
fn check() -> Vec<u8> {
    let mut frame = vec![0, 20, 0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
    frame.extend([7; 12]);
    frame
}

#[test]
fn a_listener_by_tcp_hears_what_one_by_udp_hears() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set()?;
    ensure!(stage.metric(OPEN)? == 1, "{} connections of one listener", stage.metric(OPEN)?);
    for listener in &stage.listeners {
        let stream = listener.hear_on(Duration::from_secs(2))?;
        let count = stream.check_steps()?;
        stream.settled()?.check_ears()?;
        report(&format!("{count} packets without a gap"));
    }
    let [_, by_tcp] = stage.listeners;
    by_tcp.leave()?;
    Ok(())
}

#[test]
fn a_connection_that_means_nothing_is_closed_and_disturbs_nobody() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set()?;
    let turned_away = || Ok::<_, anyhow::Error>(stage.metric(CLOSED)? + stage.metric(REFUSED)?);
    let before = turned_away()?;
    let mut lying = check();
    lying.splice(0..2, [0xFF, 0xFF]);
    let mut junk = check();
    junk.extend([0xAB; 3000]);
    let mut slow = check();
    slow.truncate(5);
    let begin = Instant::now();
    let strangers = [
        ("says nothing", stage.say(b"")?),
        ("says one byte", stage.say(&[0])?),
        ("says one byte of TLS", stage.say(&[0x16])?),
        ("stops within its first frame", stage.say(&slow)?),
        ("lies about its first frame's length", stage.say(&lying)?),
        ("says junk after a check", stage.say(&junk)?),
        ("says junk", stage.say(&[0xAB; 3000])?),
        ("is a check of nobody's", stage.say(&check())?),
    ];
    drip(&stage)?;
    for (who, stream) in strangers {
        rest(stream).with_context(|| who.to_owned())?;
        report(&format!("who {who} is gone after {:.1?}", begin.elapsed()));
    }
    wait_for("the count", LIMIT, || Ok((turned_away()? >= before + 10).then_some(())))
        .with_context(|| format!("{:?} were counted", turned_away().map(|now| now - before)))?;
    ensure!(stage.metric(OPEN)? == 1, "{} connections are open", stage.metric(OPEN)?);
    stage.is_undisturbed()
}

#[test]
fn a_crowd_of_connections_has_an_end_and_disturbs_nobody() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set()?;
    let before = stage.metric(CLOSED)?;
    let crowd: Vec<TcpStream> = (0..CROWD).map(|_| stage.say(&check())).collect::<Result<_>>()?;
    // In their midst somebody new is let in.
    let late = WhepClient::join(stage.relay.http(), SOURCE)?;
    late.wait_tone(LIMIT)?;
    let most = stage.metric(OPEN)?;
    for stream in crowd {
        rest(stream)?;
    }
    let counted = wait_for("the count", LIMIT, || {
        Ok(Some(stage.metric(CLOSED)? - before).filter(|counted| *counted >= CROWD as u64))
    })?;
    report(&format!("{counted} were closed, {most} were open at a time"));
    ensure!(most < CROWD as u64, "{most} strangers were let in at a time");
    let by_tcp = WhepClient::join_by_tcp(stage.relay.http(), SOURCE)?;
    by_tcp.wait_tone(LIMIT)?;
    stage.is_undisturbed()
}

#[test]
fn a_listener_by_tcp_who_begins_to_lie_is_cut_off_alone() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set()?;
    let liar = WhepClient::join_by_tcp(stage.relay.http(), SOURCE)?;
    liar.wait_tone(LIMIT)?;
    liar.lie()?;
    wait_for("the liar's end", LIMIT, || Ok(liar.take().is_err().then_some(())))?;
    liar.vanish();
    ensure!(stage.metric(OPEN)? == 1, "{} connections are open", stage.metric(OPEN)?);
    stage.is_undisturbed()
}

#[test]
fn plain_http_at_the_https_port_is_told_so() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set()?;
    let answer = rest(stage.say(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")?)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    ensure!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "answered {answer:?}");
    stage.is_undisturbed()
}

/// Two who say what is right, byte by byte, until both are gone.
fn drip(stage: &Stage) -> Result<()> {
    // More than one a minute, and as little a reason to stay.
    const EVERY: Duration = Duration::from_millis(500);
    const HELLO: [u8; 14] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3, 0, 0, 0];
    let begin = Instant::now();
    let mut strangers = Vec::new();
    for (what, words) in [("a check", check()), ("TLS", HELLO.to_vec())] {
        let stream = stage.say(&[])?;
        stream.set_read_timeout(Some(EVERY))?;
        strangers.push((what, stream, words.into_iter().cycle()));
    }
    while !strangers.is_empty() {
        ensure!(begin.elapsed() < CLOSED_WITHIN, "{strangers:?} stay open");
        strangers.retain_mut(|(what, stream, words)| {
            let written = stream.write_all(&[words.next().unwrap_or_default()]);
            let stays = match stream.read(&mut [0; 100]) {
                Err(error) => written.is_ok() && error.kind() == ErrorKind::WouldBlock,
                Ok(length) => length > 0,
            };
            if !stays {
                report(&format!("who says {what} byte by byte is gone after {:.1?}", begin.elapsed()));
            }
            stays
        });
    }
    Ok(())
}
