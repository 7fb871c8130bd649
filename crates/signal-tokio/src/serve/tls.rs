//! The TLS handshake of a fresh connection.

use std::io;

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
pub(crate) async fn serve(acceptor: TlsAcceptor, stream: TcpStream, arrival: Arrival) {
    let Arrival {
        shared,
        remote,
        deadline,
        ..
    } = &arrival;
    let (deadline, remote) = (shared.runtime_instant(*deadline), Some(*remote));
    let problem = match tokio::time::timeout_at(deadline, first_byte(&stream)).await {
        // A connection without a byte is not refused: balancers connect to see whether we listen.
        Ok(Ok(None) | Err(_)) | Err(_) => return,
        // TLS begins with a byte that is not a letter, a request with the name of a method.
        Ok(Ok(Some(byte))) if byte.is_ascii_uppercase() => {
            let answer = upgrade::text(StatusCode::BAD_REQUEST, PLAIN);
            arrival::run(stream, Handshake::answered(shared, remote, &answer)).await;
            "plain HTTP on a port that speaks TLS".to_owned()
        }
        Ok(Ok(Some(_))) => {
            // The handshake is over before the rest begins; in one future their sizes would add up.
            let handshake = Box::pin(acceptor.accept(stream));
            match tokio::time::timeout_at(deadline, handshake).await {
                Ok(Ok(stream)) => return Box::pin(arrival.serve(stream)).await,
                Ok(Err(error)) => error.to_string(),
                Err(_elapsed) => "the handshake took too long".to_owned(),
            }
        }
    };
    tracing::debug!(
        client = shared.config.log_ips.show(remote.map(|remote| remote.ip())),
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
