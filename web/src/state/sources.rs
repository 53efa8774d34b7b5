use soundport_api::{Source, SourceState};

/// The list to show after the relay answered `fresh`, when `shown` is what stands on the page.
///
/// Cards keep their places: what is known stays in order and newcomers follow, those with sound first and those that are gone last, so that
/// a page is in order when it is loaded and nothing jumps afterwards. A source that the relay no longer names leaves the page,
/// unless `held` says that somebody listens to it: it stays as lost, so that its sound can come back without a click.
pub fn merge(shown: &[Source], fresh: Vec<Source>, held: impl Fn(&str) -> bool) -> Vec<Source> {
    let mut fresh: Vec<Option<Source>> = fresh.into_iter().map(Some).collect();
    let mut merged = Vec::with_capacity(fresh.len());
    for old in shown {
        let new = fresh.iter_mut().find(|new| new.as_ref().is_some_and(|new| new.id == old.id));
        match new.and_then(Option::take) {
            Some(new) => merged.push(new),
            None if held(&old.id) => {
                merged.push(Source { state: SourceState::Lost, talkback: None, ..old.clone() })
            }
            None => {}
        }
    }
    for rank in 0..3 {
        let of_rank = |new: &mut Option<Source>| new.take_if(|new| self::rank(new.state) == rank);
        merged.extend(fresh.iter_mut().filter_map(of_rank));
    }
    merged
}

fn rank(state: SourceState) -> u8 {
    match state {
        SourceState::Live => 0,
        SourceState::Waiting | SourceState::Idle => 1,
        SourceState::Lost => 2,
    }
}

#[cfg(test)]
pub(in crate::state) mod tests {
    use super::*;

    pub(in crate::state) fn source(id: &str, state: SourceState) -> Source {
        Source {
            id: id.into(),
            title: id.to_uppercase(),
            state,
            format: None,
            talk: false,
            talkback: None,
            room: false,
            listeners: 0,
            trouble: None,
        }
    }

    pub(in crate::state) fn ids(sources: &[Source]) -> Vec<&str> {
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
    fn a_page_begins_with_what_can_be_heard() {
        let fresh = vec![
            source("a", SourceState::Lost),
            source("b", SourceState::Idle),
            source("c", SourceState::Live),
            source("d", SourceState::Waiting),
            source("e", SourceState::Live),
        ];
        assert_eq!(ids(&merge(&[], fresh, |_| false)), ["c", "e", "b", "d", "a"]);
    }

    #[test]
    fn a_source_that_is_gone_leaves_unless_somebody_listens() {
        let shown = [source("a", SourceState::Live), source("b", SourceState::Live)];
        let merged = merge(&shown, vec![], |id| id == "b");
        assert_eq!(ids(&merged), ["b"]);
        assert_eq!(merged[0].state, SourceState::Lost);
    }
}
