#![doc = include_str!("../README.md")]

#[cfg(feature = "tokens")]
mod access;
mod admission;
mod auth_result;
mod authorize;
#[cfg(feature = "axum")]
mod axum;
mod batch;
mod client;
pub mod codes;
mod config;
mod counters;
mod deadlines;
mod drain;
mod frame;
mod gate;
#[cfg(unix)]
mod head;
mod http1;
#[cfg_attr(
    not(unix),
    expect(dead_code, reason = "only a reactor reads what is put in")
)]
mod mailbox;
mod messages;
#[cfg(feature = "metrics")]
pub mod metrics;
mod per_core;
mod queue;
#[cfg(unix)]
mod reactor;
mod refusal;
#[cfg(feature = "tokens")]
mod refused_tokens;
mod registry;
mod relay;
#[cfg(unix)]
mod replayed;
mod scratch;
mod serve;
mod session;
mod shards;
mod shared;
mod shown;
mod socket;
mod stats;
mod subjects;
#[cfg(feature = "tls")]
mod tls;
mod told;
mod upgrade;

#[cfg(feature = "tokens")]
pub use access::AccessAuthorizer;
pub use admission::Admission;
pub use auth_result::AuthResult;
pub use authorize::{Authorization, Authorizer, Permit, Subject, UpgradeRequest};
pub use client::{Announce, Client, ClientConfig, ClientError, Event, Events, Received};
pub use config::{Config, ConfigError};
pub use per_core::Serving;
pub use refusal::{Refusal, RefusalCause};
pub use relay::Relay;
pub use shared::Lifecycle;
pub use shown::LogIps;
pub use signal_access::{ProxyError, TrustedProxies};
pub use signal_core::{CloseReason, Grant, Ignored, Instant, Limits, TopicSet};
pub use stats::{Ending, Histogram, ReceivedType, SentType, Stats, Traffic};
pub use upgrade::Upgrade;

#[cfg(feature = "tls")]
pub use rustls;
pub use tokio_tungstenite::tungstenite;
pub use {bytes, http, signal_access, signal_core};
