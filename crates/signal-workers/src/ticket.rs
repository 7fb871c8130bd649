//! What the Worker tells the object about a connection it lets in.
//!
//! The object can only be reached through the Worker, which writes both headers itself, whatever the client sent by these
//! names.

use std::sync::Arc;

use signal_core::{Grant, Instant, Limits, Peer, PeerSnapshot, RestoreError};

/// The peer as it begins, as hexadecimal digits. Its grant is in it.
pub(crate) const PEER_HEADER: &str = "x-signal-peer";
/// The client's address, if it is held to the limits per address.
pub(crate) const ADDRESS_HEADER: &str = "x-signal-address";

/// The peer header for a connection with this grant.
pub(crate) fn write(limits: &Arc<Limits>, grant: Grant, now: Instant) -> String {
    let bytes = Peer::new(Arc::clone(limits), grant, now)
        .snapshot()
        .to_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the peer header.
pub(crate) fn read(text: &str) -> Result<PeerSnapshot, RestoreError> {
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
        assert_eq!(read(&write(&limits, grant, Instant::ZERO)), Ok(sent));
    }

    #[test]
    fn what_the_worker_did_not_write_is_refused() {
        let limits = Arc::new(Limits::default());
        let good = write(&limits, Grant::open(), Instant::ZERO);
        let (changed, cut) = (good.replace('0', "1"), good.split_at(1).1);
        for bad in ["", "00", "zz", "é", cut, &changed] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
