//! Tries a TURN server as a browser would: does it answer, and does it take the credentials?

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tokio::time::timeout;

use super::credentials;
use super::line::{Line, Silence};
use super::stun::{Proof, Reply, Request};
use crate::options::{IceUrl, Secret, TurnCredentials};

/// How long a try may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a server may take to take back what it gave.
const FAREWELL: Duration = Duration::from_secs(1);

/// Of a name with more addresses, so many are tried.
const MAX_ADDRESSES: usize = 4;

/// What is wrong with a server.
#[derive(Debug)]
enum Trouble {
    NoAddress,
    Late,
    Silent(Silence),
    NoTurn,
    Refused { code: u16, reason: String },
}

/// What became of trying a TURN server.
pub(super) struct Tried {
    /// What is wrong with it, in words for people and with a remedy.
    pub(super) trouble: Option<String>,
    /// What it gave, at each of its addresses.
    given: Vec<Given>,
}

/// An address that relays, and is to be given back.
struct Given {
    line: Line,
    farewell: Request,
}

/// What is wrong with a TURN server, in words for people and with a remedy; none where all is well. Takes six seconds at
/// most.
pub(crate) async fn turn(url: &IceUrl, credentials: Option<&TurnCredentials>) -> Option<String> {
    let tried = try_turn(url, credentials).await;
    let trouble = tried.trouble.clone();
    tried.give_back().await;
    trouble
}

/// The same, but what the server gave is not given back yet. Takes five seconds at most.
pub(super) async fn try_turn(url: &IceUrl, credentials: Option<&TurnCredentials>) -> Tried {
    match at_all_addresses(url, |address| allocate(url, credentials, address)).await {
        Ok(given) => Tried { trouble: None, given },
        Err(trouble) => Tried { trouble: Some(trouble.words(url, credentials)), given: Vec::new() },
    }
}

/// What is wrong with a STUN server, likewise.
pub(crate) async fn stun(url: &IceUrl) -> Option<String> {
    let ask = |address| async move {
        let mut line = Line::open(url, address).await?;
        line.ask(&Request::binding()?).await.map(|_| ()).map_err(Trouble::Silent)
    };
    let trouble = at_all_addresses(url, ask).await.err()?;
    Some(trouble.words(url, None))
}

impl Tried {
    /// Gives back what the server gave, without waiting long for it: the server would forget it in ten minutes anyway.
    pub(super) async fn give_back(self) {
        let farewells = self.given.into_iter().map(|Given { mut line, farewell }| async move {
            let _ = timeout(FAREWELL, line.ask(&farewell)).await;
        });
        join_all(farewells).await;
    }
}

/// Resolves the server's name, and tries all of its addresses. One that works will do; what came of all that do is returned.
async fn at_all_addresses<T, F>(url: &IceUrl, attempt: impl Fn(SocketAddr) -> F) -> Result<Vec<T>, Trouble>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let began = tokio::time::Instant::now();
    let found = timeout(PATIENCE, tokio::net::lookup_host((url.host.as_str(), url.port()))).await;
    let mut addresses: Vec<SocketAddr> = found.ok().and_then(Result::ok).ok_or(Trouble::NoAddress)?.collect();
    addresses.dedup();
    addresses.truncate(MAX_ADDRESSES);
    let left = PATIENCE.saturating_sub(began.elapsed());
    let attempts = addresses.into_iter().map(|address| timeout(left, attempt(address)));
    let (mut good, mut worst) = (Vec::new(), Trouble::NoAddress);
    for ended in join_all(attempts).await {
        match ended.unwrap_or(Err(Trouble::Late)) {
            Ok(came) => good.push(came),
            // A refusal says more than silence.
            Err(trouble) if trouble.weight() >= worst.weight() => worst = trouble,
            Err(_) => {}
        }
    }
    if good.is_empty() { Err(worst) } else { Ok(good) }
}

/// Asks for an address that relays.
async fn allocate(
    url: &IceUrl,
    credentials: Option<&TurnCredentials>,
    address: SocketAddr,
) -> Result<Given, Trouble> {
    let mut line = Line::open(url, address).await?;
    let mut proof = None;
    // Without credentials, with them, and once more if the server has changed its nonce meanwhile.
    for _ in 0..3 {
        let (code, reason, realm, nonce) = match line.ask(&Request::allocate(proof.as_ref())?).await? {
            Reply::Success { .. } => {
                return Ok(Given { farewell: Request::give_back(proof.as_ref())?, line });
            }
            Reply::Refused { code, reason, realm, nonce } => (code, reason, realm, nonce),
        };
        let asks_for_proof = code == 401 && proof.is_none();
        let (Some(nonce), true) = (nonce, asks_for_proof || code == 438) else {
            return Err(Trouble::Refused { code, reason });
        };
        proof = match (proof, realm, credentials) {
            (Some(proof), realm, _) => Some(Proof { realm: realm.unwrap_or(proof.realm), nonce, ..proof }),
            (None, Some(realm), Some(credentials)) => {
                let (username, password) = credentials::of(credentials, SystemTime::now());
                Some(Proof { username, password: Secret::from(password), realm, nonce })
            }
            (None, _, _) => return Err(Trouble::NoTurn),
        };
    }
    Err(Trouble::Refused { code: 438, reason: "Stale Nonce".to_owned() })
}

impl Trouble {
    fn weight(&self) -> u8 {
        match self {
            Self::NoAddress => 0,
            Self::Late => 1,
            Self::Silent(_) => 2,
            Self::NoTurn | Self::Refused { .. } => 3,
        }
    }

    fn words(&self, url: &IceUrl, credentials: Option<&TurnCredentials>) -> String {
        let port = format!("{}/{}", url.port(), url.transport().name());
        let what = match self {
            Self::NoAddress => "cannot be found: nobody knows its name; check how it is spelt".to_owned(),
            Self::Late => format!("does not answer: check that it runs, and that no firewall closes its port {port}"),
            Self::Silent(Silence::Closed) => {
                format!("does not answer: nothing listens at its port {port}; start it, or correct the port")
            }
            Self::Silent(Silence::Tls(error)) => {
                format!("speaks no TLS at port {port} ({error}); name its TLS port, or write turn: instead of turns:")
            }
            Self::Silent(Silence::Babble) | Self::NoTurn => {
                format!("is none: something else answers at port {port}; correct the port")
            }
            Self::Silent(silence) => format!("cannot be asked: {silence}"),
            Self::Refused { code: 401 | 441, .. } => match credentials {
                Some(TurnCredentials::Minted { .. }) => {
                    "refuses the relay’s credentials: the secret in [ice] is not its static-auth-secret, or this machine’s clock is off".to_owned()
                }
                _ => "refuses the relay’s credentials: check username and credential in [ice]".to_owned(),
            },
            Self::Refused { code: 486, .. } => {
                "has given as many addresses as it may (486); raise its user-quota or total-quota".to_owned()
            }
            Self::Refused { code: 508, .. } => {
                "has no address left to give (508); give it more ports, or another relay-ip".to_owned()
            }
            Self::Refused { code, reason } => format!("refuses to relay ({code} {reason}); its log says more"),
        };
        let kind = if url.scheme.is_turn() { "TURN" } else { "STUN" };
        format!("The {kind} server {url} {what}.")
    }
}

impl From<Silence> for Trouble {
    fn from(silence: Silence) -> Self {
        Self::Silent(silence)
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Silent(Silence::Own(error))
    }
}

#[cfg(test)]
pub(super) mod tests;
