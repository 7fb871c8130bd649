//! Tokens that libraries of others have signed, as identity providers do: `vectors/libraries.json`,
//! which `vectors/libraries/make.mjs` makes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::keys::{FAR, SECRET, hs256, oct};
use crate::row::{Relay, Row};

#[derive(Deserialize)]
struct Libraries {
    keys: Vec<Value>,
    signed: Vec<Signed>,
    tokens: BTreeMap<String, String>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Signed {
    name: String,
    relay: String,
    token: String,
    subject: String,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    relay: String,
    token: String,
    error: String,
}

fn read() -> Libraries {
    serde_json::from_str(include_str!("../../vectors/libraries.json"))
        .expect("the form of the file")
}

/// A relay that is set up for one provider.
struct Provider {
    name: &'static str,
    issuer: Option<&'static str>,
    audience: Option<&'static str>,
    claim: Option<&'static str>,
    default: Option<&'static str>,
}

impl Provider {
    /// A secret beside the public keys, with which a token for every topic is signed. The first
    /// relay has none, so that nothing but its public keys can be taken for one.
    fn secret(&self) -> Option<Value> {
        let is_first = self.name == "provider";
        (!is_first).then(|| oct(SECRET, Some("ours")))
    }
}

const PROVIDERS: [Provider; 7] = [
    Provider {
        name: "provider",
        issuer: None,
        audience: None,
        claim: None,
        default: None,
    },
    Provider {
        name: "auth0",
        issuer: Some("https://tenant.eu.auth0.com/"),
        audience: Some("https://api.example.org"),
        claim: Some("https://example.org/topics"),
        default: Some("lobby,user/{sub}/*"),
    },
    Provider {
        name: "clerk",
        issuer: Some("https://clerk.example.org"),
        audience: None,
        claim: None,
        default: Some("*"),
    },
    Provider {
        name: "firebase",
        issuer: Some("https://securetoken.google.com/my-app"),
        audience: Some("my-app"),
        claim: None,
        default: Some("user-{sub}"),
    },
    Provider {
        name: "supabase",
        issuer: Some("https://ref.supabase.co/auth/v1"),
        audience: Some("authenticated"),
        claim: Some("/app_metadata/topics"),
        default: None,
    },
    Provider {
        name: "keycloak",
        issuer: Some("https://id.example.org/realms/main"),
        audience: Some("relay"),
        claim: None,
        default: None,
    },
    Provider {
        name: "scope",
        issuer: Some("https://login.example.org/tenant/v2.0"),
        audience: Some("6731de76-14a6-49ae-97bc-6eba6914391e"),
        claim: Some("scope"),
        default: None,
    },
];

pub(crate) fn relays() -> impl Iterator<Item = (&'static str, Relay)> {
    let Libraries { keys, tokens, .. } = read();
    PROVIDERS.iter().map(move |provider| {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let relay = Relay {
            keys: Some(
                json!({ "keys": keys.iter().chain(&provider.secret()).collect::<Vec<_>>() }),
            ),
            audience: text(provider.audience),
            issuer: text(provider.issuer),
            topics_claim: text(provider.claim),
            topics_default: text(provider.default),
            pass: Some(match provider.secret() {
                Some(_) => pass(provider),
                None => tokens["pass"].clone(),
            }),
            ..Relay::default()
        };
        (provider.name, relay)
    })
}

/// A token that opens every topic there.
fn pass(provider: &Provider) -> String {
    let mut claims = json!({ "exp": FAR });
    match provider.claim {
        Some("/app_metadata/topics") => claims["app_metadata"] = json!({ "topics": ["*"] }),
        name => claims[name.unwrap_or("topics")] = json!(["*"]),
    }
    if let Some(issuer) = provider.issuer {
        claims["iss"] = issuer.into();
    }
    if let Some(audience) = provider.audience {
        claims["aud"] = audience.into();
    }
    hs256(
        r#"{"alg":"HS256","kid":"ours"}"#,
        &claims.to_string(),
        SECRET,
    )
}

pub(crate) fn rows() -> Vec<Row> {
    let Libraries {
        signed,
        tokens,
        refused,
        ..
    } = read();
    let signed = signed.into_iter().map(|signed| {
        let row = Row::new(&signed.name, &signed.relay).token(&signed.token);
        let row = row.upgraded("query").of(&signed.subject);
        row.may(&["garden", "team-7/x"], &["team-8/x", "lobby"])
    });
    let refused = refused.into_iter().map(|refused| {
        let row = Row::new(&refused.name, &refused.relay);
        row.token(&refused.token).refused(&refused.error)
    });
    let rows = signed.chain(refused);
    let rows = rows.chain(of_providers(&tokens));
    rows.chain(of_scopes()).collect()
}

/// What stands in the claim that names topics, as providers write scopes and groups.
fn of_scopes() -> Vec<Row> {
    let row = |name: &str, scope: Value| {
        let claims = json!({
            "exp": FAR,
            "iss": "https://login.example.org/tenant/v2.0",
            "aud": "6731de76-14a6-49ae-97bc-6eba6914391e",
            "scope": scope,
        });
        let header = r#"{"alg":"HS256","kid":"ours"}"#;
        Row::new(name, "scope").token(&hs256(header, &claims.to_string(), SECRET))
    };
    // As many as Entra ID puts into a token before it gives a link to them instead.
    let groups: Vec<String> = (0..200)
        .map(|number| format!("{number:08}-14a6-49ae-97bc-6eba6914391e"))
        .collect();
    vec![
        row(
            "a claim of topics that is a text names its words",
            json!("openid garden  team-7/*"),
        )
        .upgraded("query")
        .may(
            &["openid", "garden", "team-7/x"],
            &["openid garden", "team-8/x"],
        ),
        row("a claim of topics that is an empty text", json!(" "))
            .upgraded("query")
            .may(&[], &["garden"]),
        row(
            "a word with a star that is not its end",
            json!("garden a*b"),
        )
        .refused("claims"),
        row("a claim of topics that is a number", json!(7)).refused("claims"),
        row("two hundred groups", json!(groups))
            .upgraded("query")
            .may(
                &[&groups[0], &groups[199]],
                &["00000200-14a6-49ae-97bc-6eba6914391e"],
            ),
    ]
}

fn of_providers(tokens: &BTreeMap<String, String>) -> Vec<Row> {
    let row = |name: &str, relay: &str, token: &str| Row::new(name, relay).token(&tokens[token]);
    let subject = "auth0|5f7c8ec7c33c6c004bbafe82";
    let own = format!("user/{subject}/notes");
    vec![
        row(
            "a token of Auth0, with topics in a claim of its own",
            "auth0",
            "auth0",
        )
        .upgraded("query")
        .of(subject)
        .may(&["garden", "team-7/x"], &["lobby", &own]),
        row("a token of Auth0, without topics", "auth0", "auth0_bare")
            .upgraded("query")
            .of(subject)
            .may(&["lobby", &own], &["garden", "user/auth0|5f7c/notes"]),
        row(
            "a token of Auth0 whose issuer lacks the slash",
            "auth0",
            "auth0_no_slash",
        )
        .refused("issuer"),
        row(
            "a token of Auth0 for another API",
            "auth0",
            "auth0_other_audience",
        )
        .refused("audience"),
        row("a token of Clerk at a relay for Auth0", "auth0", "clerk").refused("issuer"),
        row("a token of Auth0 without a subject", "auth0", "no_subject")
            .upgraded("query")
            .may(&["lobby"], &["user//notes", "user/{sub}/notes"]),
        row(
            "a subject with a slash opens no user's topics",
            "auth0",
            "slash_subject",
        )
        .upgraded("query")
        .of("a/b")
        .may(&["lobby"], &["user/a/b/notes", "user/a/notes"]),
        row(
            "a subject that is a star opens no user's topics",
            "auth0",
            "star_subject",
        )
        .upgraded("query")
        .of("*")
        .may(&["lobby", "user/*/notes"], &["user/ann/notes"]),
        row("a token of Clerk", "clerk", "clerk")
            .upgraded("query")
            .of("user_2aXyZ")
            .may(&["garden"], &[]),
        row("a token of Firebase", "firebase", "firebase")
            .upgraded("query")
            .of("Zq8")
            .may(&["user-Zq8"], &["user-Zq80", "user-Zq"]),
        row("a token of Supabase", "supabase", "supabase")
            .upgraded("query")
            .of("3fa85f64-5717-4562-b3fc-2c963f66afa6")
            .may(&["garden"], &["lobby"]),
        row(
            "a token of Keycloak opens nothing by itself",
            "keycloak",
            "keycloak",
        )
        .upgraded("query")
        .of("f:1:ann")
        .may(&[], &["garden"]),
        row(
            "a token of Supabase at a relay for Keycloak",
            "keycloak",
            "supabase",
        )
        .refused("issuer"),
    ]
}
