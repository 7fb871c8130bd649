//! What clients bring their tokens in.

use super::access::access;
use super::build::publish;
use crate::step::{Connect, Token};
use crate::{Capability, Scenario};

/// Rights to `${t}`, for long enough.
pub(super) const CLAIMS: &str =
    r#"{"sub":"conformance","exp":${now+3600},"topics":["${t}"]${aud}}"#;

/// A way to bring a token.
type Carrier = fn(&mut Connect);

/// The ways a token can be brought.
pub(super) const CARRIERS: [Carrier; 3] = [authorization, query, protocol];

pub(super) fn authorization(connect: &mut Connect) {
    header(connect, "Authorization", "Bearer ${token}");
}

pub(super) fn query(connect: &mut Connect) {
    connect.query = Some("token=${token}".to_owned());
}

pub(super) fn protocol(connect: &mut Connect) {
    protocols(connect, &["signal-token", "${token}"]);
}

fn basic(connect: &mut Connect) {
    header(connect, "Authorization", "Basic YW5uOnNlY3JldA==");
}

fn header(connect: &mut Connect, name: &str, value: &str) {
    connect.headers.push((name.to_owned(), value.to_owned()));
}

fn protocols(connect: &mut Connect, offered: &[&str]) {
    connect
        .protocols
        .extend(offered.iter().map(|name| (*name).to_owned()));
}

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        served(
            "access.carrier.authorization",
            "U1 U2",
            "a token in Authorization: Bearer, whatever the case of the scheme",
            &[authorization, |connect| {
                header(connect, "Authorization", "bearer ${token}");
            }],
        ),
        served(
            "access.carrier.query",
            "U1 U2",
            "a token in ?token=, beside whatever else",
            &[query, |connect| {
                connect.query = Some("room=1&token=${token}&x=%20".to_owned());
            }],
        ),
        served(
            "access.carrier.protocol",
            "U1 U2 U3",
            "a token behind the subprotocol signal-token, of which only this marker is selected",
            &[protocol, |connect| {
                protocols(connect, &["app", "signal-token", "${token}"]);
                connect.selected = Some("signal-token".to_owned());
            }],
        ),
        refused(
            "access.carrier.none",
            "U1 U4",
            "without a token there is no upgrade",
            &[401],
            &[|_| {}],
        ),
        refused(
            "access.carrier.elsewhere",
            "U1 U2",
            "a token anywhere else does not count",
            &[401],
            &[
                |connect| header(connect, "Authorization", "Basic ${token}"),
                |connect| header(connect, "Authorization", "${token}"),
                |connect| header(connect, "X-Token", "${token}"),
                |connect| header(connect, "Cookie", "token=${token}"),
                |connect| connect.query = Some("access_token=${token}".to_owned()),
                |connect| connect.query = Some("Token=${token}".to_owned()),
                |connect| connect.query = Some("${token}".to_owned()),
                |connect| connect.query = Some("x=?token=${token}".to_owned()),
                |connect| protocols(connect, &["${token}"]),
                |connect| protocols(connect, &["${token}", "signal-token"]),
                |connect| protocols(connect, &["Signal-Token", "${token}"]),
            ],
        ),
        refused(
            "access.carrier.empty",
            "U1",
            "an empty token is refused, in each carrier",
            &[401],
            &[
                |connect| header(connect, "Authorization", "Bearer"),
                |connect| connect.query = Some("token=".to_owned()),
                |connect| connect.query = Some("token".to_owned()),
                |connect| protocols(connect, &["signal-token"]),
            ],
        ),
        refused(
            "access.carrier.several",
            "U5",
            "a right token in two places is refused, since it is open which counts",
            &[400, 401],
            &[
                |connect| {
                    authorization(connect);
                    query(connect);
                },
                |connect| {
                    authorization(connect);
                    protocol(connect);
                },
                |connect| {
                    query(connect);
                    protocol(connect);
                },
                |connect| connect.query = Some("token=${token}&token=${token}".to_owned()),
                |connect| connect.query = Some("token=${token}&%74oken=${token}".to_owned()),
                |connect| connect.query = Some("token=${token}&token=".to_owned()),
                |connect| {
                    authorization(connect);
                    authorization(connect);
                },
                |connect| {
                    protocol(connect);
                    connect.query = Some("token=".to_owned());
                },
                // Which of two headers a proxy has read is as open, whatever they say.
                |connect| {
                    basic(connect);
                    authorization(connect);
                },
                |connect| {
                    basic(connect);
                    authorization(connect);
                    query(connect);
                },
                |connect| {
                    basic(connect);
                    basic(connect);
                    query(connect);
                },
            ],
        ),
    ]
}

/// A client comes in each of these ways, and has the rights of its token.
fn served(id: &str, requirements: &str, title: &str, ways: &[Carrier]) -> Scenario {
    let names = ["a", "b"].into_iter().zip(ways);
    let scenario = names.fold(access(id, requirements, title), |s, (name, way)| {
        s.connect_token(name, Token::new(CLAIMS), *way)
    });
    let clients = if ways.len() == 2 { "a b" } else { "a" };
    scenario
        .subscribe(clients, "${t}-no ${t}")
        .send("a", &publish("${t}-no", r#""data":1"#))
        .publish("a", r#""data":2"#)
        .expect_publish(clients, r#""data":2"#, ways.len())
}

/// Nobody comes in in any of these ways, with a token that is right.
fn refused(
    id: &str,
    requirements: &str,
    title: &str,
    status: &[u16],
    ways: &[Carrier],
) -> Scenario {
    let challenge = (status == [401]).then_some("Bearer");
    let scenario = access(id, requirements, title).needs([Capability::Tokens]);
    ways.iter().fold(scenario, |s, way| {
        s.expect_refused(status, challenge, |connect| {
            connect.token = Some(Token::new(CLAIMS));
            way(connect);
        })
    })
}

impl Scenario {
    /// Connects with a token.
    pub(super) fn connect_token(
        self,
        on: &str,
        token: Token,
        way: impl FnOnce(&mut Connect),
    ) -> Self {
        self.connect_with(on, |connect| {
            connect.token = Some(token);
            way(connect);
        })
        .needs([Capability::Tokens])
    }
}
