//! What the Worker passes to the object about a connection it lets in.
//!
//! The object can only be reached through the Worker, which writes these headers itself, whatever
//! the client sent by these names.

use std::net::IpAddr;
use std::sync::Arc;

use signal_access::{AddressKey, Permit, Subject};
use signal_core::{Grant, Instant, Limits, Peer, PeerSnapshot, RestoreError};
use worker::{Headers, Result};

use crate::subject;

/// The peer as it begins, as hexadecimal digits. Its grant is in it.
const PEER_HEADER: &str = "x-signal-peer";
/// The client's address, if it is held to the limits per address.
const ADDRESS_HEADER: &str = "x-signal-address";
/// Who the client is, by a hash.
const SUBJECT_HEADER: &str = "x-signal-subject";

/// A connection that is let in, as the object reads it.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) peer: PeerSnapshot,
    pub(crate) holder: Holder,
}

/// Whose connection it is, as limits count it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Holder {
    pub(crate) address: Option<AddressKey>,
    /// By its hash.
    pub(crate) subject: Option<Subject>,
}

/// Writes the headers.
pub(crate) fn write(
    headers: &Headers,
    limits: &Arc<Limits>,
    permit: Permit,
    address: Option<AddressKey>,
    now: Instant,
) -> Result<()> {
    headers.set(PEER_HEADER, &write_peer(limits, permit.grant, now))?;
    let write = |name, text: Option<String>| match text {
        Some(text) => headers.set(name, &text),
        None => headers.delete(name),
    };
    write(ADDRESS_HEADER, address.map(|address| address.to_string()))?;
    let subject = permit.subject.as_ref().map(subject::hashed);
    write(SUBJECT_HEADER, subject.as_ref().map(subject::write))
}

/// Reads the headers. None if they are not from the Worker.
pub(crate) fn read(headers: &Headers) -> Result<Option<Ticket>> {
    let peer = headers.get(PEER_HEADER)?.unwrap_or_default();
    let Ok(peer) = read_peer(&peer) else {
        return Ok(None);
    };
    let address = headers.get(ADDRESS_HEADER)?;
    let subject = headers.get(SUBJECT_HEADER)?;
    Ok(Some(Ticket {
        peer,
        holder: Holder {
            address: address.as_deref().and_then(read_address),
            subject: subject.as_deref().and_then(subject::read),
        },
    }))
}

/// Reads an address as it is written in headers and attachments.
pub(crate) fn read_address(text: &str) -> Option<AddressKey> {
    text.parse().ok().map(|ip: IpAddr| AddressKey::new(ip))
}

fn write_peer(limits: &Arc<Limits>, grant: Grant, now: Instant) -> String {
    let bytes = Peer::new(Arc::clone(limits), grant, now)
        .snapshot()
        .to_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_peer(text: &str) -> std::result::Result<PeerSnapshot, RestoreError> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| Some(digit.to_digit(16)? as u8))
        .collect();
    let digits = digits.ok_or(RestoreError::Damaged)?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect();
    PeerSnapshot::from_bytes(&bytes)
}

#[cfg(test)]
mod tests {
    use signal_core::TopicSet;

    use super::*;

    #[test]
    fn a_grant_comes_through_as_it_was() {
        let limits = Arc::new(Limits::default());
        let topics = || TopicSet::none().exact("ö").prefix("team/");
        let grant = Grant::new(topics(), topics()).expires_at(Instant::from_millis(9));
        let sent = Peer::new(Arc::clone(&limits), grant.clone(), Instant::ZERO).snapshot();
        assert_eq!(
            read_peer(&write_peer(&limits, grant, Instant::ZERO)),
            Ok(sent)
        );
    }

    #[test]
    fn what_the_worker_did_not_write_is_refused() {
        let limits = Arc::new(Limits::default());
        let good = write_peer(&limits, Grant::open(), Instant::ZERO);
        let (changed, cut) = (good.replace('0', "1"), good.split_at(1).1);
        for bad in ["", "00", "zz", "é", cut, &changed] {
            assert!(read_peer(bad).is_err(), "{bad}");
        }
    }
}
