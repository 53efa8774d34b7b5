//! Who may ask: pages of other origins (CORS), and names by which the plain listener is called.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HOST, IF_MATCH, LINK, LOCATION, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use soundport_api::TALKER_HEADER;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::problem::Refusal;

/// Pages of this machine, as a content policy names them.
const LOCAL_ANCESTORS: [&str; 6] = [
    "http://localhost:*",
    "https://localhost:*",
    "http://*.localhost:*",
    "https://*.localhost:*",
    "http://127.0.0.1:*",
    "https://127.0.0.1:*",
];

/// Origins that the user lets in, besides those of this machine.
#[derive(Debug, Clone)]
pub(super) struct Origins(Vec<String>);

impl Origins {
    pub(super) fn new(origins: &[String]) -> Self {
        Self(origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect())
    }

    /// Cross-origin resource sharing as WHEP asks for it, for the origins let in.
    pub(super) fn cors(&self) -> CorsLayer {
        let origins = self.clone();
        CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(move |origin, _| origins.allow(origin)))
            .allow_methods([
                Method::GET,
                Method::HEAD,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
                Method::OPTIONS,
            ])
            .allow_headers([CONTENT_TYPE, IF_MATCH, AUTHORIZATION])
            .expose_headers([LOCATION, ETAG, LINK, RETRY_AFTER, HeaderName::from_static(TALKER_HEADER)])
            .max_age(Duration::from_secs(3600))
    }

    /// The content policy of the page (CSP, section 6.4.2): who may show it in a frame. As for CORS, but that a policy cannot
    /// name an IPv6 address.
    pub(super) fn policy(&self) -> HeaderValue {
        let named = self.0.iter().map(String::as_str).filter(|origin| !origin.contains([';', ',', ' ']));
        let ancestors: Vec<&str> = LOCAL_ANCESTORS.into_iter().chain(named).collect();
        let policy = format!("frame-ancestors 'self' {}", ancestors.join(" "));
        // A name that no header can carry lets nobody in.
        HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("frame-ancestors 'self'"))
    }

    /// Whether pages of this origin may use the relay.
    pub(super) fn allow(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let host = origin.split_once("://").map_or("", |(_, authority)| without_port(authority));
        is_local(host) || self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    fn know(&self, host: &str) -> bool {
        is_local(host)
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
            || self
                .0
                .iter()
                .filter_map(|origin| origin.split_once("://"))
                .any(|(_, a)| without_port(a) == host)
    }
}

/// Refuses requests that call the plain listener by a stranger's name: a page whose name was made to point to this
/// machine (DNS rebinding) would otherwise be of the same origin as the relay. Such a page can also send `X-Forwarded-Host`
/// from this very machine, so that header proves nothing, of whatever proxy: a name must be among the origins.
pub(super) async fn require_local_host(
    State(origins): State<Arc<Origins>>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().host()).map(|host| without_port(host).to_ascii_lowercase());
    match host {
        Some(host) if !origins.know(&host) => Refusal::UnknownHost(host).into_response(),
        _ => next.run(request).await,
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_the_origins_named_are_let_in() {
        let origins = Origins::new(&["https://desk.example.org/".into()]);
        let allow = |origin| origins.allow(&HeaderValue::from_static(origin));
        assert!(allow("http://localhost:3000") && allow("https://127.0.0.1") && allow("http://[::1]:9"));
        assert!(allow("https://desk.example.org"));
        assert!(
            !allow("https://evil.example.org") && !allow("http://localhost.evil.example") && !allow("null")
        );
    }

    #[test]
    fn the_origins_named_may_show_the_page_in_a_frame() {
        let policy = |origins: &[String]| Origins::new(origins).policy().to_str().unwrap().to_owned();
        assert!(policy(&[]).starts_with("frame-ancestors 'self' http://localhost:* "));
        assert!(
            policy(&["https://desk.example.org:6080".into()]).ends_with(" https://desk.example.org:6080")
        );
        assert!(!policy(&["https://a.example; script-src *".into()]).contains("script"));
    }

    #[test]
    fn a_rebound_name_is_not_known() {
        let origins = Origins::new(&[]);
        assert!(origins.know("localhost") && origins.know("127.0.0.1") && origins.know("[::1]"));
        assert!(!origins.know("evil.example"));
    }
}
