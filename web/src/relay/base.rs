use std::rc::Rc;

use wasm_bindgen::JsCast;
use web_sys::{HtmlMetaElement, Url, UrlSearchParams};

/// The relay's address: paths of its interface are joined to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    url: Rc<str>,
    own: bool,
}

impl Base {
    /// The relay that the page's address (`?relay=`), else its head (`<meta name="soundport-relay">`), names; else the server it came from.
    pub fn of_page() -> Self {
        match named_in_address().or_else(named_in_head) {
            Some(named) => Self { url: with_slash(&named).into(), own: false },
            None => Self { url: page_address().into(), own: true },
        }
    }

    /// A path of the relay's interface, such as `api/sources`, as a whole URL; none when the relay's address is no URL.
    pub fn join(&self, path: &str) -> Option<String> {
        Url::new_with_base(path, &self.url).ok().map(|url| url.href())
    }

    /// The relay's address, to which paths can be joined.
    pub fn url(&self) -> Rc<str> {
        Rc::clone(&self.url)
    }

    /// The relay's address, when it is not the server that the page came from.
    pub fn elsewhere(&self) -> Option<&str> {
        (!self.own).then_some(&self.url)
    }

    /// Whether the relay is asked without TLS, and so over HTTP/1.1.
    pub fn is_plain(&self) -> bool {
        self.url.starts_with("http:")
    }

    /// The host's name as the page knows it.
    pub fn host(&self) -> String {
        Url::new(&self.url).map(|url| url.hostname()).unwrap_or_default()
    }
}

fn page_address() -> String {
    let document = web_sys::window().and_then(|window| window.document());
    document.and_then(|document| document.base_uri().ok().flatten()).unwrap_or_default()
}

fn named_in_address() -> Option<String> {
    let search = web_sys::window()?.location().search().ok()?;
    UrlSearchParams::new_with_str(&search).ok()?.get("relay").filter(|named| !named.is_empty())
}

fn named_in_head() -> Option<String> {
    let document = web_sys::window()?.document()?;
    let meta = document.query_selector("meta[name='soundport-relay']").ok()??;
    Some(meta.dyn_into::<HtmlMetaElement>().ok()?.content()).filter(|named| !named.is_empty())
}

/// A base without a slash at its end would lose its last part when joined.
fn with_slash(named: &str) -> String {
    if named.ends_with('/') { named.to_owned() } else { format!("{named}/") }
}
