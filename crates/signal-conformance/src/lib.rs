#![cfg_attr(feature = "url", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "url"),
    doc = "The conformance suite for y-webrtc signaling servers, without the backend for addresses."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod backend;
mod client;
mod connect;
mod issuer;
mod json;
mod log;
mod play;
mod playing;
mod progress;
pub mod report;
mod run;
mod scenario;
mod scenarios;
pub mod step;
mod suite;
pub mod template;
mod token;
#[cfg(feature = "url")]
mod url;

/// For implementing [`Backend`] and [`Connection`] without a dependency of your own.
pub use async_trait::async_trait;
pub use backend::{
    Backend, BackendError, ConnectError, ConnectOptions, Connection, Declared, Event, HttpRequest,
    HttpResponse,
};
pub use issuer::Issuer;
pub use log::{Direction, LogEntry};
pub use progress::{EndedEarly, Progress};
pub use report::{Grade, Report};
pub use scenario::{Capability, Level, Scenario};
pub use step::{Grant, Step};
pub use suite::{RunOptions, Suite};
pub use template::Amount;
#[cfg(feature = "url")]
pub use url::{UrlBackend, UrlError};
