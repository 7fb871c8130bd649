//! What nodes sign in with, right and wrong.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use nkeys::KeyPair;
use serde_json::{Value, json};
use signal_nats::{Config, Problem};
use signal_testwire::{Folder, NatsServer};

use crate::node::{ANN, BOB, Node, config, meet};

/// The settings with what is in this file.
pub(crate) fn with_file(server: &NatsServer, file: String) -> Config {
    let mut config = config(&[&server.url()]);
    config.cluster_creds_file = Some(file.into());
    config
}

/// The address with these credentials in it.
fn with_login(server: &NatsServer, login: &str) -> Config {
    config(&[&format!("nats://{login}@{}", server.clients)])
}

async fn can_talk(first: Config, second: Config) {
    let mut ann = Node::connected(ANN, first).await;
    let mut bob = Node::connected(BOB, second).await;
    meet(&mut ann, &mut bob, BOB).await;
    meet(&mut bob, &mut ann, ANN).await;
}

#[tokio::test]
async fn users_sign_in_by_address_or_file() {
    let users = "authorization { users: [{ user: ann, password: \"s3 c:ret\" }] }";
    let Some(server) = NatsServer::start(users) else {
        return;
    };
    let folder = Folder::new("nats-files");
    let file = folder.write("login", "ann:s3 c:ret\n");
    can_talk(
        with_login(&server, "ann:s3%20c%3Aret"),
        with_file(&server, file),
    )
    .await;
}

#[tokio::test]
async fn tokens_sign_in_by_address_or_file() {
    let Some(server) = NatsServer::start("authorization { token: t0ken-t0ken }") else {
        return;
    };
    let folder = Folder::new("nats-files");
    let file = folder.write("token", "t0ken-t0ken\n");
    can_talk(with_login(&server, "t0ken-t0ken"), with_file(&server, file)).await;
}

#[tokio::test]
async fn nkeys_sign_in_by_file() {
    let key = KeyPair::new_user();
    let users = format!(
        "authorization {{ users: [{{ nkey: {} }}] }}",
        key.public_key()
    );
    let Some(server) = NatsServer::start(&users) else {
        return;
    };
    let folder = Folder::new("nats-files");
    let seed = key.seed().expect("a seed");
    let file = folder.write("seed", &format!("{seed}\n"));
    can_talk(with_file(&server, file.clone()), with_file(&server, file)).await;
    let other = KeyPair::new_user().seed().expect("a seed");
    let node = Node::start(ANN, with_file(&server, folder.write("other", &other)));
    assert!(
        node.has_problem()
            .await
            .starts_with("it refuses the credentials: ")
    );
}

#[tokio::test]
async fn creds_files_sign_in_and_after_they_have_expired_new_ones_do_on_reload() {
    let operator = Operator::new();
    let Some(server) = NatsServer::start(&operator.server()) else {
        return;
    };
    let folder = Folder::new("nats-files");
    let file = folder.write("a.creds", &operator.creds(None));
    let mut bob = Node::connected(BOB, with_file(&server, file)).await;
    let in_a_moment = unix_time() + 2;
    let file = folder.write("b.creds", &operator.creds(Some(in_a_moment)));
    let mut ann = Node::start(ANN, with_file(&server, file));
    let problem = ann.has_problem().await;
    assert!(
        problem.starts_with("it refuses the credentials: "),
        "{problem}"
    );
    ann.counts(|stats| stats.failures >= 2).await;
    folder.write("b.creds", &operator.creds(None));
    ann.handle.reload().expect("a creds file");
    ann.is_connected().await;
    meet(&mut ann, &mut bob, BOB).await;
}

#[tokio::test]
async fn wrong_credentials_are_one_line_in_the_log_and_no_secret_is_in_it() {
    let users = "authorization { users: [{ user: ann, password: right }] }";
    let Some(server) = NatsServer::start(users) else {
        return;
    };
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let node = Node::start(ANN, with_login(&server, "ann:wr0ng-s3cret"));
    assert_eq!(
        node.has_problem().await,
        "it refuses the credentials: authorization violation (see cluster_creds_file, or the user in cluster_nats)"
    );
    node.counts(|stats| stats.failures >= 3).await;
    assert!(!node.handle.status().is_connected());
    drop(guard);
    let log = log.text();
    assert!(!log.contains("wr0ng-s3cret"), "{log}");
    assert!(!format!("{node:?}", node = node.handle).contains("s3cret"));
    let ours: Vec<_> = log
        .lines()
        .filter(|line| line.contains(" signal_nats") && !line.contains("DEBUG"))
        .collect();
    let [line] = ours[..] else {
        panic!("{ours:#?}")
    };
    assert!(
        line.contains("ERROR") && line.contains(&server.url()),
        "{line}"
    );
    assert!(line.contains("cluster_creds_file"), "{line}");
}

