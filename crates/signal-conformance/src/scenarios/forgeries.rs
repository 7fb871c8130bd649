//! Tokens that are not signed as they must be, or not written as tokens are.

use super::access::access;
use super::carriers::{CARRIERS, CLAIMS, query};
use super::tokens::{claims, refused, with_times};
use crate::step::{Token, TokenKey};
use crate::{Capability, Scenario};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = signatures();
    all.extend(forms());
    all
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
            "the algorithm is that of the key, and a token that names none or another is refused",
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

fn forms() -> Vec<Scenario> {
    let with_claims = |text: &str| changed(|token| text.clone_into(&mut token.claims));
    vec![
        refused(
            "access.token.no_token",
            "U11",
            "what is not a token is refused",
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
            "a token whose header or claims are not JSON objects is refused",
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
            "a token of almost 12 KiB is let in",
        )
        .connect_token(
            "a",
            Token::new(r#"{"sub":"conformance","exp":${now+3600},"topics":["${t}"]${aud},"x":"${pad_to:8800}"}"#),
            query,
        )
        .subscribe("a", "${t}")
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
        access(
            "access.token.too_long",
            "U12",
            "a token of more than 12 KiB is refused, though it is right",
        )
        .needs([Capability::Tokens])
        .then(|s| {
            let long = r#"{"sub":"conformance","exp":${now+3600},"topics":["${t}"]${aud},"x":"${pad_to:9300}"}"#;
            CARRIERS.iter().fold(s, |s, way| {
                s.expect_refused(&[401, 414, 431], None, |connect| {
                    connect.token = Some(Token::new(long));
                    way(connect);
                })
            })
        }),
    ]
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
