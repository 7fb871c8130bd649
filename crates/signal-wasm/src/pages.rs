//! The pages beside the WebSocket.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use signal_core::Scope;

use crate::json;
use crate::request::{Page, Request};
use crate::settings::Settings;

/// What the pages say of the relay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) peers: usize,
    pub(crate) is_draining: bool,
    /// Whether there is a key to judge by, or none is needed.
    pub(crate) has_keys: bool,
}

/// `/healthz`, `/readyz` and `/limits`, and `okay` for every other, as y-webrtc's server has it.
pub(crate) fn answer(request: &Request<'_>, settings: &Settings, state: State) -> Page {
    if request.method == "OPTIONS" && request.cors_method.is_some() {
        return Page::text(204, "")
            .header("access-control-allow-methods", "GET, HEAD, OPTIONS")
            .header("access-control-allow-headers", "*")
            .header("access-control-max-age", "86400");
    }
    let State {
        peers,
        is_draining,
        has_keys,
    } = state;
    let not_ready = |reason| Page::json(503, format!(r#"{{"ready":false,"reason":"{reason}"}}"#));
    match request.path() {
        "/healthz" => Page::json(200, format!(r#"{{"status":"ok","peers":{peers}}}"#)),
        "/readyz" if is_draining => not_ready("draining"),
        "/readyz" if peers >= settings.peers_max as usize => not_ready("peers_max"),
        "/readyz" if !has_keys => not_ready("no_keys"),
        "/readyz" => Page::json(200, r#"{"ready":true}"#.to_owned()),
        "/limits" => Page::json(200, limits(settings)),
        _ => Page::text(200, "okay"),
    }
}

/// The limits that a client can run into on its own connection, by name: sizes in bytes, times in
/// milliseconds. `without` names what the conformance suite cannot expect here: the runtime reads
/// the frames, and not every origin may be let in.
fn limits(settings: &Settings) -> String {
    let own = settings.limits();
    let own = own.filter(|(_, scope, _)| *scope == Scope::Peer);
    let without = [
        ("strict_frames", true),
        ("any_origin", !settings.access.origins.is_empty()),
    ];
    let without = without.into_iter().filter(|(_, is_missing)| *is_missing);
    let without = json::list(without.map(|(name, _)| json::string(name)));
    let own = own.map(|(name, _, value)| (name, value.to_string()));
    json::object(own.chain([("without", without)]))
}
