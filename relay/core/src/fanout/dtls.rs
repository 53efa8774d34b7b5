//! A DTLS provider for str0m that builds dimpl's configuration once.
//!
//! str0m's own builds it for every session, which probes the whole crypto provider each time: a millisecond of CPU
//! before the first packet, where a clone of the finished one takes next to nothing.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use str0m::config::{CryptoProvider, DtlsCert, DtlsVersion};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion};

use super::connect::MAX_PATIENCE;

/// AWS-LC for everything, with the DTLS configuration shared by all sessions.
pub(super) fn crypto_provider() -> CryptoProvider {
    CryptoProvider { dtls_provider: &SharedConfig, ..str0m_aws_lc_rs::default_provider() }
}

#[derive(Debug)]
struct SharedConfig;

fn config(mtu: Option<usize>) -> Result<Arc<dimpl::Config>, CryptoError> {
    static CONFIG: OnceLock<(Option<usize>, Arc<dimpl::Config>)> = OnceLock::new();
    if let Some((of_mtu, config)) = CONFIG.get()
        && *of_mtu == mtu
    {
        return Ok(config.clone());
    }
    // ICE has proved that the peer receives at its address: DTLS cookies would prove it again, for a round trip.
    // A session that may wait long for its other side is not to end because DTLS waited, too.
    let builder = dimpl::Config::builder().use_server_cookie(false);
    let mut builder = builder.handshake_timeout(MAX_PATIENCE * 2);
    if let Some(mtu) = mtu {
        builder = builder.mtu(mtu);
    }
    let built = builder.build().map_err(|error| CryptoError::Other(error.to_string()))?;
    Ok(CONFIG.get_or_init(|| (mtu, Arc::new(built))).1.clone())
}

impl DtlsProvider for SharedConfig {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        str0m_aws_lc_rs::default_provider().dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let config = config(mtu)?;
        match version {
            DtlsVersion::Dtls12 => Ok(Box::new(Instance(dimpl::Dtls::new_12(config, cert.clone(), now)))),
            other => Err(CryptoError::Other(format!("sessions use DTLS 1.2, not {other}"))),
        }
    }
}

struct Instance(dimpl::Dtls);

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dtls")
    }
}

impl DtlsInstance for Instance {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        self.0.poll_output(buf)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}
