/// The subprotocol that announces a token as the next one, for browsers, which can send no
/// `Authorization`: `new WebSocket(url, ['signal-token', token])`. The relay answers with this
/// marker, never with the token.
pub const PROTOCOL_MARKER: &str = "signal-token";

/// The subprotocol to answer, by the values of the client's `Sec-WebSocket-Protocol` headers.
///
/// A relay has none of its own, but a browser that offered some fails the connection unless one of
/// them is chosen: y-webrtc's server chooses the first. Beside the marker of a token is the token,
/// which is not to be repeated. None if nothing was offered, as in an empty header.
///
/// ```
/// use signal_access::choose_protocol;
///
/// assert_eq!(choose_protocol(["chat, v2"]), Some("chat"));
/// assert_eq!(choose_protocol(["chat, signal-token, a.b.c"]), Some("signal-token"));
/// assert_eq!(choose_protocol([""]), None);
/// ```
pub fn choose_protocol<'a>(offered: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut first = None;
    let offered = offered.into_iter().flat_map(|value| value.split(','));
    for name in offered.map(|name| name.trim_matches([' ', '\t'])) {
        if name == PROTOCOL_MARKER {
            return Some(PROTOCOL_MARKER);
        }
        first = first.or(Some(name).filter(|name| !name.is_empty()));
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_is_chosen_wherever_it_stands_and_else_the_first() {
        for (offered, chosen) in [
            (&[][..], None),
            (&[""], None),
            (&[" ,\t, "], None),
            (&["chat"], Some("chat")),
            (&["", "chat,v2"], Some("chat")),
            (&["chat", "signal-token, a.b.c"], Some(PROTOCOL_MARKER)),
            (&["a.b.c, signal-token"], Some(PROTOCOL_MARKER)),
            (&["Signal-Token, a.b.c"], Some("Signal-Token")),
            (&["signal-token-2"], Some("signal-token-2")),
        ] {
            assert_eq!(
                choose_protocol(offered.iter().copied()),
                chosen,
                "{offered:?}"
            );
        }
    }
}
