//! Files that are read again.
use signal_testwire::{Folder, NatsServer};

use crate::node::{ANN, BOB, Node, config, meet};
use crate::sign_in::with_file;

const USERS: &str =
    "authorization { users: [{ user: old, password: right }, { user: new, password: right }] }";

#[tokio::test]
async fn a_reload_moves_to_a_connection_with_what_the_file_says_now() {
    let Some(server) = NatsServer::start(USERS) else {
        return;
    };
    let folder = Folder::new("nats-files");
    let file = folder.write("login", "old:right");
    let mut ann = Node::connected(ANN, with_file(&server, file.clone())).await;
    let mut bob = Node::connected(BOB, with_file(&server, file)).await;
    folder.write("login", "new:right");
    ann.handle.reload().expect("a login");
    ann.counts(|stats| stats.connects == 2).await;
    assert_eq!(ann.stats().disconnects, 0);
    meet(&mut ann, &mut bob, BOB).await;
    meet(&mut bob, &mut ann, ANN).await;
}

#[tokio::test]
async fn a_reload_of_what_is_wrong_leaves_the_connection_that_is_right() {
    let Some(server) = NatsServer::start(USERS) else {
        return;
    };
    let folder = Folder::new("nats-files");
    let file = folder.write("login", "old:right");
    let mut ann = Node::connected(ANN, with_file(&server, file.clone())).await;
    let mut bob = Node::connected(BOB, with_file(&server, file)).await;
    folder.write("login", "two\nlines");
    let error = ann.handle.reload().expect_err("no login").to_string();
    assert!(error.starts_with("cluster_creds_file: "), "{error}");
    assert_eq!(ann.stats().failures, 0);
    folder.write("login", "old:wrong");
    ann.handle.reload().expect("a login, as far as one sees");
    let problem = ann.has_problem().await;
    assert!(
        problem.starts_with("it refuses the credentials: "),
        "{problem}"
    );
    assert!(ann.handle.status().is_connected());
    meet(&mut ann, &mut bob, BOB).await;
    folder.write("login", "new:right");
    ann.handle.reload().expect("a login");
    ann.counts(|stats| stats.connects == 2).await;
    assert_eq!(ann.stats().disconnects, 0);
    assert!(ann.handle.status().problem.is_none());
}

#[tokio::test]
async fn a_reload_ends_the_pause_before_the_next_attempt() {
    let Some(server) = NatsServer::start(USERS) else {
        return;
    };
    let folder = Folder::new("nats-files");
    let file = folder.write("login", "old:wrong");
    let ann = Node::start(ANN, with_file(&server, file));
    ann.counts(|stats| stats.failures >= 4).await;
    folder.write("login", "old:right");
    ann.handle.reload().expect("a login");
    ann.is_connected().await;
}

#[tokio::test]
async fn a_reload_without_files_only_connects_anew() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let ann = Node::connected(ANN, config(&[&server.url()])).await;
    ann.handle.reload().expect("no file");
    ann.counts(|stats| stats.connects == 2).await;
}
