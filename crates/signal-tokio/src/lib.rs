#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod admission;
mod client;
mod clock;
#[cfg(feature = "cluster")]
pub mod cluster;
mod config;
mod frame;
mod handshake;
#[cfg(feature = "jwks")]
mod https;
mod hub;
mod lock;
mod relay;
mod serve;
mod shared;
mod stats;

pub use admission::Admission;
#[cfg(feature = "tokens")]
pub use admission::access::AccessAuthorizer;
pub use admission::authorizer::{Authorization, Authorizer, UpgradeRequest};
#[cfg(feature = "jwks")]
pub use admission::jwks::{JwksAuthorizer, JwksFetcher};
#[cfg(feature = "tokens")]
pub use admission::ring_keys::RingKeys;
pub use client::{Announce, Client, ClientConfig, ClientError, Event, Events, Received};
pub use config::{Config, ConfigError, LogIps};
pub use handshake::upgrade::Upgrade;
/// For the command's webhooks and checks; no part of what this crate promises.
#[cfg(feature = "jwks")]
#[doc(hidden)]
pub use https::{HttpsClient, HttpsError, TlsFault};
pub use hub::observer::{Observed, Observer};
#[cfg(feature = "metrics")]
pub use relay::RelayCollector;
pub use relay::{PublishError, Relay, RelayBuilder, TopicPage, TopicQuery};
pub use serve::listen::{Listen, ListenError, Listeners, LocalAddress};
pub use serve::threads::Serving;
pub use signal_access::{
    AuthResult, Judging, Permit, ProxyError, Refusal, RefusalCause, Subject, TrustedProxies,
};
pub use signal_core::{CloseReason, Grant, Ignored, Instant, Limits, TopicSet};
pub use stats::codes;
pub use stats::lifecycle::Lifecycle;
#[cfg(feature = "metrics")]
pub use stats::metrics;
pub use stats::{Ending, Histogram, ReceivedType, SentType, Stats, Traffic};

#[cfg(feature = "tls")]
pub use rustls;
pub use tokio_tungstenite::tungstenite;
pub use {bytes, http, signal_access, signal_core};
