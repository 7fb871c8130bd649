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

#[cfg(feature = "claims")]
mod access;
mod address;
#[cfg(feature = "tokens")]
mod algorithm;
#[cfg(feature = "claims")]
mod carrier;
#[cfg(feature = "claims")]
mod claim_error;
#[cfg(feature = "claims")]
mod claims;
#[cfg(feature = "claims")]
mod clients_max;
#[cfg(feature = "claims")]
mod default_topics;
mod door;
#[cfg(feature = "claims")]
mod error;
#[cfg(feature = "claims")]
mod host_key;
#[cfg(feature = "claims")]
mod jwks_url;
#[cfg(feature = "claims")]
mod key;
#[cfg(feature = "claims")]
mod key_numbers;
#[cfg(feature = "claims")]
mod key_problem;
#[cfg(feature = "claims")]
mod key_schedule;
#[cfg(feature = "tokens")]
mod new_key;
#[cfg(feature = "claims")]
mod object;
mod origins;
mod percent;
mod protocol;
mod proxies;
#[cfg(feature = "tokens")]
mod public_key;
mod redact;
#[cfg(feature = "claims")]
mod scheme;
#[cfg(feature = "claims")]
mod sent_token;
#[cfg(feature = "claims")]
mod signature_check;
#[cfg(feature = "tokens")]
mod signer;
#[cfg(feature = "claims")]
mod time;
#[cfg(feature = "claims")]
mod token;
#[cfg(feature = "claims")]
mod topics;
#[cfg(feature = "tokens")]
mod turn;
#[cfg(feature = "tokens")]
mod turn_urls;
mod unseen;
#[cfg(feature = "claims")]
mod upgrade_parts;
#[cfg(feature = "claims")]
mod verifier;

#[cfg(feature = "claims")]
pub use access::{Access, Admitted, Denied};
pub use address::AddressKey;
#[cfg(feature = "tokens")]
pub use algorithm::Algorithm;
#[cfg(feature = "claims")]
pub use carrier::{Carrier, Carriers, CarriersError, TOKEN_BYTES_MAX};
#[cfg(feature = "claims")]
pub use claim_error::ClaimError;
#[cfg(feature = "claims")]
pub use claims::{Claims, SUBJECT_BYTES_MAX};
#[cfg(feature = "claims")]
pub use clients_max::read_clients_max;
#[cfg(feature = "claims")]
pub use default_topics::{DefaultTopics, DefaultTopicsError};
pub use door::addresses::{Addresses, Visit};
pub use door::auth_result::AuthResult;
pub use door::judging::Judging;
pub use door::limits::AddressLimits;
pub use door::permit::Permit;
pub use door::refusal::{Refusal, Refused};
pub use door::refusal_cause::RefusalCause;
pub use door::subject::{Subject, Subjects};
pub use door::{Door, Place};
#[cfg(feature = "claims")]
pub use error::{AudienceCause, MalformedCause, TokenError};
#[cfg(feature = "claims")]
pub use jwks_url::{JwksUrl, JwksUrlError};
#[cfg(feature = "claims")]
pub use key::{KEY_TEXT_BYTES_MAX, KEYS_MAX, KEYS_TRIED_MAX, KeyError, KeyName, KeyNotice};
#[cfg(feature = "claims")]
pub use key_numbers::SECRET_BYTES_MIN;
#[cfg(feature = "claims")]
pub use key_problem::KeyProblem;
#[cfg(feature = "claims")]
pub use key_schedule::{KeySchedule, KeyWait, KeyWaiter};
#[cfg(feature = "tokens")]
pub use new_key::NewKey;
pub use origins::{OriginError, Origins};
#[cfg(feature = "claims")]
pub use percent::decode as percent_decode;
pub use protocol::{PROTOCOL_MARKER, choose_protocol};
pub use proxies::{ProxyError, TrustedProxies, forwarded_for};
#[cfg(feature = "tokens")]
pub use public_key::{PublicKey, PublicKeys};
pub use redact::redact;
#[cfg(feature = "claims")]
pub use signature_check::SignatureCheck;
#[cfg(feature = "tokens")]
pub use signer::{SignError, TokenSigner};
#[cfg(feature = "claims")]
pub use time::UnixTime;
#[cfg(feature = "claims")]
pub use topics::{PATTERNS_MAX, read_topics, write_topics};
#[cfg(feature = "tokens")]
pub use turn::{TURN_SECRET_BYTES_MIN, TurnCredentials, TurnSecretError, TurnServers};
#[cfg(feature = "tokens")]
pub use turn_urls::{TURN_URLS_MAX, TurnUrls, TurnUrlsError};
pub use unseen::trim_unseen;
#[cfg(feature = "claims")]
pub use upgrade_parts::UpgradeParts;
#[cfg(feature = "claims")]
pub use verifier::{LEEWAY, TokenVerifier};
