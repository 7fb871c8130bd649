//! Tokens, right and wrong.

use super::access::access;
use super::build::{publish, published};
use super::carriers::{CARRIERS, CLAIMS, query};
use crate::step::{Token, TokenKey};
use crate::{Capability, Scenario};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = rights();
    all.extend(times());
    all.extend(signatures());
    all.extend(audiences());
    all.extend(forms());
    all
}

/// A token with these claims besides a subject, an expiry and the audience.
fn claims(more: &str) -> Token {
    Token::new(format!(
        r#"{{"sub":"conformance","exp":${{now+3600}}{more}${{aud}}}}"#
    ))
}

/// A token with rights to all that begins with `${t}` and these claims besides the audience.
fn with_times(times: &str) -> Token {
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

fn changed(change: impl FnOnce(&mut Token)) -> Token {
    let mut token = Token::new(CLAIMS);
    change(&mut token);
    token
}

fn with_header(header: &str) -> Token {
    changed(|token| header.clone_into(&mut token.header))
}

fn with_text(text: &str) -> Token {
    changed(|token| text.clone_into(&mut token.text))
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
        refused(
            "access.token.subject_form",
            "U6 U13",
            "a subject that is no name, a number of connections that is none, or one of nobody, is refused",
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
            "topics that are no list of names, or have a star inside, are refused and not guessed at",
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

fn signatures() -> Vec<Scenario> {
    let of = |key: TokenKey| {
        changed(|token| {
            token.key = key;
        })
    };
    let none = |header: &str| {
        changed(|token| {
            token.key = TokenKey::None;
            header.clone_into(&mut token.header);
        })
    };
    vec![
        refused(
            "access.token.wrong_key",
            "U8",
            "a token signed with another key is refused",
            [of(TokenKey::Other)],
        ),
        refused(
            "access.token.no_signature",
            "U8",
            "a token without its signature, or with another's, is refused",
            [
                of(TokenKey::None),
                with_text("${header}.${claims}"),
                with_text("${header}.${claims}.${claims}"),
                with_text("${header}.${claims}.A${signature}"),
                with_text("${header}.${claims}.${signature}AAAA"),
            ],
        ),
        refused(
            "access.token.forged",
            "U8",
            "a token whose claims were changed after it was signed is refused",
            [changed(|token| {
                token.forged = Some(
                    r#"{"sub":"conformance","exp":${now+3600},"topics":["*"]${aud}}"#.to_owned(),
                );
            })],
        ),
        refused(
            "access.token.algorithm_none",
            "U9",
            "a token that says it is not signed is refused, however it spells that",
            [
                none(r#"{"alg":"none"}"#),
                none(r#"{"alg":"None"${kid}}"#),
                none(r#"{"alg":"nOnE"}"#),
                none(r#"{"alg":""}"#),
                with_header(r#"{"alg":"none"${kid}}"#),
            ],
        ),
        refused(
            "access.token.algorithm",
            "U9",
            "the algorithm is the key's, and a token that names none or another is refused",
            [
                r#"{"alg":"${other_alg}"${kid}}"#,
                r#"{"alg":"HS384"${kid}}"#,
                r#"{"alg":"HS512"${kid}}"#,
                r#"{"alg":"RS256"${kid}}"#,
                r#"{"alg":"ES256"${kid}}"#,
                r#"{"alg":"hs256"${kid}}"#,
                r#"{"alg":"eddsa"${kid}}"#,
                r#"{"alg":"${alg} "${kid}}"#,
                r#"{"alg":["${alg}"]${kid}}"#,
                r#"{"alg":null${kid}}"#,
                r#"{"typ":"JWT"${kid}}"#,
            ]
            .map(with_header),
        ),
        refused(
            "access.token.public_key_as_secret",
            "U9",
            "a token signed by HS256 with the public key as the secret is refused",
            [changed(|token| {
                token.key = TokenKey::Public;
                token.header = r#"{"alg":"HS256"${kid}}"#.to_owned();
            })],
        )
        .needs([Capability::PublicKey]),
        refused(
            "access.token.critical",
            "U9",
            "a token with extensions that must be understood is refused",
            [
                r#"{"alg":"${alg}"${kid},"crit":["exp"],"exp":1}"#,
                r#"{"alg":"${alg}"${kid},"crit":["b64"],"b64":false}"#,
            ]
            .map(with_header),
        ),
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

fn forms() -> Vec<Scenario> {
    let with_claims = |text: &str| changed(|token| text.clone_into(&mut token.claims));
    vec![
        refused(
            "access.token.no_token",
            "U11",
            "what is no token is refused",
            [
                "x",
                ".",
                "..",
                "...",
                "a.b.c",
                "${header}",
                "${claims}.${header}.${signature}",
                "${header}.${claims}.${signature}.",
                "${header}.${claims}.${signature}.${signature}",
                ".${header}.${claims}.${signature}",
                "${header}=.${claims}.${signature}",
                "${header}..${claims}.${signature}",
                "${header}.${claims}.${signature}=",
            ]
            .map(with_text),
        ),
        refused_in_query(
            "access.token.odd_characters",
            "U11",
            "no character is trimmed from a token or skipped in it, and broken percent-encoding is refused",
            &[
                "token=%20${token}",
                "token=${token}%20",
                "token=${token}%0A",
                "token=${token}%00",
                "token=+${token}",
                "token=${token}%",
                "token=${token}%2",
                "token=${token}%zz",
                "token=%ff${token}",
                "token=%22${token}%22",
            ],
        ),
        refused(
            "access.token.no_objects",
            "U11",
            "a token whose header or claims are no JSON objects is refused",
            [
                with_header(""),
                with_header("null"),
                with_header(r#"["alg","${alg}"]"#),
                with_header(r#"{"alg":"${alg}"}}"#),
                with_header(r#""${alg}""#),
                with_claims(""),
                with_claims("null"),
                with_claims("[]"),
                with_claims(r#"{"exp":${now+3600},"topics":["*"]${aud}"#),
                with_claims(r#"{"exp":${now+3600},"topics":["*"]${aud}} x"#),
                with_claims(r#"{"sub":"${hex:ff}","exp":${now+3600},"topics":["*"]${aud}}"#),
            ],
        ),
        refused(
            "access.token.repeated_members",
            "U11",
            "a token that says something twice is refused, since it is open which counts",
            [
                with_header(r#"{"alg":"none","alg":"${alg}"${kid}}"#),
                with_header(r#"{"alg":"${alg}"${kid},"\u0061lg":"${alg}"}"#),
                with_times(r#""exp":1,"exp":${now+3600}"#),
                with_times(r#""exp":${now+3600},"exp":1"#),
                with_times(r#""exp":${now+3600},"e\u0078p":${now+3600}"#),
                claims(r#","topics":["${t}"],"topics":["*"]"#),
                claims(r#","topics":["${t}"],"sub":"somebody else""#),
            ],
        ),
        access(
            "access.token.long",
            "U12",
            "a token of almost 4 KiB is let in",
        )
        .connect_token(
            "a",
            Token::new(r#"{"sub":"conformance","exp":${now+3600},"topics":["${t}"]${aud},"x":"${pad_to:2800}"}"#),
            query,
        )
        .subscribe("a", "${t}")
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
        access(
            "access.token.too_long",
            "U12",
            "a token of more than 4 KiB is refused, though it is right",
        )
        .needs([Capability::Tokens])
        .then(|s| {
            let long = r#"{"sub":"conformance","exp":${now+3600},"topics":["${t}"]${aud},"x":"${pad_to:3300}"}"#;
            CARRIERS.iter().fold(s, |s, way| {
                s.expect_refused(&[401, 414, 431], None, |connect| {
                    connect.token = Some(Token::new(long));
                    way(connect);
                })
            })
        }),
    ]
}

/// Each of these tokens is refused in each carrier.
fn refused<const N: usize>(
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

/// A right token is refused in each of these queries.
fn refused_in_query(id: &str, requirements: &str, title: &str, queries: &[&str]) -> Scenario {
    let scenario = access(id, &format!("{requirements} U4"), title).needs([Capability::Tokens]);
    queries.iter().fold(scenario, |s, text| {
        s.expect_refused(&[401], Some("Bearer"), |connect| {
            connect.token = Some(Token::new(CLAIMS));
            connect.query = Some((*text).to_owned());
        })
    })
}
