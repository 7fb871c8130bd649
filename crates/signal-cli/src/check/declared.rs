//! Asks a server for the limits it has, so that they can be checked.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use signal_conformance::Capability;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::check::connect;
use crate::check::stream::Credentials;
use crate::check::target::Target;

/// Where a relay of this project reports its limits, as a JSON object of names and numbers, and in
/// `without` the capabilities that it has not.
const PATH: &str = "/limits";
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// What a server reports about itself.
#[derive(Debug, Default, Deserialize, Eq, PartialEq)]
pub(crate) struct Told {
    #[serde(flatten)]
    pub(crate) limits: BTreeMap<String, u64>,
    #[serde(default)]
    pub(crate) without: Vec<Capability>,
}

/// What a server reports; `None` if it reports nothing, as all but ours.
pub(crate) async fn ask(target: &Target, credentials: &Credentials) -> Option<Told> {
    let answer = tokio::time::timeout(PATIENCE, get(target, credentials))
        .await
        .ok()??;
    parse(&answer)
}

/// One plain request. HTTP/1.0, so that the answer ends with the connection and is not in chunks.
async fn get(target: &Target, credentials: &Credentials) -> Option<Vec<u8>> {
    let mut stream = connect::plain(target).await?;
    let mut request =
        format!("GET {PATH} HTTP/1.0\r\nHost: {}\r\n", target.host_in_url()).into_bytes();
    for (name, value) in &credentials.headers {
        request.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    stream.write_all(&request).await.ok()?;
    let mut answer = Vec::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut answer)
        .await
        .ok()?;
    Some(answer)
}

fn parse(answer: &[u8]) -> Option<Told> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (answer.get(..end)?, answer.get(end + 4..)?);
    let status = head.split(|byte| *byte == b' ').nth(1)?;
    if status != b"200" {
        return None;
    }
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_from_an_answer() {
        let answer =
            b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"depth_max\":128}";
        let told = parse(answer).expect("an object");
        assert_eq!(told.limits, BTreeMap::from([("depth_max".to_owned(), 128)]));
        assert_eq!(told.without, []);
    }

    #[test]
    fn a_server_may_say_what_it_cannot_do() {
        let told =
            parse(b"HTTP/1.0 200 OK\r\n\r\n{\"depth_max\":128,\"without\":[\"strict_frames\"]}");
        assert_eq!(told.expect("an object").without, [Capability::StrictFrames]);
    }

    #[test]
    fn other_servers_tell_no_limits() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n\r\nokay"), None);
        assert_eq!(parse(b"HTTP/1.1 404 Not Found\r\n\r\n{}"), None);
        assert_eq!(parse(b"SSH-2.0-OpenSSH\r\n"), None);
    }
}
