use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

use crate::PATIENCE;
use crate::input::Input;

/// What a request was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 101 for an upgrade.
    pub status: u16,
    /// The first line and the headers, with the blank line behind them.
    pub head: String,
    /// What follows the head; empty after an upgrade.
    pub body: String,
}

impl Answer {
    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// What `input` begins with, if all of it is there: as much as the head says, or up to the end
    /// of the connection.
    pub(crate) fn take(input: &mut Input, request: &str, is_end: bool) -> Option<Self> {
        let head_len = input.head_len()?;
        let head = std::str::from_utf8(&input.bytes()[..head_len]).expect("a head is text");
        let body = &input.bytes()[head_len..];
        let status = status(head);
        let is_chunked = header(head, "transfer-encoding") == Some("chunked");
        let body_len = if request.starts_with("HEAD ") || [101, 204, 304].contains(&status) {
            Some(0)
        } else if let Some(length) = header(head, "content-length") {
            Some(length.parse().expect("a content length"))
        } else {
            let is_whole = is_end || is_chunked && body.ends_with(b"0\r\n\r\n");
            is_whole.then_some(body.len())
        };
        let body_len = body_len.filter(|length| *length <= body.len())?;
        let head = input.take_text(head_len);
        let body = input.take_text(body_len);
        Some(Self { status, head, body })
    }
}

/// The status in the head of an answer.
#[track_caller]
pub fn status(head: &str) -> u16 {
    let digits = head.get("HTTP/1.1 ".len().."HTTP/1.1 101".len());
    digits
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_else(|| panic!("no status: {head}"))
}

/// The value of a header in the head of an answer, whatever the case of its name.
pub fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

/// The seconds of the `Retry-After` in the head of an answer.
#[track_caller]
pub fn retry_after(head: &str) -> u64 {
    let value = header(head, "retry-after").unwrap_or_else(|| panic!("no Retry-After: {head}"));
    value.parse().expect("a number of seconds")
}

/// Sends a request over a connection of its own, from a test that is not async. [`Wire::ask`] is
/// the same for one that is.
///
/// [`Wire::ask`]: crate::Wire::ask
#[track_caller]
pub fn ask(address: impl ToSocketAddrs, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("the relay listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
        .write_all(request.as_bytes())
        .expect("the relay reads");
    let mut input = Input::default();
    let mut is_end = false;
    loop {
        if let Some(answer) = Answer::take(&mut input, request, is_end) {
            return answer;
        }
        assert!(!is_end, "half an answer: {input:?}");
        let mut bytes = [0; 4 * 1024];
        match stream.read(&mut bytes) {
            Ok(count) => {
                is_end = count == 0;
                input.extend(&bytes[..count]);
            }
            // A socket with a timeout has this when its process is stopped and goes on.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}; so far: {input:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &str, request: &str, is_end: bool) -> Option<(Answer, Vec<u8>)> {
        let mut input = Input::default();
        input.extend(text.as_bytes());
        let answer = Answer::take(&mut input, request, is_end)?;
        Some((answer, input.bytes().to_vec()))
    }

    #[test]
    fn an_answer_is_as_long_as_its_head_says() {
        let text = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\n";
        assert!(take(&format!("{text}wai"), "GET /", false).is_none());
        let (answer, rest) = take(&format!("{text}waitx"), "GET /", false).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (429, "wait"));
        assert_eq!(answer.header("retry-after"), Some("7"));
        assert_eq!(retry_after(&answer.head), 7);
        assert_eq!(rest, b"x");
        let (answer, _) = take(text, "HEAD /", false).unwrap();
        assert_eq!(answer.body, "");
    }

    #[test]
    fn an_answer_without_a_length_ends_with_the_connection() {
        let text = "HTTP/1.1 200 OK\r\n\r\nokay";
        assert!(take(text, "GET /", false).is_none());
        assert_eq!(take(text, "GET /", true).unwrap().0.body, "okay");
        assert!(take("HTTP/1.1 200 OK\r\n", "GET /", true).is_none());
    }

    #[test]
    fn what_follows_an_upgrade_is_not_a_body() {
        let (answer, rest) = take("HTTP/1.1 101 S\r\n\r\n\x01\x02", "GET /", false).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (101, ""));
        assert_eq!(rest, [1, 2]);
    }
}
