//! Asks the owners of facts, each once for each question.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use soundport_api::{Checkup, Diagnosis, Source};
use soundport_core::fanout::Audience;
use soundport_core::ingest::RtpPort;
use soundport_core::{SessionId, SourceId};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::{Facts, RelayFacts, checkup, diagnose};
use crate::discovery::SapCounters;
use crate::fanout::{FanoutHandle, Overloaded};
use crate::ice::Ice;
use crate::ingest::{IngestFacts, IngestHandle};
use crate::network::Network;

/// How long a TURN server's name is looked up.
const NAME_WITHIN: Duration = Duration::from_millis(300);

/// Who knows what.
pub(crate) struct Owners<'a> {
    pub(crate) ingest: &'a IngestHandle,
    pub(crate) fanout: &'a FanoutHandle,
    pub(crate) ice: &'a Ice,
    pub(crate) network: &'a Network,
    pub(crate) sap: Option<&'a SapCounters>,
    pub(crate) rtp_port: RtpPort,
}

impl Owners<'_> {
    /// Diagnoses one source.
    ///
    /// # Errors
    /// When one of them does not answer.
    pub(crate) async fn diagnose(
        &self,
        source: Source,
        own: Vec<SessionId>,
    ) -> Result<Diagnosis, Overloaded> {
        let id = SourceId::new(source.id.as_str());
        let ingest = self.ingest.facts(Some(id.clone())).await.ok_or(Overloaded)?;
        let mut audiences = self.fanout.facts(Some(id.clone()), own.clone()).await?;
        let known = ingest.sources.first().filter(|_| !source.room).cloned();
        let audience = audiences.remove(&id).unwrap_or_default();
        let relay = self.relay(ingest).await;
        Ok(diagnose(&Facts { source, ingest: known, audience, own }, &relay))
    }

    /// Diagnoses all sources, and the relay.
    ///
    /// # Errors
    /// When one of them does not answer.
    pub(crate) async fn check_up(
        &self,
        sources: &[Source],
        own: &[SessionId],
    ) -> Result<Checkup, Overloaded> {
        let mut ingest = self.ingest.facts(None).await.ok_or(Overloaded)?;
        let mut audiences: HashMap<SourceId, Audience> = self.fanout.facts(None, own.to_vec()).await?;
        let mut known: HashMap<SourceId, _> =
            ingest.sources.drain(..).map(|facts| (facts.status.id.clone(), facts)).collect();
        let relay = self.relay(ingest).await;
        let diagnoses = sources.iter().map(|source| {
            let id = SourceId::new(source.id.as_str());
            let ingest = known.remove(&id).filter(|_| !source.room);
            let audience = audiences.remove(&id).unwrap_or_default();
            diagnose(&Facts { source: source.clone(), ingest, audience, own: own.to_vec() }, &relay)
        });
        Ok(checkup(&relay, diagnoses.collect()))
    }

    async fn relay(&self, ingest: IngestFacts) -> RelayFacts {
        let hosts = self.ice.turn_hosts();
        let (turn, addresses) =
            tokio::join!(self.ice.known(), join_all(hosts.iter().map(|host| resolve(host))));
        RelayFacts {
            rtp_port: self.rtp_port,
            reach: self.network.reach(),
            turn,
            turn_addresses: addresses.into_iter().flatten().collect(),
            turned_away: ingest.turned_away,
            unrecognised: ingest.unrecognised,
            strange_announcements: self.sap.map_or(0, |sap| sap.get().1),
        }
    }
}

async fn resolve(host: &str) -> Vec<IpAddr> {
    if let Ok(ip) = host.parse() {
        return vec![ip];
    }
    let found = timeout(NAME_WITHIN, lookup_host((host, 0))).await.ok().and_then(Result::ok);
    found.into_iter().flatten().map(|address| address.ip().to_canonical()).collect()
}
