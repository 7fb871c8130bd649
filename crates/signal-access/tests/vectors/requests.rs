//! Where a token may be, and where it may not.

use crate::keys::{everything, good};
use crate::row::Row;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = carried();
    rows.extend(missing());
    rows.extend(ambiguous());
    rows.extend(elsewhere());
    rows.extend(origins());
    rows.extend(open());
    for row in &mut rows {
        if row.expected.carrier.is_some() {
            row.expected.subject = everything()["sub"].as_str().map(str::to_owned);
        }
    }
    rows
}

fn carried() -> Vec<Row> {
    let good = good();
    let encoded = good.replace('.', "%2E").replacen('e', "%65", 1);
    let marker = "Sec-WebSocket-Protocol";
    let row = |name| Row::new(name, "hs256");
    vec![
        row("in the query").token(&good).upgraded("query"),
        row("in the query, among others")
            .query(format!("a=1&token={good}&b=2"))
            .upgraded("query"),
        row("in the query, percent-encoded")
            .token(&encoded)
            .upgraded("query"),
        row("in the query, under an encoded name")
            .query(format!("%74oken={good}"))
            .upgraded("query"),
        row("in the header").bearer(&good).upgraded("authorization"),
        row("in the header, scheme in small letters")
            .with("Authorization", format!("bearer {good}"))
            .upgraded("authorization"),
        row("in the header, two spaces")
            .with("Authorization", format!("Bearer  {good}"))
            .upgraded("authorization"),
        row("as a subprotocol")
            .with(marker, format!("signal-token, {good}"))
            .upgraded("protocol")
            .echoes_marker(),
        row("as a subprotocol, no space")
            .with(marker, format!("signal-token,{good}"))
            .upgraded("protocol")
            .echoes_marker(),
        row("as a subprotocol, among others")
            .with(marker, format!("chat, signal-token, {good}, v2"))
            .upgraded("protocol")
            .echoes_marker(),
        row("as a subprotocol, in two headers")
            .with(marker, "signal-token")
            .with(marker, good.clone())
            .upgraded("protocol")
            .echoes_marker(),
        row("in the query, beside another scheme's header")
            .token(&good)
            .with("Authorization", "Basic YW5uOnNlY3JldA==")
            .upgraded("query"),
        row("in the query, beside a header of one scheme with commas")
            .token(&good)
            .with(
                "Authorization",
                r#"Digest username="ann", realm = "r",nc=00000001"#,
            )
            .upgraded("query"),
        row("in the query, beside other subprotocols")
            .token(&good)
            .with(marker, "chat, v2")
            .upgraded("query"),
    ]
}

/// At relays that look for tokens in some places only.
fn elsewhere() -> Vec<Row> {
    let good = good();
    let marker = "Sec-WebSocket-Protocol";
    let row = |name| Row::new(name, "in_query");
    let both = |name| Row::new(name, "in_query_or_protocol");
    vec![
        row("in the query, which is looked at alone")
            .token(&good)
            .upgraded("query"),
        row("in the query, beside a proxy's own bearer token")
            .token(&good)
            .bearer("eyJhbGciOiJSUzI1NiJ9.e30.AA")
            .upgraded("query"),
        row("in the query, beside two headers of others")
            .token(&good)
            .with("Authorization", "Basic YW5uOnNlY3JldA==")
            .with("Authorization", "Bearer of a proxy")
            .upgraded("query"),
        row("in the query and as a subprotocol that is not looked at")
            .token(&good)
            .with(marker, format!("signal-token, {good}"))
            .upgraded("query")
            .echoes_marker(),
        row("in a header that is not looked at")
            .bearer(&good)
            .refused("missing"),
        row("as a subprotocol that is not looked at")
            .with(marker, format!("signal-token, {good}"))
            .refused("missing"),
        row("twice in the query, which is looked at alone")
            .query(format!("token={good}&token={good}"))
            .refused("ambiguous"),
        both("as a subprotocol, beside a proxy's own bearer token")
            .with(marker, format!("signal-token, {good}"))
            .bearer("eyJhbGciOiJSUzI1NiJ9.e30.AA")
            .upgraded("protocol")
            .echoes_marker(),
        both("in both places that are looked at")
            .token(&good)
            .with(marker, format!("signal-token, {good}"))
            .refused("ambiguous"),
    ]
}

fn missing() -> Vec<Row> {
    let good = good();
    let marker = "Sec-WebSocket-Protocol";
    let row = |name| Row::new(name, "hs256");
    vec![
        row("no token").refused("missing"),
        row("no token, other parameters")
            .query("room=7&tokens=1")
            .refused("missing"),
        row("parameter of another case")
            .query(format!("Token={good}"))
            .refused("missing"),
        row("header of another scheme")
            .with("Authorization", format!("Basic {good}"))
            .refused("missing"),
        row("token before the marker")
            .with(marker, format!("{good}, chat"))
            .refused("missing"),
        row("token in the fragment of another parameter")
            .query(format!("next=/?token={good}"))
            .refused("missing"),
        row("empty parameter").token("").refused("malformed"),
        row("parameter without a value")
            .query("token")
            .refused("malformed"),
        row("scheme without a token")
            .with("Authorization", "Bearer")
            .refused("malformed"),
        row("marker without a token")
            .with(marker, "signal-token")
            .refused("malformed"),
        row("token before the marker, nothing behind it")
            .with(marker, format!("{good}, signal-token"))
            .refused("malformed"),
    ]
}

