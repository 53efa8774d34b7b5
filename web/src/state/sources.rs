use soundport_api::{Source, SourceState};

/// The list to show after the relay answered `fresh`, when `shown` is what stands on the page.
///
/// Cards keep their places: what is known stays in order and newcomers follow. A source that the relay no longer names leaves the page,
/// unless `held` says that somebody listens to it: it stays as lost, so that its sound can come back without a click.
pub fn merge(shown: &[Source], fresh: Vec<Source>, held: impl Fn(&str) -> bool) -> Vec<Source> {
    let mut fresh: Vec<Option<Source>> = fresh.into_iter().map(Some).collect();
    let mut merged = Vec::with_capacity(fresh.len());
    for old in shown {
        let new = fresh.iter_mut().find(|new| new.as_ref().is_some_and(|new| new.id == old.id));
        match new.and_then(Option::take) {
            Some(new) => merged.push(new),
            None if held(&old.id) => merged.push(Source { state: SourceState::Lost, ..old.clone() }),
            None => {}
        }
    }
    merged.extend(fresh.into_iter().flatten());
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(id: &str, state: SourceState) -> Source {
        Source {
            id: id.into(),
            title: id.to_uppercase(),
            state,
            format: None,
            talk: false,
            listeners: 0,
            trouble: None,
        }
    }

    fn ids(sources: &[Source]) -> Vec<&str> {
        sources.iter().map(|source| source.id.as_str()).collect()
    }

    #[test]
    fn cards_keep_their_places_and_newcomers_follow() {
        let shown = [source("b", SourceState::Live), source("c", SourceState::Live)];
        let fresh = vec![
            source("a", SourceState::Live),
            source("c", SourceState::Idle),
            source("b", SourceState::Live),
        ];
        let merged = merge(&shown, fresh, |_| false);
        assert_eq!(ids(&merged), ["b", "c", "a"]);
        assert_eq!(merged[1].state, SourceState::Idle);
    }

    #[test]
    fn a_source_that_is_gone_leaves_unless_somebody_listens() {
        let shown = [source("a", SourceState::Live), source("b", SourceState::Live)];
        let merged = merge(&shown, vec![], |id| id == "b");
        assert_eq!(ids(&merged), ["b"]);
        assert_eq!(merged[0].state, SourceState::Lost);
    }
}
