//! The relay's door: whom it lets in, with what rights. Its tokens are signed with Ed25519, which
//! signs the same text always in the same way, so that a signature is verified by signing again.

use std::sync::LazyLock;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use signal_access::{Algorithm, NewKey, TokenSigner};
use signal_conformance::{ConnectOptions, Grant, HttpResponse, Issuer};

use crate::claims::Claims;
use crate::fault::{Fault, Faults};
use crate::message::{Members, text};

pub(crate) const AUDIENCE: &str = "relay.example";
pub(crate) const ORIGIN: &str = "https://app.example";
const MARKER: &str = "signal-token";
const TOKEN_BYTES_MAX: usize = 12 * 1024;

fn key() -> NewKey {
    NewKey::from_seed(Algorithm::EdDsa, Some("test"), [7; 32])
}

/// Signs for this door.
pub(crate) fn issuer() -> Issuer {
    static ISSUER: LazyLock<Issuer> =
        LazyLock::new(|| Issuer::new(&key().private_jwk()).expect("a key"));
    ISSUER.clone().with_audience(AUDIENCE)
}

static SIGNER: LazyLock<TokenSigner> =
    LazyLock::new(|| TokenSigner::new(&key().private_jwk()).expect("a key"));

/// Somebody who may come in.
pub(crate) struct Visitor {
    pub(crate) grant: Option<Grant>,
    pub(crate) protocol: Option<String>,
    /// Whose connections are counted, and how many there may be.
    pub(crate) subject: Option<(String, usize)>,
}

impl Visitor {
    /// Somebody of whom nothing is counted.
    fn new(grant: Option<Grant>, protocol: Option<String>) -> Self {
        Self {
            grant,
            protocol,
            subject: None,
        }
    }
}

/// Judges an upgrade; `now` is in milliseconds since 1970.
pub(crate) fn judge(
    options: &ConnectOptions,
    now: u64,
    faults: Faults,
) -> Result<Visitor, HttpResponse> {
    if !allows_origin(options.origin.as_deref(), faults) {
        return Err(HttpResponse::new(403, b"not from this page".to_vec()));
    }
    let first = options.protocols.first().cloned();
    if !options.bare {
        return Ok(Visitor::new(options.grant.clone(), first));
    }
    let headers = options.headers.iter();
    let authorizations = headers.filter(|(name, _)| name == "Authorization");
    if authorizations.count() > 1 && !faults.has(Fault::SecondAuthorizationIgnored) {
        return Err(refusal(None, faults));
    }
    let (authorized, queried, offered) = carried(options, faults);
    let mut protocol = first;
    if !offered.is_empty() {
        protocol = Some(MARKER.to_owned());
    }
    if faults.has(Fault::TokenEchoed) {
        protocol = offered.first().cloned().or(protocol);
    }
    let tokens = [authorized, queried, offered].concat();
    let open = |protocol| Ok(Visitor::new(None, protocol));
    let token = match tokens.as_slice() {
        [] if faults.has(Fault::NoTokenLetIn) => return open(protocol),
        [token] if token.is_empty() && faults.has(Fault::EmptyTokenLetIn) => return open(protocol),
        [] => return Err(refusal(None, faults)),
        [token] => token,
        [first, ..] if faults.has(Fault::FirstOfTwoTokensTaken) => first,
        [_, ..] => return Err(refusal(None, faults)),
    };
    let (grant, subject) =
        verify(token, now, faults).ok_or_else(|| refusal(Some(token), faults))?;
    Ok(Visitor {
        subject,
        ..Visitor::new(Some(grant), protocol)
    })
}

fn allows_origin(origin: Option<&str>, faults: Faults) -> bool {
    match origin {
        None => !faults.has(Fault::OriginNeeded),
        Some(_) if faults.has(Fault::OriginsAllRefused) => false,
        Some(_) if faults.has(Fault::OriginIgnored) => true,
        Some(origin) if faults.has(Fault::OriginContained) => origin.contains(ORIGIN),
        Some(origin) => origin.strip_suffix('/').unwrap_or(origin) == ORIGIN,
    }
}

fn refusal(token: Option<&str>, faults: Faults) -> HttpResponse {
    let token = token.filter(|_| faults.has(Fault::RefusalTellsToken));
    let body = format!("no right token {}", token.unwrap_or_default());
    let answer = HttpResponse::new(401, body.into_bytes());
    if faults.has(Fault::ChallengeMissing) {
        return answer;
    }
    answer.header("WWW-Authenticate", "Bearer")
}

