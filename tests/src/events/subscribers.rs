use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::parser::{Parser, Raw};
use super::request;
use crate::Http;

/// Many subscriptions of `/api/events` on the caller's thread: each is a socket and nothing more.
#[derive(Debug, Default)]
pub struct Subscribers {
    all: Vec<Subscriber>,
}

#[derive(Debug)]
struct Subscriber {
    stream: TcpStream,
    parser: Parser,
    /// The names of the events that came.
    names: Vec<String>,
}

impl Subscribers {
    /// Opens `count` subscriptions without levels; [`Self::attend`] reads them.
    ///
    /// # Errors
    /// When a connection is refused.
    pub fn open(http: &Http, count: usize) -> Result<Self> {
        let one = |number| {
            let stream =
                request(http, "/api/events").with_context(|| format!("subscriber {number} of {count}"))?;
            stream.set_nonblocking(true)?;
            Ok(Subscriber { stream, parser: Parser::default(), names: Vec::new() })
        };
        Ok(Self { all: (1..=count).map(one).collect::<Result<_>>()? })
    }

    /// How many have got at least `times` events of that name.
    pub fn count(&self, name: &str, times: usize) -> usize {
        let has = |one: &&Subscriber| one.names.iter().filter(|known| *known == name).count() >= times;
        self.all.iter().filter(has).count()
    }

    /// Reads what comes until `enough` says so, at most for `limit`.
    ///
    /// # Errors
    /// When a subscription ended.
    pub fn attend(&mut self, limit: Duration, enough: impl Fn(&Self) -> bool) -> Result<()> {
        let end = Instant::now() + limit;
        let mut buffer = vec![0; 16 << 10];
        while !enough(self) && Instant::now() < end {
            let tick = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            let mut waits: Vec<PollFd<'_>> =
                self.all.iter().map(|one| PollFd::new(&one.stream, PollFlags::IN)).collect();
            poll(&mut waits, Some(&tick))?;
            let ready: Vec<bool> = waits.iter().map(|wait| !wait.revents().is_empty()).collect();
            for (one, _) in self.all.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
                one.read(&mut buffer)?;
            }
        }
        Ok(())
    }
}

impl Subscriber {
    fn read(&mut self, buffer: &mut [u8]) -> Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(length) => {
                    ensure!(length > 0, "the relay closed a subscription");
                    for raw in self.parser.feed(&buffer[..length])? {
                        if let Raw::Event { name, .. } = raw {
                            self.names.push(name);
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("a subscription broke"),
            }
        }
    }
}