fn ambiguous() -> Vec<Row> {
    let good = good();
    let marker = "Sec-WebSocket-Protocol";
    let protocols = format!("signal-token, {good}");
    let row = |name| Row::new(name, "hs256");
    vec![
        row("two parameters")
            .query(format!("token={good}&token=x"))
            .refused("ambiguous"),
        row("two equal parameters")
            .query(format!("token={good}&token={good}"))
            .refused("ambiguous"),
        row("two parameters, one name encoded")
            .query(format!("token={good}&%74oken={good}"))
            .refused("ambiguous"),
        row("parameter and header")
            .token(&good)
            .bearer(&good)
            .refused("ambiguous"),
        row("parameter and subprotocol")
            .token(&good)
            .with(marker, &protocols)
            .refused("ambiguous"),
        row("header and subprotocol")
            .bearer(&good)
            .with(marker, &protocols)
            .refused("ambiguous"),
        row("all three")
            .token(&good)
            .bearer(&good)
            .with(marker, &protocols)
            .refused("ambiguous"),
        row("parameter, and an empty header")
            .token(&good)
            .with("Authorization", "Bearer")
            .refused("ambiguous"),
        row("two markers")
            .with(marker, format!("{protocols}, {protocols}"))
            .refused("ambiguous"),
        row("two headers")
            .bearer(&good)
            .bearer(&good)
            .refused("ambiguous"),
        row("parameter, and two headers, one of another scheme")
            .token(&good)
            .with("Authorization", "Basic YW5uOnNlY3JldA==")
            .bearer(&good)
            .refused("ambiguous"),
        row("parameter, and two headers of other schemes")
            .token(&good)
            .with("Authorization", "Basic YW5uOnNlY3JldA==")
            .with("Authorization", "Negotiate")
            .refused("ambiguous"),
        row("parameter, and two headers, one empty")
            .token(&good)
            .with("Authorization", "Basic YW5uOnNlY3JldA==")
            .with("Authorization", "")
            .refused("ambiguous"),
        row("two headers, the other scheme first")
            .with("Authorization", "Basic YW5uOnNlY3JldA==")
            .bearer(&good)
            .refused("ambiguous"),
        row("parameter, and a header hidden in the quotes of two others")
            .token(&good)
            .with("Authorization", "Digest a=\"")
            .bearer(&good)
            .with("Authorization", "b=\"")
            .refused("ambiguous"),
        row("one header with two schemes")
            .with(
                "Authorization",
                format!("Basic YW5uOnNlY3JldA==,Bearer {good}"),
            )
            .refused("ambiguous"),
    ]
}

fn origins() -> Vec<Row> {
    let good = good();
    let row = |name: &str, origin: &str| {
        let row = Row::new(name, "origins").token(&good);
        if origin.is_empty() {
            row
        } else {
            row.with("Origin", origin)
        }
    };
    vec![
        row("listed origin", "https://app.example.org").upgraded("query"),
        row(
            "listed origin, written otherwise",
            "HTTPS://App.example.org:443",
        )
        .upgraded("query"),
        row("listed origin with a slash", "https://app.example.org/").upgraded("query"),
        row("listed origin with a path", "https://app.example.org/page").upgraded("query"),
        row(
            "two origins",
            "https://app.example.org/, https://evil.example",
        )
        .refused("origin"),
        row("host below a listed one", "https://a.b.example.net:8443").upgraded("query"),
        row("no origin: no browser", "").upgraded("query"),
        row("other origin", "https://evil.example").refused("origin"),
        row("other scheme", "http://app.example.org").refused("origin"),
        row("other port", "https://app.example.org:8443").refused("origin"),
        row(
            "listed origin as a beginning",
            "https://app.example.org.evil.example",
        )
        .refused("origin"),
        row("listed origin as an end", "https://evil-app.example.org").refused("origin"),
        row("parent of a listed pattern", "https://example.net:8443").refused("origin"),
        row(
            "look-alike of a listed pattern",
            "https://evilexample.net:8443",
        )
        .refused("origin"),
        row("opaque origin", "null").refused("origin"),
        Row::new("other origin, and no token", "origins")
            .with("Origin", "https://evil.example")
            .refused("origin"),
        Row::new("listed origin, and no token", "origins")
            .with("Origin", "https://app.example.org")
            .refused("missing"),
    ]
}

fn open() -> Vec<Row> {
    let row = |name| Row::new(name, "open");
    vec![
        row("no tokens asked for").upgraded(""),
        row("no tokens asked for, one sent")
            .token("whatever")
            .upgraded(""),
        row("no tokens asked for, marker offered")
            .with("Sec-WebSocket-Protocol", "signal-token, whatever")
            .upgraded("")
            .echoes_marker(),
    ]
}
