//! Publishes encoded and masked beforehand; sending one is a copy and a few bytes changed in it.

use signal_core::client;

use crate::error::BenchError;
use crate::load::marker::{self, Marker};
use crate::net::frame;

/// Characters like those of a session description, escapes included, so that a server that parses
/// strings has to.
const FILLER: &str =
    r"a=candidate:842163049 1 udp 2113937151 192.0.2.17 54321 typ host generation 0\r\n";

/// One message to a room, ready to be sent but for its room and marker.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    frame: Vec<u8>,
    mask: [u8; 4],
    /// Where in the frame the payload begins: the phase of the mask.
    payload_at: usize,
    room_at: usize,
    marker_at: usize,
}

impl Template {
    /// A publish of `len` bytes of JSON.
    ///
    /// # Errors
    ///
    /// If not even an empty one is that short.
    pub(crate) fn new(topics: &Topics, mask: [u8; 4], len: usize) -> Result<Self, BenchError> {
        let topic = topics.of(0);
        let publish =
            |signal: &str| client::publish(&topic, &format!(r#"{{"signal":"{signal}"}}"#));
        let mut signal = "a".repeat(marker::LEN);
        let fixed = publish(&signal).len();
        let Some(filler) = len.checked_sub(fixed) else {
            let what = format!("a message of {len} bytes has no room for its marker");
            return Err(BenchError::new(
                what,
                format!("use at least {fixed} bytes: --bytes {fixed}"),
            ));
        };
        signal.extend(FILLER.chars().cycle().take(filler));
        // Half an escape would not be JSON.
        if signal.ends_with('\\') {
            signal.pop();
            signal.push('.');
        }
        let payload = publish(&signal);
        let place_of = |part: &str| payload.find(part).expect("it was just put there");
        let payload_at = frame::header_len(len);
        let room_at = place_of(&topic) + topic.len() - ROOM_DIGITS;
        let marker_at = place_of(&signal);
        let mut encoded = Vec::new();
        frame::encode(&mut encoded, frame::TEXT, mask, payload.as_bytes());
        Ok(Self {
            frame: encoded,
            mask,
            payload_at,
            room_at: payload_at + room_at,
            marker_at: payload_at + marker_at,
        })
    }

    /// Appends the message with its room and marker.
    #[inline]
    pub(crate) fn write(&self, out: &mut Vec<u8>, room: usize, marker: Marker) {
        let start = out.len();
        out.extend_from_slice(&self.frame);
        self.patch(out, start, self.room_at, &room_digits(room));
        self.patch(out, start, self.marker_at, &marker.encode());
    }

    #[inline]
    fn patch(&self, out: &mut [u8], start: usize, at: usize, bytes: &[u8]) {
        for (index, byte) in bytes.iter().enumerate() {
            out[start + at + index] = byte ^ self.mask[(at + index - self.payload_at) % 4];
        }
    }
}

const ROOM_DIGITS: usize = 9;

/// The most rooms of a run. Topics have digits for a thousand times as many, so that a room can
/// change its topic.
pub(crate) const ROOMS_MAX: usize = 1_000_000;

fn room_digits(room: usize) -> [u8; ROOM_DIGITS] {
    let mut rest = room;
    let mut digits = [b'0'; ROOM_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    digits
}

/// The topics of one run: all equally long, and no other run's.
#[derive(Clone, Debug)]
pub(crate) struct Topics {
    run: u32,
}

impl Topics {
    pub(crate) fn new(run: u32) -> Self {
        Self { run }
    }

    pub(crate) fn of(&self, room: usize) -> String {
        let digits = room_digits(room);
        let digits = digits.map(char::from).iter().collect::<String>();
        format!("bench-{:08x}-{digits}", self.run)
    }

    pub(crate) fn subscribe(&self, room: usize) -> String {
        client::subscribe([self.of(room)])
    }

    pub(crate) fn unsubscribe(&self, room: usize) -> String {
        client::unsubscribe([self.of(room)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(out: &[u8], len: usize) -> String {
        let at = frame::header_len(len);
        let mask: [u8; 4] = out[at - 4..at].try_into().unwrap();
        let key = mask.iter().cycle();
        let bytes = out[at..].iter().zip(key).map(|(byte, key)| byte ^ key);
        String::from_utf8(bytes.collect()).unwrap()
    }

    #[test]
    fn a_publish_has_its_length_topic_and_marker() {
        let topics = Topics::new(0xAB);
        // Long enough to cut the filler everywhere, its escapes included.
        for len in 120..400 {
            let template = Template::new(&topics, [7, 99, 3, 255], len).unwrap();
            let marker = Marker {
                flow: 3,
                sequence: 1_000,
            };
            let mut out = b"before".to_vec();
            template.write(&mut out, 123, marker);
            let text = text(&out[6..], len);
            assert_eq!(text.len(), len);
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json["type"], "publish");
            assert_eq!(json["topic"], topics.of(123));
            let signal = json["data"]["signal"].as_str().unwrap();
            assert_eq!(&signal.as_bytes()[..marker::LEN], marker.encode());
        }
    }

    #[test]
    fn a_message_that_is_too_short_says_how_long_it_must_be() {
        let topics = Topics::new(1);
        let error = Template::new(&topics, [0; 4], 20).unwrap_err();
        let least = error.fix.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(Template::new(&topics, [0; 4], least).is_ok());
        assert!(Template::new(&topics, [0; 4], least - 1).is_err());
    }
}
