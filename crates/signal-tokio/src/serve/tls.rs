//! The TLS handshake of a fresh connection.

use std::io;
use std::sync::Arc;

use http::StatusCode;
use rustls::server::{Acceptor, ServerConnection};
use signal_access::RefusalCause;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use crate::handshake::{Handshake, pages};
use crate::serve::arrival::{self, Arrival};
use crate::serve::bytes::Fresh;
use crate::serve::records::{Records, UNFLUSHED_BYTES_MAX};
use crate::stats::log_fields;

/// The answer to a client that speaks HTTP where TLS is spoken.
const PLAIN: &str = "this port speaks TLS: connect with wss:// or https://";

/// Does the handshake and serves the connection.
pub(crate) async fn serve(acceptor: TlsAcceptor, mut stream: impl Fresh, mut arrival: Arrival) {
    // In plain, whatever comes behind it.
    if !arrival.read_preface(&mut stream).await {
        return;
    }
    let shared = Arc::clone(&arrival.shared);
    let deadline = shared.clock.runtime_instant(arrival.deadline);
    let first = tokio::time::timeout_at(deadline, stream.first_byte());
    let problem = match arrival.wait(first).await {
        // TLS begins with a byte that is not a letter, a request with the name of a method.
        Some(Ok(Ok(Some(byte)))) if byte.is_ascii_uppercase() => {
            let answer = pages::text(StatusCode::BAD_REQUEST, PLAIN);
            let handshake = Handshake::answered(&shared.door, arrival.remote, &answer);
            arrival::run(stream, handshake, Some(&mut arrival)).await;
            "plain HTTP on a port that speaks TLS".to_owned()
        }
        Some(Ok(Ok(Some(_)))) => {
            // The handshake is over before the rest begins; in one future their sizes would add up.
            let handshake = Box::pin(accept(&acceptor, stream, &mut arrival));
            match tokio::time::timeout_at(deadline, handshake).await {
                Ok(Some(Ok(stream))) => return Box::pin(arrival.serve(stream)).await,
                Ok(Some(Err(error))) => error.to_string(),
                Err(_elapsed) => "the handshake took too long".to_owned(),
                // Counted by the one that needed its place.
                Ok(None) => return,
            }
        }
        // A connection without a byte is not refused: balancers connect to see whether we listen.
        Some(Ok(Ok(None) | Err(_)) | Err(_)) | None => return,
    };
    tracing::debug!(
        client = shared.config.log_ips.show(arrival.remote.ip()),
        problem = log_fields::text(&problem),
        "no TLS connection"
    );
    shared.counters.count_refusal(RefusalCause::Tls);
}

/// Does the TLS handshake in its two steps: the client's greeting, which is sent at once, and what
/// it says to our answer. `None` if another needs its place.
async fn accept<S: Fresh>(
    acceptor: &TlsAcceptor,
    stream: S,
    arrival: &mut Arrival,
) -> Option<io::Result<TlsStream<Records<S>>>> {
    let greeting = LazyConfigAcceptor::new(Acceptor::default(), Records::new(stream));
    let greeted = match arrival.wait(greeting).await? {
        Ok(greeted) => greeted,
        Err(error) => return Some(Err(error)),
    };
    arrival.advance();
    let config = Arc::clone(acceptor.config());
    let limit = |tls: &mut ServerConnection| tls.set_buffer_limit(Some(UNFLUSHED_BYTES_MAX));
    let accepted = arrival
        .wait(greeted.into_stream_with(config, limit))
        .await?;
    arrival.advance();
    Some(accepted)
}
