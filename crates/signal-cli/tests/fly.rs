//! `examples/fly`, `examples/compose` and `examples/kubernetes`: what they say of the relay is so.

mod common;

use std::collections::BTreeMap;

use common::{Ran, Relay, run_command, signal};
use toml::Table;

const DOCKERFILE: &str = include_str!("../../../examples/fly/Dockerfile");
const COMPOSE: &str = include_str!("../../../examples/compose/compose.yaml");
const KUBERNETES: &str = include_str!("../../../examples/kubernetes/signal.yaml");
const FLY: &str = include_str!("../../../examples/fly/fly.toml");

fn fly() -> Table {
    FLY.parse().expect("TOML")
}

/// The value at a path such as `http_service.concurrency.type`.
fn at(path: &str) -> toml::Value {
    let table = toml::Value::Table(fly());
    let value = path
        .split('.')
        .try_fold(&table, |value, key| value.get(key));
    value
        .unwrap_or_else(|| panic!("{path} is not in fly.toml"))
        .clone()
}

fn integer(path: &str) -> i64 {
    at(path).as_integer().expect("a number")
}

/// The last stage of the Dockerfile, which is what becomes the image: instruction and the rest of
/// the line.
fn image() -> Vec<(&'static str, &'static str)> {
    let last = DOCKERFILE.rfind("\nFROM ").expect("a stage") + 1;
    let lines = DOCKERFILE[last..]
        .lines()
        .filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' ')).collect()
}

fn instruction(name: &str) -> &'static str {
    let found = image().into_iter().find(|(found, _)| *found == name);
    found.unwrap_or_else(|| panic!("no {name}")).1
}

/// The words of an instruction in its JSON form.
fn words(json: &str) -> Vec<String> {
    serde_json::from_str(json).expect("a list in JSON")
}

/// What Docker puts into the environment.
fn image_environment() -> BTreeMap<String, String> {
    let of_image = image().into_iter().filter(|(name, _)| *name == "ENV");
    let of_image = of_image.map(|(_, pair)| pair.split_once('=').expect("NAME=VALUE"));
    of_image
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What Docker and then Fly.io put into the environment.
fn environment() -> BTreeMap<String, String> {
    let mut all = image_environment();
    for (name, value) in at("env").as_table().expect("a table") {
        let value = value.as_str().expect("variables are text");
        all.insert(name.clone(), value.to_owned());
    }
    all
}

fn config(arguments: &[&str]) -> Ran {
    let mut command = signal(&[&["config"], arguments].concat());
    run_command(command.envs(environment()))
}

#[test]
fn every_variable_is_a_setting_with_a_value_that_can_be() {
    let checked = config(&["check"]);
    assert_eq!(checked.code(), Some(0), "{checked:?}");
    let printed = config(&["print"]);
    printed.says(&format!(
        "listen = \"*:{}\"",
        integer("http_service.internal_port")
    ));
    let peers_max = &environment()["SIGNAL_PEERS_MAX"];
    let peers_max: i64 = peers_max.parse().expect("a number");
    let (soft, hard) = (
        integer("http_service.concurrency.soft_limit"),
        integer("http_service.concurrency.hard_limit"),
    );
    assert!(
        peers_max < soft && soft < hard,
        "the relay refuses before the proxy"
    );
    assert_eq!(
        at("http_service.concurrency.type").as_str(),
        Some("connections")
    );
}

#[test]
fn fly_waits_for_the_drain() {
    let timeout = at("kill_timeout");
    let seconds = timeout.as_str().and_then(|text| text.strip_suffix('s'));
    let seconds: u64 = seconds.expect("seconds").parse().expect("a number");
    let ending = ending(&environment()["SIGNAL_DRAIN_SECONDS"]);
    assert!(
        seconds > ending,
        "{seconds} s, and the drain takes {ending} s"
    );
    assert_eq!(at("kill_signal").as_str(), Some("SIGTERM"));
    assert_eq!(instruction("STOPSIGNAL"), "SIGTERM");
}

/// The longest that a relay with this setting takes to end, in seconds.
fn ending(drain_seconds: &str) -> u64 {
    let close = signal_tokio::Config::default().close_timeout;
    drain_seconds.parse::<u64>().expect("a number") + close.as_secs()
}

#[test]
fn the_image_ends_before_docker_kills_it() {
    const DOCKER_SECONDS: u64 = 10;
    let default = signal_tokio::Config::default().drain_seconds.to_string();
    let drain = image_environment().remove("SIGNAL_DRAIN_SECONDS");
    // A webhook that hangs may take almost two more.
    let ending = ending(&drain.unwrap_or(default)) + 2;
    assert!(ending <= DOCKER_SECONDS, "the drain takes {ending} s");
}

/// What follows a word in a file, up to the end of the line or of the braces.
fn value<'a>(text: &'a str, word: &str) -> &'a str {
    let (_, rest) = text.split_once(word).unwrap_or_else(|| panic!("no {word}"));
    let end = rest.find([',', '}', '\n']).unwrap_or(rest.len());
    rest[..end].trim().trim_matches('"')
}

