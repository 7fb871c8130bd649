//! What one HTTP request is answered.

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use signal_access::RefusalCause;

use crate::handshake::door::Door;
use crate::handshake::pages;
use crate::handshake::remote::Remote;
#[cfg(feature = "tokens")]
use crate::handshake::turn;
use crate::handshake::upgrade::{self, Upgrade};

/// Answers any request: upgrades, health checks, limits, and `okay` to the rest, as y-webrtc's
/// server does.
pub(crate) async fn answer(door: &Arc<Door>, request: &Parts, remote: Remote) -> Upgrade {
    if upgrade::asks_for_upgrade(&request.headers) {
        return upgrade::answer(door, request, remote).await;
    }
    #[cfg(feature = "tokens")]
    if let Some(servers) = turn::servers(door, request) {
        return Upgrade {
            response: turn::answer(door, request, remote, &servers).await,
            admission: None,
        };
    }
    answer_plain(door, request)
}

fn answer_plain(door: &Door, request: &Parts) -> Upgrade {
    let is_unclear = !upgrade::is_host_clear(request);
    if is_unclear {
        door.counters.count_refusal(RefusalCause::BadRequest);
    }
    let response = match is_unclear {
        true => pages::text(StatusCode::BAD_REQUEST, upgrade::NO_HOST),
        false => pages::answer(door, request.uri.path()),
    };
    Upgrade {
        response,
        admission: None,
    }
}
