//! The TLS handshake of a fresh connection.

use std::io;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::admission::refusal::RefusalCause;
use crate::handshake::http1;
use crate::serve::arrival::Arrival;
use crate::stats::log_fields;

/// The answer to a client that speaks HTTP where TLS is spoken.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\
    Connection: close\r\n\r\nthis port speaks TLS: connect with wss:// or https://";

/// Does the handshake and serves the connection.
pub(crate) async fn serve(acceptor: TlsAcceptor, stream: TcpStream, arrival: Arrival) {
    let (deadline, remote) = (arrival.deadline, arrival.remote);
    let problem = match tokio::time::timeout_at(deadline, speaks_http(&stream)).await {
        Ok(Ok(true)) => {
            http1::answer_unread(stream, PLAIN).await;
            "plain HTTP on a port that speaks TLS".to_owned()
        }
        Ok(Ok(false)) => {
            // The handshake is over before the rest begins; in one future their sizes would add up.
            let handshake = Box::pin(acceptor.accept(stream));
            match tokio::time::timeout_at(deadline, handshake).await {
                Ok(Ok(stream)) => return Box::pin(arrival.serve(stream)).await,
                Ok(Err(error)) => error.to_string(),
                Err(_elapsed) => "the handshake took too long".to_owned(),
            }
        }
        Ok(Err(error)) => error.to_string(),
        Err(_elapsed) => "nothing was sent".to_owned(),
    };
    let log_ips = arrival.shared.config.log_ips;
    tracing::debug!(
        client = log_ips.show(Some(remote.ip())),
        problem = log_fields::text(&problem),
        "no TLS connection"
    );
    arrival.shared.counters.count_refusal(RefusalCause::Tls);
}

/// Whether the client begins with the name of a method. TLS begins with a byte that is no letter.
async fn speaks_http(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let length = stream.peek(&mut first).await?;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(first[0].is_ascii_uppercase())
}