#[test]
fn compose_and_kubernetes_wait_for_the_drain() {
    let grace = value(COMPOSE, "stop_grace_period:").strip_suffix('s');
    let grace: u64 = grace.expect("seconds").parse().expect("a number");
    let drain = value(COMPOSE, "SIGNAL_DRAIN_SECONDS:");
    assert!(grace > ending(drain), "Compose kills after {grace} s");

    let grace = value(KUBERNETES, "terminationGracePeriodSeconds:");
    let grace: u64 = grace.parse().expect("a number");
    let drain = value(KUBERNETES, "name: SIGNAL_DRAIN_SECONDS, value:");
    assert!(grace > ending(drain), "Kubernetes kills after {grace} s");
}

#[test]
fn compose_and_kubernetes_check_and_reach_what_the_image_is() {
    let health = instruction("HEALTHCHECK")
        .split_once("CMD ")
        .expect("a command")
        .1;
    let check = value_of_list(COMPOSE, "test: ");
    assert_eq!(check[0], "CMD", "there is no shell");
    assert_eq!(check[1..], words(health));
    let port = instruction("EXPOSE");
    assert!(COMPOSE.contains(&format!("\"127.0.0.1:{port}:{port}\"")));
    assert_eq!(value(KUBERNETES, "name: ws, containerPort:"), port);
    assert!(
        KUBERNETES.contains("readinessProbe:\n            httpGet: { path: /readyz, port: ws }")
    );
    assert!(
        KUBERNETES.contains("livenessProbe:\n            httpGet: { path: /healthz, port: ws }")
    );
    let user = instruction("USER").split_once(':').expect("a group").0;
    assert_eq!(value(KUBERNETES, "runAsUser:"), user);
    assert_eq!(
        value(KUBERNETES, "replicas:"),
        "1",
        "one process is one relay"
    );
}

fn value_of_list(text: &str, word: &str) -> Vec<String> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(word));
    words(line.expect("a line"))
}

#[test]
fn one_machine_runs_and_is_never_stopped() {
    assert_eq!(at("http_service.auto_stop_machines").as_str(), Some("off"));
    assert_eq!(integer("http_service.min_machines_running"), 1);
}

#[test]
fn the_files_that_are_named_are_there() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/fly/");
    for name in ["build.dockerfile", "build.ignorefile"] {
        let path = format!("{folder}{}", at(name).as_str().expect("a path"));
        assert!(std::path::Path::new(&path).is_file(), "{path}");
    }
}

#[test]
fn the_image_is_one_program_and_a_list_of_authorities_run_by_nobody() {
    assert_eq!(instruction("FROM"), "scratch");
    assert_eq!(instruction("USER"), "65534:65534");
    let copied = image().into_iter().filter(|(name, _)| *name == "COPY");
    let copied: Vec<_> = copied.map(|(_, what)| what).collect();
    assert_eq!(
        copied,
        [
            "--from=build /signal /signal",
            "--from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt",
        ],
        "nothing else"
    );
    assert!(
        !image().iter().any(|(name, _)| *name == "RUN"),
        "there is no shell"
    );
    assert_eq!(words(instruction("ENTRYPOINT")), ["/signal"]);
}

#[test]
fn what_the_image_runs_works() {
    let port = &environment()["PORT"];
    assert_eq!(instruction("EXPOSE"), port);
    let mut serve = signal(&[]);
    // On a free port of this machine alone, whatever the image says.
    serve
        .args(words(instruction("CMD")))
        .args(["--listen", "127.0.0.1:0"]);
    serve.envs(image_environment());
    let relay = Relay::start_command(serve);

    let health = instruction("HEALTHCHECK")
        .split_once("CMD ")
        .expect("a command")
        .1;
    let check = words(health);
    assert_eq!(check[0], "/signal");
    let mut check_health = signal(&[]);
    check_health.args(&check[1..]);
    let checked = run_command(check_health.env("SIGNAL_LISTEN", relay.address()));
    assert_eq!(checked.code(), Some(0), "{checked:?}");

    let checks = at("http_service.checks");
    let check = &checks.as_array().expect("a list")[0];
    let text = |key: &str| check.get(key).and_then(toml::Value::as_str).expect("text");
    let request = format!(
        "{} {} HTTP/1.1\r\nHost: signal\r\n\r\n",
        text("method"),
        text("path")
    );
    let answer = signal_testwire::ask(relay.address(), &request);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"ready":true}"#)
    );
}

/// The Rust that builds it is one that the workspace accepts, and the crate that is built exists.
#[test]
fn what_builds_the_image_can() {
    let wanted = env!("CARGO_PKG_RUST_VERSION");
    let image = DOCKERFILE
        .split("FROM rust:")
        .nth(1)
        .expect("the build stage");
    let version = |text: &str| {
        let parts = text.split(['.', '-']).take(2);
        parts
            .map(|part| part.parse().expect("a number"))
            .collect::<Vec<u32>>()
    };
    assert!(version(image) >= version(wanted), "{wanted}");
    let built = format!("-p {} --bin signal", env!("CARGO_PKG_NAME"));
    assert!(DOCKERFILE.contains(&built), "{built}");
    // What xtask builds for its own test of this image.
    assert!(DOCKERFILE.contains("-unknown-linux-musl"));
}
