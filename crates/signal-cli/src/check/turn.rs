//! Whether the credentials for TURN servers that a relay gives out can be used, and who gets them.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use base64ct::{Base64, Encoding as _};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL,
};
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use signal_access::TurnUrls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::check::answer::{self, Answer};
use crate::check::options::Options;
use crate::check::recorder::{Done, Work};
use crate::check::report::Problem;
use crate::check::stream::Credentials;
use crate::check::target::Target;
use crate::check::{connect, refusals};
use crate::show;

const PATH: &str = "/turn";
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// What HMAC-SHA1 comes to.
const CREDENTIAL_BYTES: usize = 20;
/// The longest that a relay of this project gives out.
const TTL_MAX: u64 = 30 * 24 * 3_600;
/// How far clocks may be apart without a warning.
const CLOCKS_APART_MAX: u64 = 120;

const NOTHING: &str = "no TURN credentials are given out here";

/// What a relay answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    ice_servers: Vec<IceServer>,
    #[serde(default)]
    ttl: Option<u64>,
}

/// One entry, as an `RTCPeerConnection` takes it.
#[derive(Debug, Deserialize)]
struct IceServer {
    urls: Urls,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    credential: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Urls {
    One(String),
    All(Vec<String>),
}

/// Asks for credentials, as a client that may connect, and as one that has no token.
pub(crate) async fn check(target: &Target, options: &Options, address: SocketAddr) -> Work<()> {
    let credentials = &options.credentials;
    let Some(answer) = ask(target, credentials, options, address).await else {
        return Ok(Done::absent(NOTHING));
    };
    if !answer.status.is_success() {
        return refused(&answer);
    }
    let Some(given) = read(&answer) else {
        // Another page of another server.
        return Ok(Done::absent(NOTHING));
    };
    if let Some((target, credentials)) = without_token(target, credentials)
        && let Some(answer) = ask(&target, &credentials, options, address).await
        && answer.status.is_success()
        && read(&answer).is_some()
        && connect::at_once(&target, &options.way, &credentials, address)
            .await
            .is_err()
    {
        return Err(Problem::new(
            "TURN credentials are given to clients without a token, although they may not connect",
            "let the same judge decide about /turn as about upgrades; does something in between answer for the relay?",
        ));
    }
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let given = given.map_err(|problem| Problem::new(problem, AS_BROWSERS))?;
    let fault = fault(&given, now.as_secs())
        .or_else(|| fault_of_head(&answer.headers, credentials.origin.as_ref()));
    let warning = fault.map(|(what, fix)| Problem::new(what, fix));
    Ok(Done::new((), describe(&given)).warn_if(warning))
}

const AS_BROWSERS: &str = "answer with iceServers as an RTCPeerConnection takes them: {\"iceServers\":[{\"urls\":[…],\"username\":…,\
                           \"credential\":…}],\"ttl\":…}";

/// Whether the relay has refused, and not a page that happens to be there.
fn refused(answer: &Answer) -> Work<()> {
    let body = String::from_utf8_lossy(&answer.rest);
    let status = answer.status;
    if status.as_u16() == 429 {
        let wait = answer.headers.get(RETRY_AFTER);
        let wait = wait.and_then(|wait| wait.to_str().ok()).unwrap_or("60");
        return Ok(Done::absent(format!(
            "too many requests (HTTP 429); ask again after {wait} s"
        )));
    }
    let Some(fix) = refusals::fix(body.trim()) else {
        return Ok(Done::absent(NOTHING));
    };
    let said = show::quoted(body.trim(), 120);
    let what =
        format!("a client that may connect is refused TURN credentials: HTTP {status}, {said}");
    Ok(Done::new((), "").warn_if(Some(Problem::new(what, fix))))
}

/// The answer to one plain request; none if there is no HTTP answer. By HTTP/1.0, so that it ends
/// with the connection and is not in chunks.
async fn ask(
    target: &Target,
    credentials: &Credentials,
    options: &Options,
    address: SocketAddr,
) -> Option<Answer> {
    let asked = async {
        let mut stream = connect::again(target, &options.way, address).await.ok()?;
        stream.write_all(&request(target, credentials)).await.ok()?;
        stream.flush().await.ok()?;
        let mut input = Vec::new();
        let mut limited = stream.take(ANSWER_BYTES_MAX);
        // TLS may end without a farewell; what has come counts.
        let _ = limited.read_to_end(&mut input).await;
        answer::parse(&input).ok()?
    };
    tokio::time::timeout(options.timeout, asked).await.ok()?
}

fn request(target: &Target, credentials: &Credentials) -> Vec<u8> {
    let query = target.path.split_once('?').map_or("", |(_, query)| query);
    let mark = if query.is_empty() { "" } else { "?" };
    let start = format!("GET {PATH}{mark}{query} HTTP/1.0\r\n");
    answer::with_credentials(start, target, credentials)
}

/// The same without what carries a token, if something does.
fn without_token(target: &Target, credentials: &Credentials) -> Option<(Target, Credentials)> {
    let is_carrier = |name: &HeaderName| [AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL].contains(name);
    let has_header = credentials.headers.iter().any(|(name, _)| is_carrier(name));
    let bare = target.without_token();
    if !has_header && bare == *target {
        return None;
    }
    let headers = credentials.headers.iter();
    let headers = headers.filter(|(name, _)| !is_carrier(name));
    let credentials = Credentials {
        headers: headers.cloned().collect(),
        origin: credentials.origin.clone(),
    };
    Some((bare, credentials))
}

/// What is given, or what is wrong with it; none if it is about something else.
fn read(answer: &Answer) -> Option<Result<Given, String>> {
    let document: serde_json::Value = serde_json::from_slice(&answer.rest).ok()?;
    document.get("iceServers")?;
    let read = serde_json::from_value(document);
    Some(read.map_err(|error| format!("the TURN credentials cannot be read: {error}")))
}

/// What is wrong with credentials, and what to do about it.
fn fault(given: &Given, now: u64) -> Option<(String, &'static str)> {
    let urls = given.ice_servers.iter().flat_map(IceServer::urls);
    if let Some(wrong) = urls.clone().find(|url| !is_ice_url(url)) {
        let what = format!(
            "{} is not an address of a TURN or STUN server",
            show::quoted(wrong, 60)
        );
        return Some((what, "write one such as turn:turn.example.org:3478"));
    }
    let servers = given.ice_servers.iter();
    let mut servers = servers.filter(|server| server.urls().any(is_turn_url));
    let Some(server) = servers.next() else {
        let what = "the TURN credentials name no TURN server".to_owned();
        return Some((what, "add the address of one: turn:turn.example.org:3478"));
    };
    let secret = "a browser refuses a TURN server without username and credential: give both";
    let Some(username) = server.username.as_deref().filter(|name| !name.is_empty()) else {
        return Some(("the TURN credentials have no username".to_owned(), secret));
    };
    let Some(credential) = server.credential.as_deref().filter(|text| !text.is_empty()) else {
        return Some(("the TURN credentials have no credential".to_owned(), secret));
    };
    let Some(end) = end_of(username) else {
        let what = format!(
            "the username {} is not EXPIRY:USER",
            show::quoted(username, 60)
        );
        let fix = "coturn's use-auth-secret reads when it ends, in seconds since 1970, a colon, and whose it is; with users of \
                   another kind, see that it takes them";
        return Some((what, fix));
    };
    let bytes = Base64::decode_vec(credential).map(|bytes| bytes.len());
    if bytes != Ok(CREDENTIAL_BYTES) {
        let what =
            "the credential is not an HMAC-SHA1 in base64, as coturn's use-auth-secret takes it";
        let fix = "sign the username with the secret that the TURN server has (static-auth-secret)";
        return Some((what.to_owned(), fix));
    }
    fault_of_time(end, given.ttl, now)
}

fn fault_of_time(end: u64, ttl: Option<u64>, now: u64) -> Option<(String, &'static str)> {
    let clocks = "compare the clocks of this machine, the relay and the TURN server";
    let Some(left) = end.checked_sub(now).filter(|left| *left > 0) else {
        let what = format!("the TURN credentials ended {} s ago", now.abs_diff(end));
        return Some((what, clocks));
    };
    let Some(ttl) = ttl else {
        let what = "the TURN credentials have no ttl".to_owned();
        return Some((
            what,
            "add for how many seconds they are good, so that pages know when to ask again",
        ));
    };
    if !(1..=TTL_MAX).contains(&ttl) {
        let what = format!("the ttl of the TURN credentials is {ttl} s");
        return Some((
            what,
            "give them for a day or so: who has them can use the TURN server until then",
        ));
    }
    if left.abs_diff(ttl) > CLOCKS_APART_MAX {
        let what = format!(
            "the TURN credentials end in {left} s by their username, and in {ttl} s by their ttl"
        );
        return Some((what, clocks));
    }
    None
}

fn fault_of_head(
    headers: &HeaderMap,
    origin: Option<&http::HeaderValue>,
) -> Option<(String, &'static str)> {
    let values = |name: HeaderName| headers.get_all(name).into_iter();
    let is_kept = |value: &http::HeaderValue| {
        let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
        value.split(',').any(|word| word.trim() == "no-store")
    };
    if !values(CACHE_CONTROL).any(is_kept) {
        let what = "the TURN credentials come without `Cache-Control: no-store`".to_owned();
        let fix = "send it, and see that nothing in between drops it: a cache would give one client's credentials to others";
        return Some((what, fix));
    }
    let origin = origin?;
    let may_read = |value: &http::HeaderValue| value == "*" || value == origin;
    if !values(ACCESS_CONTROL_ALLOW_ORIGIN).any(may_read) {
        let what = "a page of that origin cannot read the TURN credentials".to_owned();
        return Some((what, "send its origin in `Access-Control-Allow-Origin`"));
    }
    None
}

/// Until when a user name is good.
fn end_of(username: &str) -> Option<u64> {
    let (end, user) = username.split_once(':')?;
    let is_number = !end.is_empty() && end.bytes().all(|digit| digit.is_ascii_digit());
    (is_number && !user.is_empty()).then(|| end.parse().ok())?
}

fn is_turn_url(url: &str) -> bool {
    let url = url.to_ascii_lowercase();
    url.starts_with("turn:") || url.starts_with("turns:")
}

/// Whether a browser would take it, by the reader of the relay's own setting.
fn is_ice_url(url: &str) -> bool {
    // That one wants a TURN server among them.
    !url.contains(',') && ["turn:a", url].join(",").parse::<TurnUrls>().is_ok()
}

fn describe(given: &Given) -> String {
    let count = given.ice_servers.iter().flat_map(IceServer::urls).count();
    let ttl = given.ttl.map(Duration::from_secs);
    let until = ttl.map_or_else(String::new, |ttl| format!(", for {} s", ttl.as_secs()));
    format!("credentials for {}{until}", show::count(count, "URL"))
}

impl IceServer {
    fn urls(&self) -> impl Iterator<Item = &str> + Clone {
        match &self.urls {
            Urls::One(url) => std::slice::from_ref(url),
            Urls::All(urls) => urls,
        }
        .iter()
        .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn given(change: impl Fn(&mut serde_json::Value)) -> Option<String> {
        let mut document = serde_json::json!({
            "iceServers": [{
                "urls": ["turn:turn.example.org:3478", "stun:turn.example.org"],
                "username": format!("{}:ann", NOW + 600),
                "credential": "IO7AP7OpFdCl0Hg4Y6rpSEb7lQg=",
            }],
            "ttl": 600,
        });
        change(&mut document);
        let given = serde_json::from_value(document).expect("the form");
        fault(&given, NOW).map(|(what, _)| what)
    }

    #[test]
    fn what_coturn_and_browsers_take_is_right() {
        assert_eq!(given(|_| {}), None);
        assert_eq!(
            given(|all| all["iceServers"][0]["urls"] = "turns:a".into()),
            None
        );
        assert_eq!(given(|all| all["ttl"] = 500.into()), None);
    }

    #[test]
    fn each_fault_has_a_sentence() {
        let server = |name: &'static str, value: serde_json::Value| {
            given(move |all| all["iceServers"][0][name] = value.clone())
        };
        let long_ago = format!("{}:ann", NOW - 5);
        let later = format!("{}:ann", NOW + 3_600);
        for (said, sentence) in [
            (
                server("urls", "http://turn.example.org".into()),
                "\"http://turn.example.org\" is not an address of a TURN or STUN server",
            ),
            (server("urls", "stun:a".into()), "name no TURN server"),
            (
                given(|all| all["iceServers"] = serde_json::json!([])),
                "name no TURN server",
            ),
            (server("username", "".into()), "have no username"),
            (
                server("credential", serde_json::Value::Null),
                "have no credential",
            ),
            (
                server("username", "ann".into()),
                "the username \"ann\" is not EXPIRY:USER",
            ),
            (
                server("username", "1800000600:".into()),
                "is not EXPIRY:USER",
            ),
            (server("username", ":ann".into()), "is not EXPIRY:USER"),
            (
                server("credential", "c2VjcmV0".into()),
                "not an HMAC-SHA1 in base64",
            ),
            (server("username", long_ago.into()), "ended 5 s ago"),
            (
                server("username", later.into()),
                "end in 3600 s by their username, and in 600 s",
            ),
            (
                given(|all| all["ttl"] = serde_json::Value::Null),
                "have no ttl",
            ),
            (
                given(|all| all["ttl"] = 0.into()),
                "the ttl of the TURN credentials is 0 s",
            ),
            (
                given(|all| all["ttl"] = (TTL_MAX + 1).into()),
                "the ttl of the TURN credentials is",
            ),
        ] {
            let said = said.expect(sentence);
            assert!(said.contains(sentence), "{said}");
        }
    }

