//! `[ice]`: STUN and TURN servers for browsers. [`abcdesktop`] reads the same in that system's words.

pub(super) mod abcdesktop;

use std::time::Duration;

use self::abcdesktop::Foreign;
use super::mistake::{Mistakes, Place};
use super::table::{Given, Table};
use crate::options::{IceEntry, IceOptions, IceUrl, Secret, TurnCredentials};

/// For how long minted credentials are good, unless the user says otherwise.
const DEFAULT_TTL: Duration = Duration::from_secs(3600);

/// The longest time that minted credentials are good.
const MAX_TTL_SECONDS: i64 = 7 * 24 * 3600;

/// The longest user name, in bytes (RFC 8489, section 14.3).
const MAX_USERNAME: usize = 508;

/// `[ice]` as it was written.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    stun: Option<Given<Vec<IceUrl>>>,
    turn: Option<Given<Vec<IceUrl>>>,
    secret: Option<Given<Secret>>,
    ttl: Option<Given<Duration>>,
    username: Option<Given<String>>,
    credential: Option<Given<Secret>>,
    relay_only: Option<Given<bool>>,
    foreign: Foreign,
    /// Whether something is given, but not so that it can be read.
    unreadable: bool,
}

impl Draft {
    pub(super) fn read(table: Option<Table>, foreign: Foreign, mistakes: &mut Mistakes) -> Self {
        let Some(mut table) = table else { return Self { foreign, ..Self::default() } };
        let before = mistakes.len();
        let mut draft = Self {
            stun: table.texts("stun", "\"stun:stun.example.org:3478\"", mistakes, IceUrl::stun),
            turn: table.texts("turn", "\"turn:turn.example.org:3478\"", mistakes, IceUrl::turn),
            secret: table.hidden("secret", mistakes, secret),
            ttl: table.whole("ttl", "3600", mistakes, ttl),
            username: table.text("username", "\"soundport\"", mistakes, username),
            credential: table.hidden("credential", mistakes, secret),
            relay_only: table.text("policy", "\"all\"", mistakes, policy),
            foreign,
            unreadable: false,
        };
        draft.unreadable = mistakes.len() > before;
        table.finish(mistakes);
        draft
    }

    pub(super) fn over(self, file: Self) -> Self {
        Self {
            stun: self.stun.or(file.stun),
            turn: self.turn.or(file.turn),
            secret: self.secret.or(file.secret),
            ttl: self.ttl.or(file.ttl),
            username: self.username.or(file.username),
            credential: self.credential.or(file.credential),
            relay_only: self.relay_only.or(file.relay_only),
            foreign: file.foreign,
            unreadable: self.unreadable || file.unreadable,
        }
    }

    /// Compares what depends on each other.
    pub(super) fn complete(&self, mistakes: &mut Mistakes) -> IceOptions {
        let before = mistakes.len();
        let credentials = self.credentials(mistakes);
        // What is missing because of another mistake is not missing.
        let unclear = self.unreadable || mistakes.len() > before;
        let given = |given: &Option<Given<Vec<IceUrl>>>| {
            given.as_ref().map_or_else(Vec::new, |given| given.value.clone())
        };
        let (stun, turn) = (given(&self.stun), given(&self.turn));
        if let (Some(Given { place, .. }), false, None, false) =
            (&self.turn, turn.is_empty(), &credentials, unclear)
        {
            mistakes.add(
                place,
                "lacks credentials; write coturn's static-auth-secret as secret, or username and credential",
            );
        }
        let mut servers =
            vec![IceEntry { urls: stun, credentials: None }, IceEntry { urls: turn, credentials }];
        servers.retain(|entry| !entry.urls.is_empty());
        servers.extend(self.foreign.servers.iter().map(|given| given.value.clone()));
        let relay_only = self.relay_only.as_ref().or(self.foreign.relay_only.as_ref());
        let any_turn = servers.iter().flat_map(|entry| &entry.urls).any(|url| url.scheme.is_turn());
        if let Some(Given { value: true, place }) = relay_only
            && !any_turn
            && !unclear
        {
            mistakes.add(place, "lets browsers connect through TURN alone, but names no TURN server; name one (turn), or write all");
        }
        IceOptions { servers, relay_only: relay_only.is_some_and(|given| given.value) }
    }

    /// Where the servers were written, in the order of those that [`complete`](Self::complete) returns.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        let own = [&self.stun, &self.turn].into_iter().flatten().filter(|given| !given.value.is_empty());
        own.map(|given| &given.place).chain(self.foreign.servers.iter().map(|given| &given.place))
    }

    fn credentials(&self, mistakes: &mut Mistakes) -> Option<TurnCredentials> {
        if self.unreadable {
            return None;
        }
        let user = self
            .username
            .as_ref()
            .map(|given| &given.place)
            .or_else(|| self.credential.as_ref().map(|given| &given.place));
        let (credentials, place) = match (&self.secret, &self.username, &self.credential) {
            (Some(secret), None, None) => (self.minted(&secret.value), &secret.place),
            (None, Some(username), Some(credential)) => {
                let (username, credential) = (username.value.clone(), credential.value.clone());
                (
                    TurnCredentials::Fixed { username, credential },
                    self.username.as_ref().map_or(&Place::Default("ice"), |given| &given.place),
                )
            }
            (Some(secret), _, _) => {
                let other = user.map_or_else(String::new, Place::in_passing);
                mistakes.add(
                    &secret.place,
                    format!(
                        "is given, and so is {other}; remove one: a secret mints user names and passwords"
                    ),
                );
                return None;
            }
            (None, Some(username), None) => {
                mistakes.add(&username.place, "stands alone; write its password as well (credential)");
                return None;
            }
            (None, None, Some(credential)) => {
                mistakes
                    .add(&credential.place, "stands alone; write whose password it is as well (username)");
                return None;
            }
            (None, None, None) => return None,
        };
        if self.turn.as_ref().is_none_or(|turn| turn.value.is_empty()) {
            mistakes.add(place, "is for a TURN server, but none is named; name it as well (turn)");
        }
        Some(credentials)
    }

    fn minted(&self, secret: &Secret) -> TurnCredentials {
        TurnCredentials::Minted {
            secret: secret.clone(),
            ttl: self.ttl.as_ref().map_or(DEFAULT_TTL, |ttl| ttl.value),
        }
    }
}

fn ttl(seconds: i64) -> Result<Duration, String> {
    let seconds = u64::try_from(seconds).ok().filter(|_| (1..=MAX_TTL_SECONDS).contains(&seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| format!("is out of range; write 1 to {MAX_TTL_SECONDS} (seconds)"))
}

fn policy(text: &str) -> Result<bool, String> {
    match text {
        "all" => Ok(false),
        "relay" => Ok(true),
        _ => Err("is no policy; write all, or relay for TURN alone".into()),
    }
}

fn username(text: &str) -> Result<String, String> {
    if (1..=MAX_USERNAME).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(format!("is no user name; write 1 to {MAX_USERNAME} characters on one line"))
}

fn secret(text: &str) -> Result<Secret, String> {
    if text.is_empty() {
        return Err("is empty; write it in quotes".into());
    }
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err("begins or ends with a blank, or has a line break in it; remove that".into());
    }
    Ok(Secret::from(text.to_owned()))
}
