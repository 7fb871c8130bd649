//! Whether a request is an upgrade as RFC 6455 has it, in 4.2.1. Runtimes judge it too, each in
//! its own words.

use crate::request::{Page, Request};

/// Whether this is meant as a WebSocket upgrade. An upgrade to something else, which clients offer
/// beside plain requests, is ignored (RFC 9110, 7.8).
pub(crate) fn is_asked_for(request: &Request<'_>) -> bool {
    let mut names = request.upgrade.unwrap_or_default().split(',');
    names.any(|name| name.trim().eq_ignore_ascii_case("websocket"))
}

/// What to answer to an upgrade that is not right.
pub(crate) fn check(request: &Request<'_>) -> Result<(), Page> {
    if request.method != "GET" {
        let page = Page::text(405, "a WebSocket upgrade is a GET");
        return Err(page.header("allow", "GET"));
    }
    let has_length = request.content_length.is_some_and(|length| length != "0");
    if has_length || request.transfer_encoding.is_some() {
        // Its bytes would be taken for frames, or, behind a proxy that thinks otherwise, for the
        // next request.
        return Err(Page::text(400, "a WebSocket upgrade has no body"));
    }
    if request.version != Some("13") {
        let page = Page::text(426, "this relay speaks WebSocket version 13");
        return Err(page
            .header("sec-websocket-version", "13")
            .header("upgrade", "websocket"));
    }
    if !request.key.is_some_and(is_key) {
        return Err(Page::text(
            400,
            "Sec-WebSocket-Key must be 16 bytes in base64",
        ));
    }
    Ok(())
}

/// Whether these are the 24 characters that 16 bytes make in base64.
fn is_key(key: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let digits = key.strip_suffix("==").unwrap_or_default();
    digits.len() == 22 && digits.bytes().all(is_digit)
}