#[tokio::test]
async fn a_user_who_may_not_subscribe_is_refused_with_the_subject() {
    let users = "authorization { users: [{ user: ann, password: right, permissions: { \
                 publish: \"signal.>\", subscribe: [\"signal.all\"] } }] }";
    let Some(server) = NatsServer::start(users) else {
        return;
    };
    let node = Node::start(ANN, with_login(&server, "ann:right"));
    let problem = node.has_problem().await;
    assert!(problem.contains("its user lacks a right: "), "{problem}");
    assert!(problem.contains(&format!("signal.n.{ANN}")), "{problem}");
}

#[tokio::test]
async fn the_rights_that_the_page_of_the_crate_names_are_enough() {
    let users = "authorization { users: [{ user: ann, password: right, permissions: { \
                 publish: \"signal.>\", subscribe: [\"signal.all\", \"signal.n.*\"] } }] }";
    let Some(server) = NatsServer::start(users) else {
        return;
    };
    let login = || with_login(&server, "ann:right");
    can_talk(login(), login()).await;
    assert!(!server.log().contains("Violation"), "{}", server.log());
}

#[tokio::test]
async fn a_user_who_may_not_publish_is_refused_once_it_shows() {
    let users = "authorization { users: [{ user: ann, password: right, permissions: { \
                 publish: \"other.>\", subscribe: \"signal.>\" } }] }";
    let Some(server) = NatsServer::start(users) else {
        return;
    };
    let mut node = Node::connected(ANN, with_login(&server, "ann:right")).await;
    node.bus.to_all(b"beat");
    assert!(
        node.has_problem()
            .await
            .contains("its user lacks a right: ")
    );
    assert!(matches!(
        node.handle.status().problem,
        Some((_, Problem::Rights(_)))
    ));
}

fn unix_time() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("it is after 1970");
    since.as_secs()
}

/// An operator of NATS with one account.
struct Operator {
    operator: KeyPair,
    account: KeyPair,
}

impl Operator {
    fn new() -> Self {
        Self {
            operator: KeyPair::new_operator(),
            account: KeyPair::new_account(),
        }
    }

    /// The configuration of a server that trusts this operator.
    fn server(&self) -> String {
        let own = self.operator.public_key();
        let account = self.account.public_key();
        let operator = jwt(
            &self.operator,
            &own,
            None,
            json!({ "type": "operator", "version": 2 }),
        );
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
            "conn": -1, "leaf": -1,
        });
        let claims = json!({ "type": "account", "version": 2, "limits": limits });
        let claims = jwt(&self.operator, &account, None, claims);
        format!(
            "operator: {operator}\nresolver: MEMORY\nresolver_preload: {{ {account}: {claims} }}"
        )
    }

    /// A `.creds` file for a new user of the account.
    fn creds(&self, expires: Option<u64>) -> String {
        let user = KeyPair::new_user();
        let claims = json!({
            "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {},
        });
        let jwt = jwt(&self.account, &user.public_key(), expires, claims);
        let seed = user.seed().expect("a seed");
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

/// A JWT in the dialect of NATS.
fn jwt(issuer: &KeyPair, subject: &str, expires: Option<u64>, claims: Value) -> String {
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let mut body = json!({
        "jti": "of a test", "iat": unix_time(), "iss": issuer.public_key(), "name": "a name",
        "sub": subject, "nats": claims,
    });
    if let Some(expires) = expires {
        body["exp"] = expires.into();
    }
    let encode = |part: &[u8]| Base64UrlUnpadded::encode_string(part);
    let parts = [header, body].map(|part| encode(part.to_string().as_bytes()));
    let signed = parts.join(".");
    let signature = issuer.sign(signed.as_bytes()).expect("a key that signs");
    format!("{signed}.{}", encode(&signature))
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("nobody panics")).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> tracing_subscriber::fmt::MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}
