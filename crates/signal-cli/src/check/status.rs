//! What an answer means that is not an upgrade, and what to do about it.

use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderValue, Response};

use crate::check::report::Problem;
use crate::check::target::Target;
use crate::check::{gatekeepers, refusals};
use crate::show;

/// What servers say to a request in plain text on a port with TLS: nginx, Go, Apache, ours.
const PLAIN_ON_TLS: [&str; 4] = [
    "plain HTTP request was sent to HTTPS port",
    "HTTP request to an HTTPS server",
    "speaking plain HTTP to an SSL-enabled server port",
    "this port speaks TLS",
];
/// What stands in the address or the title of a page that asks people who they are.
const LOGIN: [&str; 7] = [
    "login",
    "log in",
    "sign in",
    "sign_in",
    "signin",
    "cloudflareaccess",
    "/oauth2/",
];

/// Where Cloudflare says what it has done with a request.
const MITIGATED: &str = "cf-mitigated";

/// The server answered the upgrade with something else.
pub(crate) fn refused(target: &Target, response: &Response<Vec<u8>>) -> Problem {
    let code = response.status().as_u16();
    let header = |name: &str| {
        let value: Option<&HeaderValue> = response.headers().get(name);
        value.and_then(|value| value.to_str().ok())
    };
    let body = String::from_utf8_lossy(response.body());
    let body = body.trim();
    let page = body.starts_with('<').then(|| title(body));
    let other = target.other_scheme();
    if PLAIN_ON_TLS.iter().any(|said| body.contains(said)) {
        return Problem::new(
            format!("the server speaks TLS on this port: HTTP {code}"),
            format!("try {other}"),
        );
    }
    let said = match &page {
        Some(Some(title)) => format!(", a page titled {}", show::quoted(title, 80)),
        Some(None) => ", a page".to_owned(),
        None if body.is_empty() => String::new(),
        None => format!(", {}", show::quoted(body, 120)),
    };
    let (name, cloudflare) = match cloudflare(code) {
        Some((name, fix)) => (format!(" {name}, by Cloudflare"), Some(fix)),
        None => {
            let reason = response.status().canonical_reason();
            (
                reason.map_or_else(String::new, |reason| format!(" {reason}")),
                None,
            )
        }
    };
    let what = format!("the upgrade was answered with HTTP {code}{name}{said}");
    let is_login = |text: &str| {
        let text = text.to_lowercase();
        LOGIN.iter().any(|word| text.contains(word))
    };
    let location = header(LOCATION.as_str()).unwrap_or_default();
    let asks_who = matches!(code, 200 | 300..=399 | 401 | 403)
        && (is_login(location) || page.flatten().is_some_and(|title| is_login(&title)));
    let is_challenge = header(MITIGATED) == Some("challenge");
    // A number of seconds or a date (RFC 9110, 10.2.3).
    let wait = header(RETRY_AFTER.as_str()).map(|when| match when.parse::<u64>() {
        Ok(seconds) => format!(" (it says: retry after {seconds} s)"),
        Err(_) => format!(" (it says: retry after {when})"),
    });
    let fix = match (refusals::fix(body), cloudflare) {
        (Some(fix), _) | (None, Some(fix)) => fix.to_owned(),
        (None, None) if is_challenge => "Cloudflare asks whether a person is there, which a WebSocket cannot answer: leave this path \
                                         out of its challenges (Security → WAF → a rule that skips)"
            .to_owned(),
        (None, None) if asks_who => "a login page guards this address: let the path of the WebSocket through, since browsers \
                                     cannot follow it there, or pass what it asks for, as --header 'Cookie: …'"
            .to_owned(),
        (None, None) => gatekeepers::fix(code, response.headers(), body)
            .unwrap_or_else(|| general(target, code, location, &wait.unwrap_or_default())),
    };
    Problem::new(what, fix)
}

