//! A client that behaves as y-webrtc's does when it is refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use signal_testwire::{stock_wait, upgrade};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::Instant;

/// How many tries had which answer: an HTTP status, or 0 for none.
pub(crate) type Answers = BTreeMap<u16, u64>;

/// Tries to connect until `end`, from the address `from`, and waits as a stock client does. Returns
/// what it was answered.
pub(crate) async fn knock_until(
    end: Instant,
    relay: SocketAddr,
    from: SocketAddr,
    token: &str,
) -> Answers {
    let headers = [
        ("Origin", "https://app.example"),
        (
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        ),
    ];
    let request = upgrade(&format!("/?token={token}"), &headers);
    let mut answers = Answers::new();
    let mut failures = 0;
    while Instant::now() < end {
        let answer = tokio::time::timeout_at(end, knock(relay, from, &request)).await;
        let Ok(answer) = answer else { break };
        let status = answer.ok().flatten().unwrap_or(0);
        *answers.entry(status).or_default() += 1;
        failures = if status == 101 { 0 } else { failures + 1 };
        tokio::time::sleep_until(end.min(Instant::now() + stock_wait(failures))).await;
    }
    answers
}

/// One try; the status of the answer.
async fn knock(relay: SocketAddr, from: SocketAddr, request: &str) -> std::io::Result<Option<u16>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(from)?;
    let mut stream = socket.connect(relay).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(512);
    // A refusal ends with the connection; an upgrade does not, and nobody is here to use it.
    while status(&answer).is_none() && stream.read_buf(&mut answer).await? > 0 {}
    let status = status(&answer);
    if status != Some(101) {
        while stream.read_buf(&mut answer).await? > 0 {}
    }
    Ok(status)
}

/// The status in `HTTP/1.1 401 …`.
fn status(answer: &[u8]) -> Option<u16> {
    let digits = answer.get("HTTP/1.1 ".len().."HTTP/1.1 401".len())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The most tries that so many clients make in this time, if each is refused at once.
pub(crate) fn tries_max(clients: u32, length: Duration) -> u64 {
    let mut tries = 0_u32;
    let mut time = Duration::ZERO;
    while time < length {
        tries += 1;
        time += stock_wait(tries);
    }
    u64::from(clients) * u64::from(tries)
}
