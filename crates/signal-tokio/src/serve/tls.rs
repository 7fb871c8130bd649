//! The TLS handshake of a fresh connection.

use std::io;
use std::sync::Arc;

use http::StatusCode;
use signal_access::RefusalCause;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::handshake::{Handshake, upgrade};
use crate::serve::arrival::{self, Arrival};
use crate::stats::log_fields;

/// The answer to a client that speaks HTTP where TLS is spoken.
const PLAIN: &str = "this port speaks TLS: connect with wss:// or https://";

/// Does the handshake and serves the connection.
pub(crate) async fn serve(acceptor: TlsAcceptor, stream: TcpStream, mut arrival: Arrival) {
    let shared = Arc::clone(&arrival.shared);
    let deadline = shared.runtime_instant(arrival.deadline);
    let first = tokio::time::timeout_at(deadline, first_byte(&stream));
    let problem = match arrival.wait(first).await {
        // TLS begins with a byte that is not a letter, a request with the name of a method.
        Some(Ok(Ok(Some(byte)))) if byte.is_ascii_uppercase() => {
            let answer = upgrade::text(StatusCode::BAD_REQUEST, PLAIN);
            let handshake = Handshake::answered(&shared, Some(arrival.remote), &answer);
            arrival::run(stream, handshake, Some(&mut arrival)).await;
            "plain HTTP on a port that speaks TLS".to_owned()
        }
        Some(Ok(Ok(Some(_)))) => {
            // The handshake is over before the rest begins; in one future their sizes would add up.
            let handshake = Box::pin(tokio::time::timeout_at(deadline, acceptor.accept(stream)));
            match arrival.wait(handshake).await {
                Some(Ok(Ok(stream))) => return Box::pin(arrival.serve(stream)).await,
                Some(Ok(Err(error))) => error.to_string(),
                Some(Err(_elapsed)) => "the handshake took too long".to_owned(),
                // Counted by whoever needed its place.
                None => return,
            }
        }
        // A connection without a byte is not refused: balancers connect to see whether we listen.
        Some(Ok(Ok(None) | Err(_)) | Err(_)) | None => return,
    };
    tracing::debug!(
        client = shared.config.log_ips.show(Some(arrival.remote.ip())),
        problem = log_fields::text(&problem),
        "no TLS connection"
    );
    shared.counters.count_refusal(RefusalCause::Tls);
}

/// The first byte, which stays to be read; `None` if the client has ended its side without one.
async fn first_byte(stream: &TcpStream) -> io::Result<Option<u8>> {
    let mut first = [0];
    let length = stream.peek(&mut first).await?;
    Ok((length > 0).then_some(first[0]))
}
