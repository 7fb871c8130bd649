use alloc::borrow::ToOwned as _;

use signal_access::{AddressLimits, trim_unseen};
use signal_core::{Limits, slips};

use super::{Settings, SettingsError};

/// How far a name may be from one that exists to be taken for a slip.
const SLIPS_MAX: usize = 3;

/// The settings that are not limits: name, what to write, what leaving it out means, what it is.
pub(super) const TEXTS: [(&str, &str, &str, &str); 9] = [
    (
        "origins",
        "origins such as https://app.example",
        "let the pages of every site connect",
        "Web pages that may connect, by origin. Requests without an origin are let through",
    ),
    (
        "token_keys",
        "a JWK or a JWK Set",
        "ask no one for a token",
        "The keys, a JWK or a JWK Set, by which every client must show a signed token",
    ),
    (
        "token_jwks_url",
        "the address at which the issuer of tokens publishes its keys",
        "ask no one for a token",
        "Where an identity provider publishes its keys, in place of token_keys: fetched at the start, every 10 minutes, and when a token names a key that is not known",
    ),
    (
        "token_audience",
        "a name",
        "accept tokens without an aud",
        "Name of this relay, which each token must have as its aud",
    ),
    (
        "token_issuer",
        "a name",
        "accept tokens of any issuer that the keys have signed",
        "Issuer that each token must have as its iss, letter by letter, with the slash at its end if it has one",
    ),
    (
        "token_topics_claim",
        "the name of a claim",
        "read the claims topics, subscribe and publish",
        "Claim that names the topics of a token, in place of topics, subscribe and publish; with a slash before it a way into objects, as /app_metadata/topics",
    ),
    (
        "token_topics_default",
        "topics such as lobby,user/{sub}/*",
        "give no topics to a token that names none",
        "Topics of a token that names none: patterns, in which {sub} is the token's subject",
    ),
    (
        "token_in",
        "any, or query, header and protocol with commas between them",
        "look in all of them",
        "Where in a request its token is: any, or those of query, header and protocol that count",
    ),
    (
        "trusted_proxies",
        "networks such as 10.0.0.0/8",
        "believe no proxy",
        "Proxies before the relay, by network or address, whose X-Forwarded-For is believed",
    ),
];

/// A text that is not empty.
pub(super) fn entry<'a>(name: &str, text: &'a str) -> Result<&'a str, SettingsError> {
    let text = trim_unseen(text);
    match TEXTS.into_iter().find(|(known, ..)| *known == name) {
        Some((name, wanted, without, _)) if text.is_empty() => Err(SettingsError::Guard {
            name,
            wanted,
            without,
        }),
        Some(_) | None => Ok(text),
    }
}

/// The entries of a list that has at least one: a list without would let in all.
pub(super) fn entries<'a>(
    name: &str,
    text: &'a str,
) -> Result<impl Iterator<Item = &'a str>, SettingsError> {
    let entries = |text: &'a str| {
        let entries = text.split(',').map(str::trim);
        entries.filter(|entry| !entry.is_empty())
    };
    let first = entries(text).next().unwrap_or_default();
    entry(name, first)?;
    Ok(entries(text))
}

pub(super) fn unknown(name: &str) -> SettingsError {
    let texts = TEXTS.into_iter().map(|(name, ..)| name);
    let core = Limits::ALL.iter().map(|limit| limit.name);
    let addresses = AddressLimits::ALL.iter().map(|limit| limit.name);
    let own = Settings::LIMITS.iter().map(|limit| limit.name);
    let meant = texts
        .chain(core)
        .chain(addresses)
        .chain(own)
        .map(|known| (slips(name.as_bytes(), known.as_bytes()), known))
        .min()
        .filter(|(slips, _)| *slips <= SLIPS_MAX);
    SettingsError::Unknown {
        name: name.to_owned(),
        meant: meant.map(|(_, known)| known),
    }
}