    #[test]
    fn what_a_cache_may_keep_or_a_page_cannot_read_is_a_fault() {
        let head = |pairs: &[(HeaderName, &'static str)], origin: Option<&'static str>| {
            let pairs = pairs.iter().cloned();
            let headers = pairs.map(|(name, value)| (name, http::HeaderValue::from_static(value)));
            let origin = origin.map(http::HeaderValue::from_static);
            fault_of_head(&headers.collect(), origin.as_ref()).map(|(what, _)| what)
        };
        let kept = (CACHE_CONTROL, "no-store");
        let page = Some("https://app.example");
        assert_eq!(head(&[(CACHE_CONTROL, "private, No-Store")], None), None);
        let said = head(&[(CACHE_CONTROL, "max-age=0")], None).expect("a fault");
        assert!(said.contains("without `Cache-Control: no-store`"), "{said}");
        for may in ["*", "https://app.example"] {
            let headers = [kept.clone(), (ACCESS_CONTROL_ALLOW_ORIGIN, may)];
            assert_eq!(head(&headers, page), None);
        }
        let other = [kept, (ACCESS_CONTROL_ALLOW_ORIGIN, "https://b.example")];
        let said = head(&other, page).expect("a fault");
        assert!(said.contains("a page of that origin cannot read"), "{said}");
    }
}
