//! SIGHUP: the configuration is read again. What can change while listeners listen changes at once; a broken file
//! changes nothing, and is told of.

use std::sync::Arc;

use anyhow::Context;
use soundport_api as api;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::config::mistake::Mistakes;
use crate::configured::Wanted;
use crate::options::{Announce, IceOptions, IceUrl, Options};

/// What may change while the relay runs.
pub(crate) struct Changing {
    pub(crate) wanted: watch::Sender<Arc<Wanted>>,
    pub(crate) announce: watch::Sender<Arc<[Announce]>>,
    pub(crate) ice: watch::Sender<Arc<IceOptions>>,
    pub(crate) stun: watch::Sender<Option<IceUrl>>,
    pub(crate) relay: watch::Sender<api::Relay>,
}

/// Obeys SIGHUP for ever. `running` is what the relay was started with; `read` gathers the options anew.
pub(crate) async fn on_hangup(
    running: Options,
    read: impl Fn() -> Result<Options, Mistakes>,
    changing: Changing,
) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("Failed to wait for SIGHUP")?;
    while hangup.recv().await.is_some() {
        match read() {
            Ok(fresh) => {
                changing.apply(&running, &fresh);
            }
            Err(mistakes) => {
                let mistakes: Vec<String> = mistakes.to_string().lines().map(str::to_owned).collect();
                mistakes.iter().for_each(|mistake| error!("The configuration stays as it was: {mistake}"));
                let trouble = format!("The relay’s configuration stays as it was: {}.", mistakes.join("; "));
                changing.relay.send_modify(|relay| relay.trouble = Some(trouble));
            }
        }
    }
    Ok(())
}

impl Changing {
    fn apply(&self, running: &Options, fresh: &Options) {
        info!("The configuration was read again");
        self.wanted.send_replace(Arc::new(fresh.wanted()));
        self.announce.send_replace(fresh.announce.clone().into());
        self.ice.send_replace(Arc::new(fresh.ice.clone()));
        self.stun.send_replace(fresh.stun.clone());
        let trouble = fresh.needs_restart(running).map(|keys| {
            warn!("Restart the relay for what changed of {keys}");
            format!("The relay must be restarted for what changed in its configuration of {keys}.")
        });
        self.relay.send_modify(|relay| relay.trouble = trouble);
    }
}
