use signal_access::UnixTime;
use signal_core::{Instant, PeerId};
use signal_wasm::output::Output;
use signal_wasm::{Answer, Host, Page, Relay, Request, Settings};

pub(crate) const UNIX_NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

pub(crate) fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

pub(crate) fn relay(settings: &[(&str, &str)]) -> Relay {
    let settings = Settings::read(settings.iter().copied());
    Relay::new(settings.expect("settings"), Host::default()).expect("a relay")
}

pub(crate) fn get(target: &str) -> Request<'_> {
    Request {
        method: "GET",
        target,
        ..Request::default()
    }
}

pub(crate) fn upgrade() -> Request<'static> {
    Request {
        remote: Some("203.0.113.7"),
        upgrade: Some("WebSocket"),
        version: Some("13"),
        key: Some("dGhlIHNhbXBsZSBub25jZQ=="),
        ..get("/")
    }
}

pub(crate) fn ask(relay: &mut Relay, now: u64, request: &Request<'_>) -> Answer {
    relay.request(at(now), UNIX_NOW, 7, request)
}

pub(crate) fn refused(relay: &mut Relay, now: u64, request: &Request<'_>) -> Page {
    match ask(relay, now, request) {
        Answer::Page(page) => page,
        other @ (Answer::Upgrade { .. } | Answer::Ask { .. }) => panic!("{other:?}"),
    }
}

pub(crate) fn admit(relay: &mut Relay, now: u64, request: &Request<'_>) -> PeerId {
    match ask(relay, now, request) {
        Answer::Upgrade { peer, .. } => peer,
        other @ (Answer::Page(_) | Answer::Ask { .. }) => panic!("{other:?}"),
    }
}

pub(crate) fn connect(relay: &mut Relay, now: u64) -> PeerId {
    let peer = admit(relay, now, &upgrade());
    start(relay, now, peer);
    peer
}

pub(crate) fn start(relay: &mut Relay, now: u64, peer: PeerId) {
    let mut output = Output::default();
    relay.connect(at(now), peer, &mut output);
    assert_eq!(records(&output), []);
}

/// Connects a peer that has no place, or none any more: it is closed, and nobody is there.
pub(crate) fn start_without_a_place(relay: &mut Relay, now: u64, peer: PeerId) {
    let mut output = Output::default();
    relay.connect(at(now), peer, &mut output);
    let closed = [Record::Close(peer.as_u64(), 4408, false)];
    assert_eq!(records(&output), closed);
    relay.leave(at(now), peer);
}

/// A record of the output: its numbers, and its text if it has one.
#[derive(Debug, PartialEq)]
pub(crate) enum Record {
    Send(Vec<u64>, String),
    Ping(u64),
    Close(u64, u16, bool),
    Hold(u64),
    Notice(String),
    /// Of none, all.
    Look(Vec<u64>),
    Within(u64),
    Text(String),
}

pub(crate) fn records(output: &Output) -> Vec<Record> {
    let (mut rest, mut records) = (output.bytes(), Vec::new());
    let number = |rest: &mut &[u8]| {
        let (number, after) = rest.split_first_chunk().expect("four bytes");
        *rest = after;
        u32::from_le_bytes(*number)
    };
    let text = |rest: &mut &[u8], len: u32| {
        let (text, after) = rest.split_at((len as usize).next_multiple_of(4));
        *rest = after;
        String::from_utf8(text[..len as usize].to_vec()).expect("UTF-8")
    };
    while !rest.is_empty() {
        records.push(match number(&mut rest) {
            1 => {
                let (count, len) = (number(&mut rest), number(&mut rest));
                let to = (0..count).map(|_| number(&mut rest).into()).collect();
                Record::Send(to, text(&mut rest, len))
            }
            2 => Record::Ping(number(&mut rest).into()),
            3 => {
                let (peer, code) = (number(&mut rest), number(&mut rest));
                let (drops, len) = (number(&mut rest), number(&mut rest));
                text(&mut rest, len);
                Record::Close(peer.into(), code as u16, drops != 0)
            }
            4 => Record::Hold(number(&mut rest).into()),
            7 => {
                let len = number(&mut rest);
                Record::Text(text(&mut rest, len))
            }
            10 => {
                let len = number(&mut rest);
                Record::Notice(text(&mut rest, len))
            }
            11 => {
                let count = number(&mut rest);
                Record::Look((0..count).map(|_| number(&mut rest).into()).collect())
            }
            12 => Record::Within(number(&mut rest).into()),
            other => panic!("record {other}"),
        });
    }
    records
}

pub(crate) fn receive(relay: &mut Relay, now: u64, peer: PeerId, text: &str) -> Vec<Record> {
    let mut output = Output::default();
    relay.receive(at(now), peer, text.as_bytes(), &mut output);
    records(&output)
}

pub(crate) fn tick(relay: &mut Relay, now: u64) -> Vec<Record> {
    let mut output = Output::default();
    relay.tick(at(now), &mut output);
    records(&output)
}
