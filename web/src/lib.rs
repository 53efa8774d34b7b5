//! Soundport's page: the sources there are, and their sound.
//!
//! [`rtc`] is the only module that touches the browser's media; [`state`] and [`words`] are pure; [`desk`] joins the two;
//! [`components`] only draw. What the relay says is in `soundport-api`.

pub mod components;
pub mod desk;
#[cfg(any(target_arch = "wasm32", test))]
mod heap;
pub mod hooks;
mod js;
pub mod relay;
pub mod rtc;
pub mod state;
pub mod store;
pub mod words;

pub use components::App;
