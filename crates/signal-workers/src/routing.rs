//! What a request asks for, decided before the object is woken and billed.

use std::net::IpAddr;

use signal_access::{AddressKey, Denied, Refusal};

use crate::refusal;
use crate::settings::{ROOM_NAME_BYTES_MAX, Rooms, Settings};

/// What the decision rests on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) method: &'a str,
    /// The path of the URL as it was sent.
    pub(crate) path: &'a str,
    /// The query of the URL as it was sent, without its question mark.
    pub(crate) query: Option<&'a str>,
    /// `Upgrade`.
    pub(crate) upgrade: Option<&'a str>,
    /// `Host`.
    pub(crate) host: Option<&'a str>,
    /// `Origin`.
    pub(crate) origin: Option<&'a str>,
    /// `CF-Connecting-IP`. Cloudflare's edge sets it; no other header is believed.
    pub(crate) connecting_ip: Option<&'a str>,
    /// Whether `Access-Control-Request-Method` is there.
    pub(crate) asks_for_cors: bool,
}

/// What to do with a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Route {
    /// Say that all is well, as JSON.
    Health,
    /// Say whether anyone can come in now, as JSON.
    Ready,
    /// Tell the limits in force, as JSON, so that a tool can check them.
    Limits,
    /// Allow a page to ask.
    Preflight,
    /// `okay`, what y-webrtc's server answers to anything that is not an upgrade.
    Okay,
    /// Give credentials for TURN servers, if there are some, to this client, once the connect rate
    /// and the token have been judged.
    Turn(Result<Option<AddressKey>, Refusal>),
    /// Answer with this.
    Refuse(Refusal),
    /// Let an object accept it, once the connect rate and the token have been judged.
    Upgrade(Upgrade),
}

/// A connection that may come in as far as the URL and the origin say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Upgrade {
    /// The name of the object.
    pub(crate) object: String,
    /// The client, if it is held to the limits per address.
    pub(crate) address: Option<AddressKey>,
}

/// Decides.
pub(crate) fn route(facts: Facts<'_>, settings: &Settings) -> Route {
    let wants_websocket = facts
        .upgrade
        .is_some_and(|name| name.eq_ignore_ascii_case("websocket"));
    if !wants_websocket {
        return match facts.path {
            _ if facts.method == "OPTIONS" && facts.asks_for_cors => Route::Preflight,
            "/healthz" => Route::Health,
            "/readyz" => Route::Ready,
            "/limits" => Route::Limits,
            "/turn" => Route::Turn(turn(facts, settings)),
            _ => Route::Okay,
        };
    }
    if !settings.origins.allow(facts.origin, facts.host) {
        return Route::Refuse(Denied::Origin.into());
    }
    let address = limited(facts, settings);
    match object_name(facts, settings.rooms) {
        Ok(object) => Route::Upgrade(Upgrade { object, address }),
        Err(refusal) => Route::Refuse(refusal),
    }
}

/// Whose request for credentials is to be judged further.
fn turn(facts: Facts<'_>, settings: &Settings) -> Result<Option<AddressKey>, Refusal> {
    if !matches!(facts.method, "GET" | "HEAD") {
        return Err(refusal::turn_method());
    }
    if !settings.origins.allow(facts.origin, facts.host) {
        return Err(Denied::Origin.into());
    }
    Ok(limited(facts, settings))
}

/// The client's address. None if it is not an address, or a private one that is left alone.
fn limited(facts: Facts<'_>, settings: &Settings) -> Option<AddressKey> {
    let ip: IpAddr = facts.connecting_ip?.trim().parse().ok()?;
    let address = AddressKey::new(ip);
    (settings.addresses.limit_private_ips || !address.is_private()).then_some(address)
}

fn object_name(facts: Facts<'_>, rooms: Rooms) -> Result<String, Refusal> {
    match rooms {
        Rooms::Global => Ok("global".to_owned()),
        Rooms::ByName => {
            let name = room_name(facts)
                .filter(|name| !name.is_empty())
                .ok_or_else(refusal::no_room)?;
            if name.len() > ROOM_NAME_BYTES_MAX {
                return Err(refusal::room_name());
            }
            Ok(format!("room/{name}"))
        }
        Rooms::Hashed(count) => {
            let number = hash(facts.path) % u64::from(count.max(1));
            Ok(format!("hashed/{number}"))
        }
    }
}