/// The tokens in each of the three carriers.
fn carried(options: &ConnectOptions, faults: Faults) -> (Vec<String>, Vec<String>, Vec<String>) {
    let mut authorized = Vec::new();
    for (name, value) in &options.headers {
        let cookie = faults.has(Fault::TokenTakenFromCookies) && name == "Cookie";
        authorized.extend(value.strip_prefix("token=").filter(|_| cookie));
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        let is_bearer = scheme == "Bearer"
            || scheme.eq_ignore_ascii_case("bearer") && !faults.has(Fault::BearerCaseMatters);
        authorized.extend((name == "Authorization" && is_bearer).then_some(token));
    }
    let mut queried = Vec::new();
    let query = options.query.as_deref().unwrap_or_default();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let alone = pair == query || !faults.has(Fault::TokenOnlyAlone);
        if decode(name).as_deref() == Some("token") && alone {
            queried.push(decode(value).unwrap_or_else(|| "broken".to_owned()));
        }
    }
    let offers = options.protocols.iter().enumerate();
    let markers = offers.filter(|(_, name)| *name == MARKER);
    let behind = markers.map(|(at, _)| options.protocols.get(at + 1).cloned());
    let offered = behind.map(Option::unwrap_or_default).collect();
    let authorized = authorized.into_iter().map(str::to_owned).collect();
    (authorized, queried, offered)
}

/// Undoes percent-encoding; none if it is broken.
fn decode(encoded: &str) -> Option<String> {
    let mut parts = encoded.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(part[2..].bytes());
    }
    String::from_utf8(bytes).ok()
}

/// The rights that a token gives, and whose it is; none if it is not right.
fn verify(token: &str, now: u64, faults: Faults) -> Option<(Grant, Option<(String, usize)>)> {
    let unpadded = token.replace('=', "");
    let token = match token {
        _ if faults.has(Fault::TokenTrimmed) => token.trim(),
        _ if faults.has(Fault::PaddingTrimmed) => &unpadded,
        _ => token,
    };
    let max = if faults.has(Fault::LongTokenRefused) {
        TOKEN_BYTES_MAX / 2
    } else {
        TOKEN_BYTES_MAX
    };
    if token.len() > max && !faults.has(Fault::LongTokenTaken) {
        return None;
    }
    let mut parts = token.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let part = |text: &str| Base64UrlUnpadded::decode_vec(text).ok();
    part(signature)?;
    let (header, signed) = (part(header)?, format!("{header}.{claims}"));
    if !has_signed(&object(&header, faults)?, &signed, signature, faults) {
        return None;
    }
    let claims = part(claims)?;
    let claims = object(&claims, faults)?;
    let claims = Claims(&claims, faults);
    Some((claims.grant(now)?, claims.subject()?))
}

/// Whether the header names our algorithm and the signature is ours.
fn has_signed(header: &Members, signed: &str, signature: &str, faults: Faults) -> bool {
    let algorithm = header.value("alg", faults).and_then(text);
    let algorithm = algorithm.unwrap_or_default();
    if algorithm.eq_ignore_ascii_case("none") && faults.has(Fault::AlgorithmNoneTaken) {
        return true;
    }
    if header.value("crit", faults).is_some() && !faults.has(Fault::CriticalIgnored) {
        return false;
    }
    if algorithm == "HS256" && faults.has(Fault::PublicKeyTakenAsSecret) {
        return public_key_as_secret().signature(signed) == signature;
    }
    if algorithm != "EdDSA" && !faults.has(Fault::AlgorithmIgnored) {
        return false;
    }
    if signature.is_empty() {
        return faults.has(Fault::EmptySignatureTaken);
    }
    let right = SIGNER.signature(signed);
    if faults.has(Fault::SignatureLengthChecked) {
        return signature.len() == right.len();
    }
    signature == right || faults.has(Fault::SignatureIgnored)
}

fn public_key_as_secret() -> TokenSigner {
    let public = key().public_jwk().expect("EdDSA has one");
    let public: serde_json::Value = serde_json::from_str(&public).expect("JSON");
    let bytes = public["x"].as_str().map(Base64UrlUnpadded::decode_vec);
    let bytes = bytes.expect("a member").expect("base64url");
    let seed = bytes.try_into().expect("32 bytes");
    let secret = NewKey::from_seed(Algorithm::Hs256, None, seed);
    TokenSigner::new(&secret.private_jwk()).expect("a key")
}

/// Reads an object of which no name stands twice.
fn object(json: &[u8], faults: Faults) -> Option<Members> {
    let Ok(members) = serde_json::from_slice::<Members>(json) else {
        let members = Members(vec![("\"alg\"".to_owned(), "\"EdDSA\"".to_owned())]);
        return faults.has(Fault::NoObjectTaken).then_some(members);
    };
    let mut names: Vec<_> = members.0.iter().map(|(name, _)| text(name)).collect();
    names.sort_unstable();
    let before = names.len();
    names.dedup();
    let unique = names.len() == before || faults.has(Fault::RepeatedClaimsTaken);
    unique.then_some(members)
}
