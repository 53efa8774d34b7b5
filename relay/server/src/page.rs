//! The embedded page: files from `dist/`, served compressed as the browser likes.

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::http::problem::Refusal;

struct File {
    path: &'static str,
    raw: &'static [u8],
    brotli: &'static [u8],
    gzip: &'static [u8],
    tag: &'static str,
}

mod files {
    use super::File;
    include!(concat!(env!("OUT_DIR"), "/files.rs"));
}

/// Answers `GET` for any file of the page, and refuses all but that; `policy` goes with what is shown in a window or a frame.
pub(crate) fn serve(method: &Method, uri: &Uri, headers: &HeaderMap, policy: HeaderValue) -> Response {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return ([(ALLOW, "GET,HEAD")], Refusal::MethodNotAllowed).into_response();
    }
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    match files::FILES.binary_search_by(|file| file.path.cmp(path)) {
        Ok(index) => {
            let file = &files::FILES[index];
            let mut response = answer(file, headers);
            if file.path.ends_with(".html") {
                response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            }
            response
        }
        Err(_) => Refusal::NoSuchPage.into_response(),
    }
}

fn answer(file: &File, headers: &HeaderMap) -> Response {
    let common = [
        (CONTENT_TYPE, content_type(file.path)),
        (CACHE_CONTROL, cache_control(file.path)),
        (ETAG, file.tag),
        (VARY, "accept-encoding"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    if headers.get(IF_NONE_MATCH).is_some_and(|tag| tag == file.tag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accepts =
        |coding| accepted.split(',').any(|item| item.split(';').next().map(str::trim) == Some(coding));
    let (coding, body) = if accepts("br") {
        (Some("br"), file.brotli)
    } else if accepts("gzip") {
        (Some("gzip"), file.gzip)
    } else {
        (None, file.raw)
    };
    let coding = coding.map(|coding| [(CONTENT_ENCODING, coding)]);
    match coding {
        Some(coding) => (common, coding, Body::from(body)).into_response(),
        None => (common, Body::from(body)).into_response(),
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

/// Trunk writes a hash into the names of what it builds: those files never change.
fn cache_control(path: &str) -> &'static str {
    let stem = path.split('.').next().unwrap_or_default().trim_end_matches("_bg");
    let hashed = stem
        .rsplit('-')
        .next()
        .is_some_and(|hash| hash.len() >= 12 && hash.bytes().all(|b| b.is_ascii_hexdigit()));
    if hashed { "public, max-age=31536000, immutable" } else { "no-cache" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashed_names_are_kept_for_good() {
        assert!(cache_control("soundport-web-0123456789abcdef_bg.wasm").contains("immutable"));
        assert!(cache_control("soundport-web-0123456789abcdef.js").contains("immutable"));
        assert_eq!(cache_control("index.html"), "no-cache");
        assert_eq!(cache_control("embed.js"), "no-cache");
    }
}
