//! What rustls says of a server's certificate by the names of its types only, as a sentence.

use rustls::{CertificateError as Cert, Error};

/// The sentence, where rustls has none of its own.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not among these has its own words"
)]
pub(crate) fn of(error: &Error) -> Option<&'static str> {
    let Error::InvalidCertificate(certificate) = error else {
        return None;
    };
    Some(match certificate {
        Cert::Expired | Cert::ExpiredContext { .. } => "its certificate has expired",
        Cert::NotValidYet | Cert::NotValidYetContext { .. } => "its certificate is not valid yet",
        Cert::NotValidForName | Cert::NotValidForNameContext { .. } => {
            "its certificate is not for this name"
        }
        // A bad signature is that of an authority with the name of a known one.
        Cert::UnknownIssuer | Cert::BadSignature => {
            "its certificate comes from an authority this machine does not know"
        }
        Cert::InvalidPurpose | Cert::InvalidPurposeContext { .. } => {
            "its certificate is not one for servers: its extended key usage names other purposes"
        }
        Cert::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is one of an authority (CA:TRUE), which is not to be a server's"
        }
        Cert::Other(other) if format!("{other:?}").contains("UnsupportedCertVersion") => {
            "its certificate is of X.509 version 1"
        }
        _ => return None,
    })
}