/// The query of a URL as the runtime writes it, without the question mark. To parse it again would
/// bring in a parser and its tables, a sixth of the Worker.
pub(crate) fn query(url: &str) -> Option<&str> {
    let (before_fragment, _) = url.split_once('#').unwrap_or((url, ""));
    before_fragment.split_once('?').map(|(_, query)| query)
}

/// The name in the path, else in the query, character for character as the URL has it.
fn room_name(facts: Facts<'_>) -> Option<&str> {
    let in_path = facts.path.strip_prefix("/room/");
    let in_query = || {
        let mut pairs = facts
            .query?
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == "room").map(|(_, name)| name)
    };
    in_path.or_else(in_query)
}

/// FNV-1a. The same path must find the same object forever, so no hash of the standard library.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use signal_access::Origins;

    use super::*;

    fn get(path: &str) -> Facts<'_> {
        Facts {
            method: "GET",
            path,
            ..Facts::default()
        }
    }

    fn upgrade(path: &str) -> Facts<'_> {
        Facts {
            upgrade: Some("WebSocket"),
            ..get(path)
        }
    }

    fn by_name() -> Settings {
        Settings {
            rooms: Rooms::ByName,
            ..Settings::default()
        }
    }

    fn object(facts: Facts<'_>, settings: &Settings) -> Result<String, u16> {
        match route(facts, settings) {
            Route::Upgrade(upgrade) => Ok(upgrade.object),
            Route::Refuse(refusal) => Err(refusal.status()),
            Route::Health
            | Route::Ready
            | Route::Limits
            | Route::Preflight
            | Route::Turn(_)
            | Route::Okay => panic!("no upgrade"),
        }
    }

    #[test]
    fn what_is_not_an_upgrade_never_reaches_an_object() {
        let settings = Settings::default();
        assert_eq!(route(get("/healthz"), &settings), Route::Health);
        assert_eq!(route(get("/readyz"), &settings), Route::Ready);
        assert_eq!(route(get("/limits"), &settings), Route::Limits);
        assert_eq!(route(get("/"), &settings), Route::Okay);
        assert_eq!(route(get("/room/1"), &settings), Route::Okay);
        assert_eq!(
            route(
                Facts {
                    method: "POST",
                    ..get("/any")
                },
                &settings
            ),
            Route::Okay
        );
        assert_eq!(
            route(
                Facts {
                    upgrade: Some("h2c"),
                    ..get("/")
                },
                &settings
            ),
            Route::Okay
        );
    }

    #[test]
    fn credentials_are_for_a_get_of_a_page_that_may_connect() {
        let settings = Settings {
            origins: Origins::new(["https://app.example"]).unwrap(),
            ..Settings::default()
        };
        let status = |method, origin| {
            let facts = Facts {
                method,
                origin,
                ..get("/turn")
            };
            match route(facts, &settings) {
                Route::Turn(asked) => asked.map_or_else(|refusal| refusal.status(), |_| 200),
                Route::Health
                | Route::Ready
                | Route::Limits
                | Route::Preflight
                | Route::Okay
                | Route::Refuse(_)
                | Route::Upgrade(_) => panic!("no request for credentials"),
            }
        };
        assert_eq!(status("GET", None), 200);
        assert_eq!(status("HEAD", Some("https://app.example")), 200);
        assert_eq!(status("GET", Some("https://evil.example")), 403);
        assert_eq!(status("POST", None), 405);
        let socket = route(upgrade("/turn"), &settings);
        assert!(matches!(socket, Route::Upgrade(_)), "{socket:?}");
    }

    #[test]
    fn a_query_is_what_is_between_its_marks() {
        for (url, expected) in [
            ("https://a.example/", None),
            ("https://a.example/?", Some("")),
            ("https://a.example/b?token=x?y&z", Some("token=x?y&z")),
            ("https://a.example/b?token=x#c?d", Some("token=x")),
            ("https://a.example/b#c?d", None),
        ] {
            assert_eq!(query(url), expected, "{url}");
        }
    }

    #[test]
    fn a_preflight_is_answered_on_every_path() {
        let facts = Facts {
            method: "OPTIONS",
            asks_for_cors: true,
            ..get("/healthz")
        };
        assert_eq!(route(facts, &Settings::default()), Route::Preflight);
        let plain = Facts {
            method: "OPTIONS",
            ..get("/")
        };
        assert_eq!(route(plain, &Settings::default()), Route::Okay);
    }

    #[test]
    fn one_object_serves_all_paths() {
        let settings = Settings::default();
        for path in ["/", "/room/a", "/healthz"] {
            assert_eq!(object(upgrade(path), &settings).as_deref(), Ok("global"));
        }
    }

    #[test]
    fn a_room_has_the_name_in_the_path_or_in_the_query() {
        assert_eq!(
            object(upgrade("/room/garden"), &by_name()).as_deref(),
            Ok("room/garden")
        );
        let query = |query| Facts {
            query: Some(query),
            ..upgrade("/")
        };
        assert_eq!(
            object(query("a=1&room=garden"), &by_name()).as_deref(),
            Ok("room/garden")
        );
        assert_eq!(object(query("a=1"), &by_name()), Err(404));
        assert_eq!(object(query("room="), &by_name()), Err(404));
        assert_eq!(object(upgrade("/"), &by_name()), Err(404));
        assert_eq!(object(upgrade("/room/"), &by_name()), Err(404));
    }

    #[test]
    fn a_room_with_an_endless_name_is_refused() {
        let longest = format!("/room/{}", "x".repeat(ROOM_NAME_BYTES_MAX));
        assert!(object(upgrade(&longest), &by_name()).is_ok());
        assert_eq!(
            object(upgrade(&format!("{longest}x")), &by_name()),
            Err(414)
        );
    }

    #[test]
    fn hashed_paths_spread_over_all_objects_and_stay_where_they_are() {
        let settings = Settings {
            rooms: Rooms::Hashed(4),
            ..Settings::default()
        };
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..100 {
            seen.insert(object(upgrade(&format!("/{number}")), &settings).unwrap());
        }
        let all = ["hashed/0", "hashed/1", "hashed/2", "hashed/3"];
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
        // Known answers: a change would move every room of every deployment.
        assert_eq!(object(upgrade("/"), &settings).as_deref(), Ok("hashed/2"));
        assert_eq!(
            object(upgrade("/garden"), &settings).as_deref(),
            Ok("hashed/3")
        );
    }

    #[test]
    fn only_listed_origins_may_connect_once_there_is_a_list() {
        let mut settings = Settings::default();
        let from = |origin| Facts {
            origin,
            ..upgrade("/")
        };
        assert!(object(from(Some("https://evil.example")), &settings).is_ok());
        settings.origins = Origins::new(["https://app.example"]).unwrap();
        assert!(object(from(Some("https://app.example")), &settings).is_ok());
        assert_eq!(
            object(from(Some("https://evil.example")), &settings),
            Err(403)
        );
        assert_eq!(object(from(Some("null")), &settings), Err(403));
        assert!(object(from(None), &settings).is_ok(), "no browser");
    }

    #[test]
    fn the_client_is_the_one_that_cloudflare_names() {
        let facts = Facts {
            connecting_ip: Some("203.0.113.7"),
            ..upgrade("/")
        };
        let Route::Upgrade(upgrade) = route(facts, &Settings::default()) else {
            panic!("an upgrade");
        };
        assert_eq!(
            upgrade
                .address
                .map(|address| address.to_string())
                .as_deref(),
            Some("203.0.113.7")
        );
    }

    #[test]
    fn private_addresses_are_left_alone_unless_asked() {
        let limited = |ip, limit_private_ips| {
            let facts = Facts {
                connecting_ip: Some(ip),
                ..get("/")
            };
            let mut settings = Settings::default();
            settings.addresses.limit_private_ips = limit_private_ips;
            limited(facts, &settings).map(|address| address.to_string())
        };
        assert_eq!(
            limited("2001:db8:1:2::1", false).as_deref(),
            Some("2001:db8:1:2::")
        );
        for private in ["127.0.0.1", "10.1.2.3", "::1", "fd00::1"] {
            assert_eq!(limited(private, false), None, "{private}");
            assert!(limited(private, true).is_some(), "{private}");
        }
        for text in ["", "localhost", "203.0.113.7, 10.0.0.1", "1.2.3"] {
            assert_eq!(limited(text, true), None, "{text}");
        }
    }
}
