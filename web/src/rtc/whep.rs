//! A session asked for over HTTP, to listen (WHEP, draft-ietf-wish-whep) or to talk (WHIP, RFC 9725).

use soundport_api::TALKER_HEADER;

use crate::relay::http::{self, Answer, NoAnswer, Pending};
use crate::relay::json::Fields;
use crate::state::Refusal;

/// A relay that has not answered by now will not.
const POST_TIMEOUT_MILLIS: u32 = 6_000;

/// Asking whether a session still stands is worth less patience.
const ASK_TIMEOUT_MILLIS: u32 = 2_000;

/// What the relay gave.
pub(super) struct Granted {
    /// The relay's description of the session.
    pub(super) answer: String,
    /// The session's own address.
    pub(super) session_url: String,
    /// The number by which it tells of this talker.
    pub(super) talker: Option<u32>,
}

/// Sends the offer; it is on its way when this returns.
pub(super) fn send_offer(endpoint: &str, offer: &str) -> Result<Pending, Refusal> {
    http::post(endpoint, "application/sdp", offer, POST_TIMEOUT_MILLIS)
        .map_err(|NoAnswer| Refusal::Unreachable)
}

/// Waits for what the relay says to the offer.
pub(super) async fn granted(pending: Pending) -> Result<Granted, Refusal> {
    let answer = pending.answer().await.map_err(|NoAnswer| Refusal::Unreachable)?;
    if answer.status != 201 {
        return Err(refusal(&answer));
    }
    let unusable = || Refusal::Unusable("its answer names no session.".into());
    let location = answer.header("Location").ok_or_else(unusable)?;
    let session_url = session_url(&location, &answer.url).ok_or_else(unusable)?;
    let talker = answer.header(TALKER_HEADER).and_then(|id| id.trim().parse().ok());
    Ok(Granted { answer: answer.body, session_url, talker })
}

/// Whether the relay still knows the session; an error when it does not answer.
pub(super) async fn still_stands(session_url: &str) -> Result<bool, NoAnswer> {
    let answer = http::get(session_url, ASK_TIMEOUT_MILLIS).await?;
    match answer.status {
        // What proxies say of a relay that is down.
        500.. => Err(NoAnswer),
        status => Ok(!matches!(status, 404 | 410)),
    }
}

/// Ends the session, also while the page goes away: the request is on its way when this returns. Done when the relay has answered.
pub(super) fn end(session_url: &str) -> impl Future<Output = ()> + use<> {
    http::delete(session_url)
}

/// The address that an answer from `endpoint` names by its `Location`.
///
/// Of a path only the last part counts: a proxy in between may have taken away what the path began with.
fn session_url(location: &str, endpoint: &str) -> Option<String> {
    if location.starts_with("http:") || location.starts_with("https:") {
        return Some(location.to_owned());
    }
    let name = without_query(location).rsplit('/').next().filter(|name| !name.is_empty())?;
    Some(format!("{}/{name}", without_query(endpoint)))
}

fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

fn refusal(answer: &Answer) -> Refusal {
    let retry_after_secs = answer.header("Retry-After").and_then(|secs| secs.trim().parse().ok());
    let problem = Fields::from_text(&answer.body).and_then(|problem| problem.text("detail"));
    match (problem, answer.status) {
        (Some(detail), code) => Refusal::Status { code, retry_after_secs, detail },
        // The relay explains itself: this is a proxy, and the relay is down.
        (None, 500..) => Refusal::Unreachable,
        (None, code) => Refusal::Status { code, retry_after_secs, detail: format!("it answered {code}.") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lies_below_its_endpoint_whatever_a_proxy_took_away() {
        let found = |location| session_url(location, "https://host/sound/whip/kiosk?with=a1");
        let wanted = Some("https://host/sound/whip/kiosk/b2".to_owned());
        for location in ["/whip/kiosk/b2", "/sound/whip/kiosk/b2", "b2", "/whip/kiosk/b2?v=1"] {
            assert_eq!(found(location), wanted, "{location}");
        }
        assert_eq!(found("https://other:8443/s/b2?x"), Some("https://other:8443/s/b2?x".to_owned()));
        assert_eq!((found(""), found("/whip/kiosk/")), (None, None));
    }
}
