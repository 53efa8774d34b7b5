//! What comes to the HTTPS port: TLS for HTTP, or media over TCP (RFC 6544), told apart by the first bytes.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::trace;

use super::stall::Stall;
use crate::fanout::FanoutHandle;
use crate::tcp::{Accepted, MAX_FRAME_BYTES};

/// The first bytes are there at once, or it is no browser.
const FIRST_BYTES_WITHIN: Duration = Duration::from_secs(5);

/// What may wait in the kernel beyond what is on its way: half a second of a stream, and enough for a page to come quickly.
const MAX_UNSENT_BYTES: u32 = 16 * 1024;

/// A TLS record of a handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 0x16;

/// A frame's length, and the type of the STUN binding request that is in it (RFC 8489, section 5).
const BEGINNING_BYTES: usize = 4;

/// The smallest STUN message is its header.
const STUN_HEADER_BYTES: usize = 20;

/// What is said to a browser that was told `http://`.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    This port speaks HTTPS: write https:// before the address.\n";

/// Lets TLS through, and hands media to the fan-out.
#[derive(Clone)]
pub(crate) struct Doorman {
    tls: RustlsAcceptor,
    fanout: FanoutHandle,
    refused: Arc<AtomicU64>,
}

impl Doorman {
    pub(crate) fn new(tls: RustlsConfig, fanout: FanoutHandle) -> Self {
        Self { tls: RustlsAcceptor::new(tls), fanout, refused: Arc::default() }
    }

    /// Connections so far that became neither HTTP nor media.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Doorman {
    type Stream = <RustlsAcceptor as Accept<Stall<TcpStream>, S>>::Stream;
    type Service = S;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, S)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Self { tls, fanout, refused } = self.clone();
        Box::pin(async move {
            let accepted = match timeout(FIRST_BYTES_WITHIN, first_byte(&stream)).await {
                Ok(Ok(HANDSHAKE)) => {
                    make_prompt(&stream)?;
                    tls.accept(Stall::new(stream), service).await
                }
                Ok(Ok(_)) => match timeout(FIRST_BYTES_WITHIN, hand_over(stream, &fanout)).await {
                    // What is media is no error, but no HTTP either.
                    Ok(Ok(true)) => return Err(io::ErrorKind::Unsupported.into()),
                    Ok(Ok(false)) => Err(io::ErrorKind::Unsupported.into()),
                    Ok(Err(error)) => Err(error),
                    Err(late) => Err(late.into()),
                },
                Ok(Err(error)) => Err(error),
                Err(late) => Err(late.into()),
            };
            if let Err(error) = &accepted {
                refused.fetch_add(1, Ordering::Relaxed);
                trace!(%error, "Connection to the HTTPS port refused");
            }
            accepted
        })
    }
}

/// Lets plain HTTP through.
#[derive(Clone, Copy)]
pub(super) struct Open;

impl<S: Send + 'static> Accept<TcpStream, S> for Open {
    type Stream = Stall<TcpStream>;
    type Service = S;
    type Future = Ready<io::Result<(Self::Stream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(make_prompt(&stream).map(|()| (Stall::new(stream), service)))
    }
}

/// Events and streams are small and are to come at once, and what waits in the kernel is late.
fn make_prompt(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_notsent_lowat(MAX_UNSENT_BYTES)
}

async fn first_byte(stream: &TcpStream) -> io::Result<u8> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first[0]),
    }
}

/// Hands a connection to the fan-out, if its first frame is a STUN check; false if not.
async fn hand_over(mut stream: TcpStream, fanout: &FanoutHandle) -> io::Result<bool> {
    let mut begun = [0; BEGINNING_BYTES];
    stream.read_exact(&mut begun).await?;
    if begun.iter().all(u8::is_ascii_uppercase) || begun.starts_with(b"GET ") || begun.starts_with(b"PUT ") {
        stream.write_all(SPEAK_TLS).await?;
        stream.shutdown().await?;
        return Ok(false);
    }
    let length = usize::from(u16::from_be_bytes([begun[0], begun[1]]));
    let is_check = begun[2..] == [0, 1] && (STUN_HEADER_BYTES..=MAX_FRAME_BYTES).contains(&length);
    if !is_check {
        return Ok(false);
    }
    fanout.take(Accepted { stream: stream.into_std()?, begun: begun.to_vec() });
    Ok(true)
}
