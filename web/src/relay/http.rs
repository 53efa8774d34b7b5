//! The few requests that a page makes, over the browser's `fetch`.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::js::LastingRequest;
use web_sys::{AbortSignal, Headers, RequestInit, RequestMode, Response};

/// An answer, read to its end.
pub(crate) struct Answer {
    /// The HTTP status code.
    pub(crate) status: u16,
    /// Where the answer came from, after redirects.
    pub(crate) url: String,
    /// The body as text.
    pub(crate) body: String,
    headers: Headers,
}

/// A request that is under way.
pub(crate) struct Pending(js_sys::Promise);

/// No answer came: the network, the name, the certificate or the time.
#[derive(Debug)]
pub(crate) struct NoAnswer;

impl From<JsValue> for NoAnswer {
    fn from(_: JsValue) -> Self {
        Self
    }
}

/// Asks for `url`, and waits for the whole answer.
pub(crate) async fn get(url: &str, timeout_millis: u32) -> Result<Answer, NoAnswer> {
    ask(url, timeout_millis)?.answer().await
}

/// Asks for `url`; the request is on its way when this returns.
pub(crate) fn ask(url: &str, timeout_millis: u32) -> Result<Pending, NoAnswer> {
    let options = RequestInit::new();
    options.set_signal(Some(&AbortSignal::timeout_with_u32(timeout_millis)));
    options.set_cache(web_sys::RequestCache::NoStore);
    start(url, &options)
}

/// Whether anything answers at `url`, also what this page is not allowed to read.
pub(crate) async fn is_there(url: &str, timeout_millis: u32) -> bool {
    let options = RequestInit::new();
    options.set_signal(Some(&AbortSignal::timeout_with_u32(timeout_millis)));
    options.set_mode(RequestMode::NoCors);
    match start(url, &options) {
        Ok(pending) => JsFuture::from(pending.0).await.is_ok(),
        Err(NoAnswer) => false,
    }
}

/// Asks for `url`, and leaves the body to be read while it comes.
pub(crate) async fn open(url: &str, signal: &AbortSignal) -> Result<Response, NoAnswer> {
    let options = RequestInit::new();
    options.set_signal(Some(signal));
    options.set_cache(web_sys::RequestCache::NoStore);
    Ok(JsFuture::from(start(url, &options)?.0).await?.dyn_into()?)
}

/// Sends a body to `url`; the request is on its way when this returns.
pub(crate) fn post(
    url: &str,
    content_type: &str,
    body: &str,
    timeout_millis: u32,
) -> Result<Pending, NoAnswer> {
    let headers = Headers::new()?;
    headers.set("Content-Type", content_type)?;
    let options = RequestInit::new();
    options.set_method("POST");
    options.set_headers_headers(&headers);
    options.set_body_opt_str(Some(body));
    options.set_signal(Some(&AbortSignal::timeout_with_u32(timeout_millis)));
    start(url, &options)
}

/// Asks for `url` to be deleted, even while the page goes away: the request is on its way when this returns.
///
/// Done when an answer has come, or none will: whoever does not answer has nothing left to delete.
pub(crate) fn delete(url: &str) -> impl Future<Output = ()> + use<> {
    let options = RequestInit::new();
    options.set_method("DELETE");
    options.unchecked_ref::<LastingRequest>().set_keepalive(true);
    let pending = start(url, &options);
    async move {
        if let Ok(pending) = pending {
            let _ = JsFuture::from(pending.0).await;
        }
    }
}

impl Pending {
    /// Waits for the whole answer.
    pub(crate) async fn answer(self) -> Result<Answer, NoAnswer> {
        let response: Response = JsFuture::from(self.0).await?.dyn_into()?;
        let body = JsFuture::from(response.text()?).await?.as_string().unwrap_or_default();
        Ok(Answer { status: response.status(), url: response.url(), body, headers: response.headers() })
    }
}

impl Answer {
    /// A header's value, where the answer has it and lets this page see it.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).ok().flatten()
    }
}

fn start(url: &str, options: &RequestInit) -> Result<Pending, NoAnswer> {
    let window = web_sys::window().ok_or(NoAnswer)?;
    Ok(Pending(window.fetch_with_str_and_init(url, options)))
}
