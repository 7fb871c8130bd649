//! Plain HTTP/1.1 requests, just enough to ask a relay how it is.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{HttpRequest, HttpResponse};

const PATIENCE: Duration = Duration::from_secs(10);
const RESPONSE_BYTES_MAX: u64 = 1 << 20;

/// Sends one request and reads the answer to its end.
pub(super) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    request: &HttpRequest,
) -> Result<HttpResponse, String> {
    let mut head = format!(
        "{} {} HTTP/1.{}\r\nHost: {host}\r\nConnection: close\r\n",
        request.method,
        request.path,
        u8::from(!request.old)
    );
    // A request that asks for an upgrade brings its own `Connection`.
    if request
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("connection"))
    {
        head = head.replace("Connection: close\r\n", "");
    }
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let exchange = async {
        stream.write_all(head.as_bytes()).await?;
        read_response(&mut stream).await
    };
    let bytes = tokio::time::timeout(PATIENCE, exchange).await;
    let bytes = bytes
        .map_err(|_| "no answer in time")?
        .map_err(|error| error.to_string())?;
    parse(&bytes).ok_or_else(|| format!("no HTTP answer: {:?}", String::from_utf8_lossy(&bytes)))
}

/// Reads until the answer is complete; not every server closes the connection then.
async fn read_response(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut stream = stream.take(RESPONSE_BYTES_MAX);
    while stream.read_buf(&mut bytes).await? > 0 {
        if Head::parse(&bytes).is_some_and(|head| head.is_complete(&bytes)) {
            break;
        }
    }
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Option<HttpResponse> {
    let head = Head::parse(bytes)?;
    let body = &bytes[head.length..];
    let body = if head.chunked {
        join_chunks(body)?
    } else {
        body.to_vec()
    };
    Some(HttpResponse::new(head.status, body))
}

/// What matters of an answer's head.
struct Head {
    length: usize,
    status: u16,
    chunked: bool,
    content_length: Option<usize>,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let text = std::str::from_utf8(&bytes[..end])
            .ok()?
            .to_ascii_lowercase();
        let status = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
        let header = |name: &str| {
            let mut lines = text.lines().skip(1).filter_map(|line| line.split_once(':'));
            lines
                .find(|(found, _)| *found == name)
                .map(|(_, value)| value.trim())
        };
        Some(Self {
            length: end + 4,
            status,
            chunked: header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")),
            content_length: header("content-length").and_then(|length| length.parse().ok()),
        })
    }

    /// Whether the whole body is there. Without a length the connection's end is its end; after an
    /// upgrade there is none.
    fn is_complete(&self, bytes: &[u8]) -> bool {
        let body = &bytes[self.length..];
        match self.content_length {
            _ if self.status == 101 => true,
            _ if self.chunked => join_chunks(body).is_some(),
            Some(length) => body.len() >= length,
            None => false,
        }
    }
}

fn join_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = rest.windows(2).position(|window| window == b"\r\n")?;
        let length =
            usize::from_str_radix(std::str::from_utf8(&rest[..line_end]).ok()?.trim(), 16).ok()?;
        rest = &rest[line_end + 2..];
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn chunked_and_plain_bodies_are_read() {
        let chunked =
            parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nokay\r\n0\r\n\r\n")
                .unwrap();
        assert_eq!(
            (chunked.status, chunked.body.as_slice()),
            (200, &b"okay"[..])
        );
        let plain = parse(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno").unwrap();
        assert_eq!((plain.status, plain.body.as_slice()), (404, &b"no"[..]));
        assert!(parse(b"SSH-2.0-OpenSSH").is_none());
    }
}
