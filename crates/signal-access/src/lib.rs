#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
// What is judged here comes from strangers; under `panic = "abort"`, as on Workers, one panic would
// reset every room.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unreachable
)]

extern crate alloc;

#[cfg(feature = "tokens")]
mod access;
mod address;
#[cfg(feature = "tokens")]
mod algorithm;
#[cfg(feature = "tokens")]
mod carrier;
#[cfg(feature = "tokens")]
mod claim_error;
#[cfg(feature = "tokens")]
mod claims;
#[cfg(feature = "tokens")]
mod default_topics;
mod door;
#[cfg(feature = "tokens")]
mod error;
#[cfg(feature = "tokens")]
mod jwks_url;
#[cfg(feature = "tokens")]
mod key;
#[cfg(feature = "tokens")]
mod key_schedule;
#[cfg(feature = "tokens")]
mod new_key;
#[cfg(feature = "tokens")]
mod object;
mod origins;
mod percent;
mod protocol;
mod proxies;
#[cfg(feature = "tokens")]
mod public_key;
mod redact;
#[cfg(feature = "tokens")]
mod scheme;
#[cfg(feature = "tokens")]
mod signer;
#[cfg(feature = "tokens")]
mod time;
#[cfg(feature = "tokens")]
mod token;
#[cfg(feature = "tokens")]
mod topics;
#[cfg(feature = "tokens")]
mod turn;
#[cfg(feature = "tokens")]
mod turn_urls;
#[cfg(feature = "tokens")]
mod upgrade_parts;
#[cfg(feature = "tokens")]
mod verifier;

#[cfg(feature = "tokens")]
pub use access::{Access, Admitted, Denied};
pub use address::AddressKey;
#[cfg(feature = "tokens")]
pub use algorithm::Algorithm;
#[cfg(feature = "tokens")]
pub use carrier::{Carrier, Carriers, CarriersError};
#[cfg(feature = "tokens")]
pub use claim_error::ClaimError;
#[cfg(feature = "tokens")]
pub use claims::{Claims, SUBJECT_BYTES_MAX};
#[cfg(feature = "tokens")]
pub use default_topics::{DefaultTopics, DefaultTopicsError};
pub use door::addresses::{AddressLimits, Addresses, Visit};
pub use door::auth_result::AuthResult;
pub use door::judging::Judging;
pub use door::permit::Permit;
pub use door::refusal::{Refusal, Refused};
pub use door::refusal_cause::RefusalCause;
pub use door::subject::{Subject, Subjects};
#[cfg(feature = "tokens")]
pub use error::{MalformedCause, TokenError};
#[cfg(feature = "tokens")]
pub use jwks_url::{JwksUrl, JwksUrlError};
#[cfg(feature = "tokens")]
pub use key::{KEY_TEXT_BYTES_MAX, KeyError, KeyName, KeyNotice, KeyProblem, SECRET_BYTES_MIN};
#[cfg(feature = "tokens")]
pub use key_schedule::KeySchedule;
#[cfg(feature = "tokens")]
pub use new_key::NewKey;
pub use origins::{OriginError, Origins};
pub use protocol::{PROTOCOL_MARKER, choose_protocol};
pub use proxies::{ProxyError, TrustedProxies, forwarded_for};
#[cfg(feature = "tokens")]
pub use public_key::{PublicKey, PublicKeys};
pub use redact::redact;
#[cfg(feature = "tokens")]
pub use signer::{SignError, TokenSigner};
#[cfg(feature = "tokens")]
pub use time::UnixTime;
#[cfg(feature = "tokens")]
pub use token::TOKEN_BYTES_MAX;
#[cfg(feature = "tokens")]
pub use topics::{PATTERNS_MAX, read_topics, write_topics};
#[cfg(feature = "tokens")]
pub use turn::{TURN_SECRET_BYTES_MIN, TurnCredentials, TurnSecretError, TurnServers};
#[cfg(feature = "tokens")]
pub use turn_urls::{TURN_URLS_MAX, TurnUrls, TurnUrlsError};
#[cfg(feature = "tokens")]
pub use upgrade_parts::UpgradeParts;
#[cfg(feature = "tokens")]
pub use verifier::{KEYS_MAX, KEYS_TRIED_MAX, LEEWAY, TokenVerifier};
