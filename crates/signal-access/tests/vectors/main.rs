//! The shared vectors, `vectors/tokens.json`: each relay must judge each row as written.
//!
//! The file is made by the code beside this, which signs by itself. `SIGNAL_UPDATE_VECTORS=1 cargo
//! test -p signal-access` writes it anew.

mod claims;
mod form;
mod keys;
mod libraries;
mod requests;
#[expect(unreachable_pub, reason = "it is public where it lives")]
#[path = "../../../signal-tokio/src/admission/ring_keys.rs"]
mod ring_keys;
mod row;
mod signatures;
mod topics;

use std::collections::BTreeSet;
use std::path::PathBuf;

use signal_access::{Access, Denied, Origins, TokenError, TokenVerifier, UnixTime, UpgradeParts};
use signal_core::Instant;

use ring_keys::RingKeys;
use row::{Row, Rows};

const UPDATE: &str = "SIGNAL_UPDATE_VECTORS";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/tokens.json")
}

fn made() -> Rows {
    let rows = [
        requests::rows(),
        form::rows(),
        signatures::rows(),
        claims::rows(),
        topics::rows(),
        libraries::rows(),
    ];
    Rows {
        about: row::ABOUT.iter().map(|line| (*line).to_owned()).collect(),
        relays: keys::relays(),
        rows: rows.into_iter().flatten().collect(),
    }
}

fn read() -> Rows {
    let text = std::fs::read_to_string(path()).expect("vectors/tokens.json");
    serde_json::from_str(&text).expect("vectors as row.rs has them")
}

#[test]
fn the_file_is_what_the_code_makes() {
    let made = made();
    if std::env::var_os(UPDATE).is_some() {
        let text = serde_json::to_string_pretty(&made).expect("JSON");
        std::fs::write(path(), text + "\n").expect("a file that can be written");
    }
    let read = read();
    assert!(
        read == made,
        "vectors/tokens.json is out of date; set {UPDATE}=1 to write it anew"
    );
}

#[test]
fn every_row_is_judged_as_written() {
    let Rows { relays, rows, .. } = read();
    let mut wrong = Vec::new();
    for row in &rows {
        let relay = relays
            .get(&row.relay)
            .unwrap_or_else(|| panic!("{}: no such relay", row.name));
        let access = Access {
            origins: Origins::new(relay.origins.iter().map(String::as_str)).expect("origins"),
            tokens: relay.keys.as_ref().map(|keys| verifier(relay, keys)),
        };
        // Rows that do not say when hold now and at any time of this century.
        for now in row
            .now
            .map_or(vec![1_800_000_000, 4_000_000_000], |now| vec![now])
        {
            let seen = judge(&access, row, now);
            if seen != row.expected {
                wrong.push(format!(
                    "{}: {seen:?}, expected {:?}",
                    row.name, row.expected
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn verifier(relay: &row::Relay, keys: &serde_json::Value) -> TokenVerifier {
    let verifier = TokenVerifier::with_public_keys(&keys.to_string(), &RingKeys).expect("keys");
    let token_in = relay.token_in.as_deref().unwrap_or("any");
    let mut verifier = verifier.with_carriers(token_in.parse().expect("places"));
    if let Some(audience) = &relay.audience {
        verifier = verifier.with_audience(audience);
    }
    if let Some(issuer) = &relay.issuer {
        verifier = verifier.with_issuer(issuer);
    }
    if let Some(claim) = &relay.topics_claim {
        verifier = verifier.with_topics_claim(claim);
    }
    if let Some(topics) = &relay.topics_default {
        verifier = verifier.with_default_topics(topics.parse().expect("patterns"));
    }
    verifier
}

fn judge(access: &Access, row: &Row, now: u64) -> row::Expected {
    let header = |name: &str| row.header(name);
    let (origin, authorization, protocols) = (
        header("Origin"),
        header("Authorization"),
        header("Sec-WebSocket-Protocol"),
    );
    let request = UpgradeParts {
        query: row.query.as_deref(),
        host: None,
        origin: origin.as_deref(),
        authorization: authorization.as_deref(),
        protocols: protocols.as_deref(),
    };
    let now = UnixTime::from_secs(now);
    match access.judge(&request, now) {
        Err(denied) => row::Expected::refused(denied),
        Ok(admitted) => {
            let grant = admitted.grant(now, Instant::from_millis(5_000));
            let may = |asked: &[String], is_allowed: &dyn Fn(&str) -> bool| {
                asked
                    .iter()
                    .filter(|topic| is_allowed(topic))
                    .cloned()
                    .collect()
            };
            let asked = row.topics();
            row::Expected {
                status: 101,
                protocol: admitted.protocol().map(str::to_owned),
                carrier: admitted.carrier.map(|carrier| carrier.name().to_owned()),
                subject: admitted
                    .claims
                    .as_ref()
                    .and_then(|claims| claims.subject.clone()),
                peers_max: admitted.subject().and_then(|subject| subject.peers_max()),
                clients_max: asked
                    .iter()
                    .filter_map(|topic| Some((topic.clone(), grant.clients_max_of(topic)?)))
                    .collect(),
                seconds_left: row
                    .now
                    .and(grant.expires())
                    .map(|end| end.as_millis() / 1_000 - 5),
                may_subscribe: may(&asked, &|topic| grant.may_subscribe(topic)),
                may_not_subscribe: may(&asked, &|topic| !grant.may_subscribe(topic)),
                may_publish: may(&asked, &|topic| grant.may_publish(topic)),
                may_not_publish: may(&asked, &|topic| !grant.may_publish(topic)),
                ..row::Expected::default()
            }
        }
    }
}

#[test]
fn every_error_and_every_carrier_has_a_row() {
    let Rows { rows, .. } = read();
    let seen: BTreeSet<&str> = rows
        .iter()
        .flat_map(|row| {
            [
                row.expected.error.as_deref(),
                row.expected.carrier.as_deref(),
            ]
        })
        .flatten()
        .collect();
    let carriers = signal_access::Carrier::ALL.map(|carrier| carrier.name());
    // Keys in a file are there from the start.
    let names = TokenError::NAMES.iter().filter(|name| **name != "no_keys");
    for name in names.chain(&carriers).chain([&Denied::Origin.name()]) {
        assert!(seen.contains(name), "no row for {name}");
    }
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), rows.len(), "a name stands twice");
}
