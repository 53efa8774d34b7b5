//! Sources that the configuration names.

use std::time::Instant;

use super::sound::Outlet;
use super::source::{Origin, Source};
use super::{EncodeConfig, Ingest, SourceConfig};
use crate::frame::SourceId;

impl Ingest {
    /// The configuration names these sources from now on, and no others. Those that it named before and names no more are
    /// gone: their ids are returned.
    pub fn configure(&mut self, configs: Vec<SourceConfig>, now: Instant) -> Vec<SourceId> {
        let is_named = |source: &Source| configs.iter().any(|config| config.id == source.id);
        let is_over = |source: &Source| matches!(source.origin, Origin::Configured(_)) && !is_named(source);
        let over: Vec<SourceId> =
            self.sources.iter().filter(|source| is_over(source)).map(|source| source.id.clone()).collect();
        self.sources.retain(|source| !is_over(source));
        for config in configs {
            self.set_configured(config, now);
        }
        self.settle_claims(now);
        self.revision += 1;
        over
    }

    /// Sources that do not say otherwise are encoded so from now on.
    pub fn set_encode(&mut self, encode: EncodeConfig) {
        self.config.encode = encode;
        let mut out = Outlet { frames: &mut self.frames, counters: &mut self.counters };
        for source in &mut self.sources {
            let own = match &source.origin {
                Origin::Configured(config) => config.encode(encode),
                Origin::Pinned(_) | Origin::Announced | Origin::Found(_) => encode,
            };
            source.set_encode(own, &mut out);
        }
    }

    fn set_configured(&mut self, config: SourceConfig, now: Instant) {
        let encode = config.encode(self.config.encode);
        let known = self.sources.iter().position(|source| source.id == config.id);
        let index = known.unwrap_or_else(|| {
            let origin = Origin::Configured(config.clone());
            let (id, title) = (config.id.clone(), config.title.clone());
            self.add(Source::new(id, title, origin, encode, now))
        });
        let mut out = Outlet { frames: &mut self.frames, counters: &mut self.counters };
        self.sources[index].configure(config, encode, now, &mut out);
    }
}
