//! Lines to STUN and TURN servers: datagrams, or a stream with or without TLS.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;

use super::stun::{self, HEADER_BYTES, Reply, Request};
use crate::options::{IceUrl, Transport};

/// How long is waited before a datagram is sent again; then twice as long (RFC 8489, section 6.2.1).
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest answer, in bytes.
const MAX_BYTES: usize = 2048;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum Silence {
    #[error("nothing listens there")]
    Closed,
    #[error("it does not speak TLS: {0}")]
    Tls(io::Error),
    #[error("it answers with something that is no STUN")]
    Babble,
    #[error("{0}")]
    Failed(#[from] io::Error),
    #[error("{0:#}")]
    Own(#[from] anyhow::Error),
}

/// A line to one server. Dropped while it waits for an answer, it is of no further use.
pub(super) enum Line {
    Datagrams(UdpSocket),
    Stream(Box<dyn Stream>),
}

/// Something that bytes are read from and written to.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Line {
    /// Opens a line to `server`, at one of its addresses. Waits for as long as the server does.
    pub(super) async fn open(server: &IceUrl, address: SocketAddr) -> Result<Self, Silence> {
        match server.transport() {
            Transport::Udp => Self::datagrams(address).await,
            Transport::Tcp => {
                let stream = TcpStream::connect(address).await.map_err(named)?;
                if !server.scheme.is_secure() {
                    return Ok(Self::Stream(Box::new(stream)));
                }
                let name = ServerName::try_from(server.host.clone())
                    .map_err(|error| Silence::Tls(io::Error::other(error)))?;
                let tls = TlsConnector::from(tls()).connect(name, stream).await.map_err(Silence::Tls)?;
                Ok(Self::Stream(Box::new(tls)))
            }
        }
    }

    /// The same for datagrams.
    pub(super) async fn datagrams(address: SocketAddr) -> Result<Self, Silence> {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(address).await?;
        Ok(Self::Datagrams(socket))
    }

    /// Sends a request until it is answered.
    pub(super) async fn ask(&mut self, request: &Request) -> Result<Reply, Silence> {
        match self {
            Self::Datagrams(socket) => ask_by_datagrams(socket, request).await,
            Self::Stream(stream) => ask_by_stream(stream, request).await,
        }
    }
}

async fn ask_by_datagrams(socket: &UdpSocket, request: &Request) -> Result<Reply, Silence> {
    let mut wait = FIRST_WAIT;
    let mut buffer = [0; MAX_BYTES];
    loop {
        socket.send(&request.bytes).await.map_err(named)?;
        let answer = async {
            loop {
                let length = socket.recv(&mut buffer).await.map_err(named)?;
                if let Some(reply) = request.reply(&buffer[..length]) {
                    return Ok(reply);
                }
            }
        };
        if let Ok(answer) = tokio::time::timeout(wait, answer).await {
            return answer;
        }
        wait *= 2;
    }
}

async fn ask_by_stream(stream: &mut Box<dyn Stream>, request: &Request) -> Result<Reply, Silence> {
    stream.write_all(&request.bytes).await?;
    stream.flush().await?;
    loop {
        let mut message = vec![0; HEADER_BYTES];
        stream.read_exact(&mut message).await.map_err(named)?;
        let header = message.first_chunk().ok_or(Silence::Babble)?;
        let length = stun::length(header).filter(|length| *length <= MAX_BYTES).ok_or(Silence::Babble)?;
        message.resize(length, 0);
        stream.read_exact(&mut message[HEADER_BYTES..]).await.map_err(named)?;
        if let Some(reply) = request.reply(&message) {
            return Ok(reply);
        }
    }
}

fn named(error: io::Error) -> Silence {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Silence::Closed,
        _ => Silence::Failed(error),
    }
}

/// TLS to a server that need not prove who it is: nothing is told to it that it could use, and whether a browser trusts its
/// certificate the relay cannot know.
fn tls() -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|_| unreachable!("the provider has suites for TLS 1.2 and 1.3"))
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
        .with_no_client_auth();
    Arc::new(config)
}

#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
