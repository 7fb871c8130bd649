//! A relay that asks who may come in: `cargo run -p examples --example custom_auth`.
//!
//! Here a user may subscribe and publish to the rooms of their team, listen in the lobby, and have
//! ten connections at once. In a page: `new WebrtcProvider('team-7/notes', doc, { signaling:
//! ['ws://localhost:4444/?token=ann'] })`.
//!
//! For signed tokens none of this is needed: `AccessAuthorizer` (feature `tokens`) reads them.

use std::collections::HashMap;

use signal_tokio::{
    Authorization, Authorizer, Config, Grant, Permit, Refusal, Relay, Subject, TopicSet,
    UpgradeRequest,
};
use tokio::net::TcpListener;
use tokio::sync::RwLock;

/// Connections that each user may have at once; the next is answered with 429.
const PEERS_MAX: u32 = 10;

/// Which team a token belongs to. A real one would ask a database or check a signature.
struct Teams {
    by_token: RwLock<HashMap<String, String>>,
}

impl Authorizer for Teams {
    fn authorize<'a>(&'a self, request: &'a UpgradeRequest<'a>) -> Authorization<'a> {
        Box::pin(async move {
            // Browsers cannot set headers on a WebSocket, so the token comes in the address; keep
            // addresses out of your logs.
            let token = token_in(request.uri.query().unwrap_or_default())
                .ok_or_else(|| Refusal::new(401, "add ?token= to the address"))?;
            let teams = self.by_token.read().await;
            let team = teams
                .get(token)
                .ok_or_else(|| Refusal::new(401, "unknown token"))?;
            let rooms = TopicSet::none().prefix(&format!("{team}/"));
            let grant = Grant::new(rooms.clone().exact("lobby"), rooms);
            Ok(Permit::from(grant).subject(Subject::new(token, PEERS_MAX)))
        })
    }
}

fn token_in(query: &str) -> Option<&str> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("token="))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let by_token = [("ann", "team-7"), ("ben", "team-7"), ("cleo", "team-9")];
    let by_token = by_token.map(|(token, team)| (token.to_owned(), team.to_owned()));
    let teams = Teams {
        by_token: RwLock::new(by_token.into()),
    };
    let relay = Relay::with_authorizer(Config::default(), teams)?;
    let listener = TcpListener::bind("127.0.0.1:4444").await?;
    println!("ws://{}/?token=ann", listener.local_addr()?);
    relay.serve(listener).await;
    Ok(())
}