fn general(target: &Target, code: u16, location: &str, wait: &str) -> String {
    let secure = || {
        let other = target.other_scheme();
        format!("if the server has TLS on this port, try {other}")
    };
    match code {
        200..=299 => "this is a web server that did not upgrade: check the path, and that a proxy \
                      in between passes the `Upgrade` and `Connection` headers on"
            .to_owned(),
        300..=399 if !location.is_empty() => {
            format!("browsers do not follow this; use {} instead", ws(location))
        }
        300..=399 => "use the address that the server redirects to".to_owned(),
        400 if !target.secure => {
            format!(
                "{}; otherwise the path is not that of a WebSocket",
                secure()
            )
        }
        400 => "a proxy may have dropped the `Upgrade` headers, or the path is not that of a \
                WebSocket"
            .to_owned(),
        401 => "the server asks for credentials: pass --token-file FILE, perhaps with --token-in header, \
                or --header 'Authorization: …'"
            .to_owned(),
        403 => "the server does not let this client in: pass the page's address as --origin \
                https://your.app, or a token that it accepts as --token-file FILE"
            .to_owned(),
        404 | 405 => "there is no WebSocket at this path: check the path of the address".to_owned(),
        407 => "a proxy on the way asks for credentials: name it, with them, in HTTPS_PROXY".to_owned(),
        408 | 504 => {
            "the request took too long on its way: is the relay behind the proxy up?".to_owned()
        }
        421 => "the proxy serves another name here: check the name, and the proxy's settings for it"
            .to_owned(),
        426 => "the server did not see the `Upgrade` header: make the proxy in between pass \
                `Upgrade` and `Connection` on, with HTTP/1.1"
            .to_owned(),
        429 => format!("the server limits who may connect how often: wait and try again{wait}"),
        431 => "the request is too large: fewer or shorter --header, or a shorter token".to_owned(),
        502 => "the proxy does not reach the relay: is it running, and is its port right in the \
                proxy's settings?"
            .to_owned(),
        503 => format!("the relay is full or restarts: try again, or look at its /readyz{wait}"),
        500..=599 => "look into the server's log".to_owned(),
        _ => "check the address".to_owned(),
    }
}

/// What Cloudflare calls a status of its own, and what to do about it.
fn cloudflare(code: u16) -> Option<(&'static str, &'static str)> {
    Some(match code {
        520 => (
            "Web Server Returned an Unknown Error",
            "Cloudflare does not understand what your server answers: is the port right, and HTTP spoken there?",
        ),
        521 => (
            "Web Server Is Down",
            "your server refuses Cloudflare's connection: is the relay, or the proxy before it, running on that port, and does \
             its firewall let Cloudflare's addresses in?",
        ),
        522 => (
            "Connection Timed Out",
            "Cloudflare gets no connection to your server: is the address in the DNS record right, and the port open to \
             Cloudflare's addresses in every firewall?",
        ),
        523 => (
            "Origin Is Unreachable",
            "Cloudflare finds no way to your server: correct the address in the DNS record",
        ),
        524 => (
            "A Timeout Occurred",
            "your server took Cloudflare's connection and gave no answer: does the relay, or the proxy before it, hang?",
        ),
        525 => (
            "SSL Handshake Failed",
            "Cloudflare asks your server for TLS: give it a certificate, or choose another encryption mode in Cloudflare's SSL/TLS \
             settings",
        ),
        526 => (
            "Invalid SSL Certificate",
            "Cloudflare does not accept your server's certificate: renew it, take one of Cloudflare's for origins, or choose \
             Full in place of Full (strict)",
        ),
        530 => (
            "Origin DNS or Tunnel Error",
            "Cloudflare does not find your server: is cloudflared running (error 1033), and does the name in the DNS record \
             resolve (1016)?",
        ),
        _ => return None,
    })
}

/// The title of a page.
fn title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let begin = lower.find("<title")?;
    let begin = begin + lower[begin..].find('>')? + 1;
    let end = begin + lower[begin..].find("</")?;
    let title = page.get(begin..end)?.split_whitespace();
    let title = title.collect::<Vec<_>>().join(" ");
    (!title.is_empty()).then_some(title)
}

fn ws(location: &str) -> String {
    match location.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some(("https", rest)) => format!("wss://{rest}"),
        _ => location.to_owned(),
    }
}
