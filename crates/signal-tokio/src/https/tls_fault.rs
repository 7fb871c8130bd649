//! Why TLS with a server did not come about, in words for the one who set it up.

use std::io;

use rustls::{CertificateError as Cert, Error, OtherError};
use thiserror::Error;

/// What is wrong, as the command says it wherever it is a client of TLS.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The certificate is over.
    #[error("the certificate has expired")]
    Expired,
    /// The certificate begins later.
    #[error("the certificate is not valid yet")]
    NotYet,
    /// The certificate names other hosts.
    #[error("the certificate is not for this name")]
    OtherName,
    /// Nothing leads from the certificate to an authority that is trusted.
    #[error("the certificate comes from an authority this machine does not know")]
    UnknownAuthority,
    /// The certificate is for clients, mail or code.
    #[error("the certificate is not one for servers: its extended key usage names other purposes")]
    OtherPurpose,
    /// The certificate is one that signs others.
    #[error(
        "the certificate is one of an authority (CA:TRUE), which is not to be a server's: Firefox and others refuse it"
    )]
    Authority,
    /// The certificate has no extensions.
    #[error("the certificate is of X.509 version 1, which browsers refuse")]
    Version1,
    /// What answers is not TLS.
    #[error("the server does not speak TLS on this port")]
    NotTls,
    /// The server does not go on.
    #[error("the server refused the TLS handshake: {0}")]
    Refused(String),
    /// Something else of TLS.
    #[error("no TLS connection: {0}")]
    Other(String),
    /// The connection failed.
    #[error("the connection ended in the TLS handshake: {0}")]
    Ended(String),
}

impl TlsFault {
    /// The fault behind the error with which a handshake ended.
    pub fn of(error: &io::Error) -> Self {
        let cause = error.get_ref();
        let Some(cause) = cause.and_then(|cause| cause.downcast_ref::<Error>()) else {
            return Self::Ended(error.to_string());
        };
        Self::of_tls(cause).unwrap_or_else(|| Self::Other(cause.to_string()))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not among these has its own words"
    )]
    fn of_tls(error: &Error) -> Option<Self> {
        match error {
            Error::InvalidCertificate(certificate) => Self::of_certificate(certificate),
            Error::InvalidMessage(_) => Some(Self::NotTls),
            Error::AlertReceived(alert) => Some(Self::Refused(format!("{alert:?}"))),
            _ => None,
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not among these has its own words"
    )]
    fn of_certificate(error: &Cert) -> Option<Self> {
        Some(match error {
            Cert::Expired | Cert::ExpiredContext { .. } => Self::Expired,
            Cert::NotValidYet | Cert::NotValidYetContext { .. } => Self::NotYet,
            Cert::NotValidForName | Cert::NotValidForNameContext { .. } => Self::OtherName,
            // A bad signature is that of an authority with the name of a known one.
            Cert::UnknownIssuer | Cert::BadSignature => Self::UnknownAuthority,
            Cert::InvalidPurpose | Cert::InvalidPurposeContext { .. } => Self::OtherPurpose,
            Cert::Other(other) if is(other, "CaUsedAsEndEntity") => Self::Authority,
            Cert::Other(other) if is(other, "UnsupportedCertVersion") => Self::Version1,
            _ => return None,
        })
    }
}

/// Whether a verifier's own error is this one.
fn is(error: &OtherError, name: &str) -> bool {
    format!("{error:?}").contains(name)
}
