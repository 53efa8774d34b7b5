//! Asks the relay that runs here, by its plain HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use soundport_api::Checkup;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A relay that lives takes a connection at once.
const CONNECTED_WITHIN: Duration = Duration::from_secs(2);

/// It gives up on what takes longer itself.
const ANSWERED_WITHIN: Duration = Duration::from_secs(11);

/// 512 sources with 64 sessions each, with many words on each.
const MOST_BYTES: usize = 64 << 20;

/// What was learnt from whoever is at the relay's plain HTTP.
pub(super) enum Answer {
    /// A relay's findings.
    Checkup(Box<Checkup>),
    /// Nobody is there.
    Nobody,
    /// Somebody is there who does not answer as a relay of this version does; what is wrong, in words for people.
    Strange(String),
}

/// Asks at the first of the addresses that takes a connection.
pub(super) async fn check_up(addresses: &[SocketAddr]) -> Answer {
    for address in addresses.iter().filter(|address| address.port() != 0) {
        let Ok(Ok(stream)) = timeout(CONNECTED_WITHIN, TcpStream::connect(address)).await else { continue };
        let asked = timeout(ANSWERED_WITHIN, ask(stream, *address)).await;
        return match asked.context("it takes too long").and_then(|answer| answer) {
            Ok(checkup) => Answer::Checkup(Box::new(checkup)),
            Err(error) => Answer::Strange(format!("{error:#}")),
        };
    }
    Answer::Nobody
}

async fn ask(stream: TcpStream, address: SocketAddr) -> anyhow::Result<Checkup> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.context("it speaks no HTTP")?;
    tokio::spawn(connection);
    let request = Request::get("/api/doctor").header(HOST, address.to_string()).body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await.context("it speaks no HTTP")?;
    let status = answer.status();
    if status != StatusCode::OK {
        bail!("it answers {status}, as a relay of another version would");
    }
    let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("its answer ends early: {error}"))?.to_bytes();
    serde_json::from_slice(&body).context("it answers as a relay of another version would")
}
