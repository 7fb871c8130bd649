//! What tokens say: rights, times, audiences. How they are signed and written is in `forgeries`.

use super::access::access;
use super::build::{publish, published};
use super::carriers::{CARRIERS, query};
use crate::step::Token;
use crate::{Capability, Scenario};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = rights();
    all.extend(times());
    all.extend(audiences());
    all
}

/// A token with these claims besides a subject, an expiry and the audience.
pub(super) fn claims(more: &str) -> Token {
    Token::new(format!(
        r#"{{"sub":"conformance","exp":${{now+3600}}{more}${{aud}}}}"#
    ))
}

/// A token with rights to all that begins with `${t}` and these claims besides the audience.
pub(super) fn with_times(times: &str) -> Token {
    Token::new(format!(
        r#"{{"sub":"conformance",{times},"topics":["${{t}}*"]${{aud}}}}"#
    ))
}

/// A token with rights to `${t}` and these claims besides an expiry and the audience.
fn of_subject(subject: &str) -> Token {
    Token::new(format!(
        r#"{{"exp":${{now+3600}},"topics":["${{t}}"],{subject}${{aud}}}}"#
    ))
}

/// What a right token gives.
fn rights() -> Vec<Scenario> {
    vec![
        access(
            "access.token.exact_and_prefix",
            "U6 A1",
            "`topics` gives both rights: to names, and with a star to all that begin so",
        )
        .connect_token("a", claims(r#","topics":["${t}-one","${t}/*"]"#), query)
        .connect("b")
        .subscribe("a b", "${t}-one ${t}-one2 ${t}/x ${t}")
        .send("a", &publish("${t}-one", r#""data":1"#))
        .send("a", &publish("${t}-one2", r#""data":2"#))
        .send("a", &publish("${t}/x", r#""data":3"#))
        .expect("a b", &published("${t}-one", r#""data":1"#, 2))
        .expect("a b", &published("${t}/x", r#""data":3"#, 2))
        .send("b", &publish("${t}-one2", r#""data":4"#))
        .expect("b", &published("${t}-one2", r#""data":4"#, 1)),
        access(
            "access.token.rights_apart",
            "U6 A1 A2",
            "`subscribe` and `publish` give one right each, beside `topics`",
        )
        .connect_token(
            "a",
            claims(r#","topics":["${t}"],"subscribe":["${t}-in"],"publish":["${t}-out"]"#),
            query,
        )
        .connect("b")
        .subscribe("a b", "${t} ${t}-in ${t}-out")
        .send("a", &publish("${t}-in", r#""data":1"#))
        .send("a", &publish("${t}-out", r#""data":2"#))
        .expect("b", &published("${t}-out", r#""data":2"#, 1))
        .send("b", &publish("${t}-in", r#""data":3"#))
        .expect("a b", &published("${t}-in", r#""data":3"#, 2))
        .publish("a", r#""data":4"#)
        .expect_publish("a b", r#""data":4"#, 2),
        access(
            "access.token.no_rights",
            "U6 A1 A2 K1",
            "a token that names no topics lets in to nothing but pings",
        )
        .connect_token("a", claims(""), query)
        .room("b")
        .subscribe("a", "${t}")
        .publish("a", r#""data":1"#)
        .publish("b", r#""data":2"#)
        .expect_publish("b", r#""data":2"#, 1)
        .ping("a")
        .expect_pong("a"),
        access(
            "access.token.escapes",
            "U6 G4",
            "topics in a token are compared after its escapes are decoded, and no Unicode form is changed",
        )
        .connect_token("a", claims(r#","topics":["${t}\/\u0063af\u00e9"]"#), query)
        .connect("b")
        .send("a", r#"{"type":"subscribe","topics":["${t}/cafe\u0301","${t}/café"]}"#)
        .send("b", &publish(r"${t}/cafe\u0301", r#""data":1"#))
        .send("b", &publish("${t}/café", r#""data":2"#))
        .expect("a", &published("${t}/café", r#""data":2"#, 1)),
        access(
            "access.token.unknown_claims",
            "U6",
            "claims that are for others change nothing",
        )
        .connect_token(
            "a",
            claims(r#","topics":["${t}"],"iss":"x","iat":1,"jti":"1","admin":false,"scope":[{"a":null}]"#),
            query,
        )
        .subscribe("a", "${t}")
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
        access(
            "access.token.peers_max",
            "U13",
            "a subject has as many connections at once as its token allows, and so has each other",
        )
        .connect_token("a b", of_subject(r#""sub":"${t}-ann","peers_max":2"#), query)
        .expect_refused(&[429], None, |connect| {
            connect.token = Some(of_subject(r#""sub":"${t}-ann","peers_max":2"#));
            query(connect);
        })
        .connect_token("c", of_subject(r#""sub":"${t}-bob","peers_max":2"#), query)
        .connect_token("d", of_subject(r#""sub":"${t}-ann","peers_max":3"#), query)
        .expect_open("a b c d"),
        access(
            "access.token.peers_max_of_some",
            "U13",
            "connections whose token has no peers_max count for those whose token has one",
        )
        .connect_token("a b", of_subject(r#""sub":"${t}-ann""#), query)
        .expect_refused(&[429], None, |connect| {
            connect.token = Some(of_subject(r#""sub":"${t}-ann","peers_max":2"#));
            query(connect);
        })
        .connect_token("c", of_subject(r#""sub":"${t}-ann","peers_max":3"#), query)
        .connect_token("d", of_subject(r#""sub":"${t}-ann""#), query)
        .expect_open("a b c d"),
        refused(
            "access.token.subject_form",
            "U6 U13",
            "a subject that is not a name, and a number of connections that is not one or has no subject, are refused",
            [
                r#""sub":"""#,
                r#""sub":1"#,
                r#""sub":null"#,
                r#""sub":["ann"]"#,
                r#""sub":"ann","peers_max":0"#,
                r#""sub":"ann","peers_max":-1"#,
                r#""sub":"ann","peers_max":1.5"#,
                r#""sub":"ann","peers_max":"2""#,
                r#""sub":"ann","peers_max":null"#,
                r#""peers_max":2"#,
            ]
            .map(of_subject),
        ),
        refused(
            "access.token.topics_form",
            "U6",
            "topics that are not a list of names, or have a star inside, are refused, not guessed at",
            [
                r#","topics":"*""#,
                r#","topics":{"*":true}"#,
                r#","topics":[1]"#,
                r#","topics":[["*"]]"#,
                r#","topics":null"#,
                r#","topics":["${t}*x"]"#,
                r#","topics":["**"]"#,
                r#","topics":[""]"#,
                r#","topics":["${t}"],"subscribe":"*""#,
                r#","topics":["${t}"],"publish":"*""#,
            ]
            .map(claims),
        ),
    ]
}

fn times() -> Vec<Scenario> {
    vec![
        refused(
            "access.token.expired",
            "U7",
            "a token past its expiry is refused",
            [r#""exp":${now-3600}"#, r#""exp":${now-120}"#, r#""exp":1"#, r#""exp":0"#].map(with_times),
        ),
        refused(
            "access.token.expiry_form",
            "U7",
            "a token whose expiry is missing or no number of seconds is refused",
            [
                r#""iat":${now}"#,
                r#""EXP":${now+3600}"#,
                r#""exp":null"#,
                r#""exp":"${now+3600}""#,
                r#""exp":[${now+3600}]"#,
                r#""exp":true"#,
                r#""exp":-1"#,
                r#""exp":1e400"#,
            ]
            .map(with_times),
        ),
        refused(
            "access.token.not_yet",
            "U7",
            "a token before its beginning is refused",
            [
                r#""exp":${now+7200},"nbf":${now+3600}"#,
                r#""exp":${now+7200},"nbf":"${now-60}""#,
            ]
            .map(with_times),
        ),
        access(
            "access.token.begun",
            "U7",
            "a token after its beginning is let in",
        )
        .connect_token("a", with_times(r#""exp":${now+3600},"nbf":${now-60}"#), query)
        .subscribe("a", "${t}")
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
        access(
            "access.token.expires_in_connection",
            "U7 A3 C3",
            "a connection ends with its token: first its rights, and after the hold itself, with 4401",
        )
        .connect_token("a", with_times(r#""exp":${now+3}"#), query)
        .room("b")
        .subscribe("a", "${t}")
        .step(crate::Step::ExpectClosed {
            on: vec!["a".to_owned()],
            codes: vec![4401],
            within: Some("2*close_hold+4000".into()),
            eventually: false,
        })
        .publish("b", r#""data":1"#)
        .expect_publish("b", r#""data":1"#, 1),
    ]
}

fn audiences() -> Vec<Scenario> {
    let for_audience = |audience: &str| {
        Token::new(format!(
            r#"{{"sub":"conformance","exp":${{now+3600}},"topics":["${{t}}"]{audience}}}"#
        ))
    };
    vec![
        refused(
            "access.token.other_audience",
            "U10",
            "a token for somebody else is refused, also where no audience is asked for",
            [
                r#","aud":"somebody else""#,
                r#","aud":["somebody else","another"]"#,
                r#","aud":[]"#,
                r#","aud":{"${audience}":true}"#,
            ]
            .map(for_audience),
        ),
        refused(
            "access.token.audience_look_alike",
            "U10",
            "where an audience is asked for, no audience and one that looks like it are refused",
            [
                "",
                r#","aud":"${audience}x""#,
                r#","aud":"x${audience}""#,
                r#","aud":" ${audience}""#,
                r#","aud":["${audience}.example"]"#,
            ]
            .map(for_audience),
        )
        .needs([Capability::Audience]),
        access(
            "access.token.audiences",
            "U10",
            "a token for several audiences is let in by each of them",
        )
        .needs([Capability::Audience])
        .connect_token(
            "a",
            for_audience(r#","aud":["somebody else","${audience}"]"#),
            query,
        )
        .subscribe("a", "${t}")
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
    ]
}

/// Each of these tokens is refused in each carrier.
pub(super) fn refused<const N: usize>(
    id: &str,
    requirements: &str,
    title: &str,
    tokens: [Token; N],
) -> Scenario {
    let scenario = access(id, &format!("{requirements} U4"), title).needs([Capability::Tokens]);
    tokens.into_iter().fold(scenario, |s, token| {
        CARRIERS.iter().fold(s, |s, way| {
            s.expect_refused(&[401], Some("Bearer"), |connect| {
                connect.token = Some(token.clone());
                way(connect);
            })
        })
    })
}
