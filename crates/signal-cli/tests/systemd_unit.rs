//! `examples/systemd/signal.service`: systemd's own judgement of it, and the relay under what it
//! imposes.

#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::certificate::Certificate;
use common::{Ran, Relay, clean, run, run_command};
use rustix::process::Signal;
use serde_json::json;
use signal_testwire::{Folder, installed, skipped};

const UNIT: &str = include_str!("../../../examples/systemd/signal.service");
const SOCKET: &str = include_str!("../../../examples/systemd/signal.socket");

/// What the unit says of a key, in order.
fn values(key: &str) -> Vec<&'static str> {
    let lines = UNIT.lines().filter_map(|line| line.split_once('='));
    let values: Vec<_> = lines
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value)
        .collect();
    assert!(!values.is_empty(), "{key} is not in the unit");
    values
}

fn number(key: &str) -> u64 {
    let value = values(key)[0];
    value.parse().unwrap_or_else(|_| panic!("{key}={value}"))
}

/// The binary under test, where a user without rights can get at it.
fn copied(folder: &Folder) -> PathBuf {
    let copy = PathBuf::from(folder.path("signal"));
    fs::copy(env!("CARGO_BIN_EXE_signal"), &copy).expect("a copy");
    copy
}

#[test]
fn systemd_finds_nothing_wrong_and_little_exposed() {
    let Some(analyze) = installed("SIGNAL_SYSTEMD_ANALYZE") else {
        return;
    };
    let folder = Folder::new("verify");
    let binary = copied(&folder);
    let unit = UNIT.replace("/usr/local/bin/signal", binary.to_str().expect("UTF-8"));
    // As it is, and with all that it offers.
    let is_setting = |line: &str| line.starts_with(|first: char| first.is_ascii_uppercase());
    let uncommented = unit.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if is_setting(setting) => format!("{setting}\n"),
        _ => format!("{line}\n"),
    });
    let offers: String = uncommented.collect();
    assert!(offers.contains("\nSocketBindAllow=tcp:443\n"), "{offers}");
    let path = PathBuf::from(folder.path("signal.service"));
    let verify = |path: &Path| {
        let verified = run_command(Command::new(&analyze).arg("verify").arg(path));
        assert_eq!(verified.code(), Some(0), "{verified:?}");
        assert_eq!(verified.stderr, "", "no warning either");
    };
    for unit in [offers, unit] {
        fs::write(&path, unit).expect("a file can be written");
        verify(&path);
    }
    let uncommented = SOCKET.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if is_setting(setting) => format!("{setting}\n"),
        _ => format!("{line}\n"),
    });
    let offers: String = uncommented.collect();
    assert!(
        offers.contains("\nListenStream=/run/signal.sock\n"),
        "{offers}"
    );
    let socket = PathBuf::from(folder.path("signal.socket"));
    for unit in [offers, SOCKET.to_owned()] {
        fs::write(&socket, unit).expect("a file can be written");
        verify(&socket);
    }

    // In tenths: 10 is nothing allowed, 100 is everything.
    let mut security = Command::new(&analyze);
    security.args(["security", "--offline=true", "--no-pager", "--threshold=14"]);
    let judged = run_command(security.arg(&path));
    assert_eq!(judged.code(), Some(0), "{judged:?}");
    judged.says("Overall exposure level");
}

#[test]
fn its_times_and_codes_are_those_of_the_relay() {
    let config = signal_tokio::Config::default();
    let ending = u64::from(config.drain_seconds) + config.close_timeout.as_secs();
    let stop = number("TimeoutStopSec");
    assert!(stop > ending, "{stop} s, and the drain takes {ending} s");

    let wrong = run(&["serve", "--peers-max", "many"]);
    let code = i32::try_from(number("RestartPreventExitStatus")).expect("a code");
    assert_eq!(wrong.code(), Some(code), "wrong settings end with it");

    let print = run(&["config", "print"]);
    print.says(&values("SocketBindAllow")[0].replace("tcp", "localhost"));
    assert!(
        !UNIT.contains("\n#LoadCredential=") && !UNIT.contains("\nLoadCredential="),
        "a copy that systemd made does not change when the file does"
    );
    let variables = ["LISTEN", "TLS_CERT", "TLS_KEY", "TOKEN_KEY_FILE"];
    for name in variables.map(|name| format!("SIGNAL_{name}")) {
        assert!(UNIT.contains(&format!("{name}=")), "{name}");
        run(&["config", "print", "--env"]).says(&format!("{name}="));
    }
}

/// Everything a relay does in its life, over TLS.
async fn live(relay: Relay, certificate: &Certificate) -> (Option<i32>, String) {
    let port = relay.address().rsplit_once(':').expect("a port").1;
    let port = port.parse().expect("a port");
    let mut peers = Vec::new();
    for _ in 0..50 {
        peers.push(certificate.connect(port, "/").await.expect("an upgrade"));
    }
    for peer in &mut peers {
        peer.subscribe("room").await;
    }
    peers[0].publish("room", json!("x".repeat(50_000))).await;
    for peer in &mut peers {
        assert_eq!(peer.receive().await["clients"], 50);
    }
    relay.until_logged("the certificate is valid");
    relay.signal(Signal::HUP);
    relay.until_logged("the certificate is valid");
    peers[0].ping().await;
    relay.signal(Signal::TERM);
    for peer in &mut peers {
        assert_eq!(peer.closed().await, Some(1012));
    }
    drop(peers);
    relay.wait()
}

fn arguments(certificate: &Certificate) -> Vec<String> {
    let path = |path: PathBuf| path.to_str().expect("UTF-8").to_owned();
    let (cert, key) = (path(certificate.path()), path(certificate.key_path()));
    ["serve", "--listen", "127.0.0.1:0", "--drain-seconds", "0"]
        .map(str::to_owned)
        .into_iter()
        .chain(["--tls-cert".to_owned(), cert, "--tls-key".to_owned(), key])
        .collect()
}

#[tokio::test]
async fn it_makes_no_system_call_that_the_unit_forbids() {
    let (Some(strace), Some(analyze)) = (
        installed("SIGNAL_STRACE"),
        installed("SIGNAL_SYSTEMD_ANALYZE"),
    ) else {
        return;
    };
    let folder = Folder::new("strace");
    let trace = PathBuf::from(folder.path("trace"));
    let certificate = Certificate::new();
    let mut command = clean(strace);
    // Forks are followed, and the program is the child of nobody but the test.
    command.args(["-f", "-qq", "-D", "-o"]).arg(&trace);
    command
        .arg(env!("CARGO_BIN_EXE_signal"))
        .args(arguments(&certificate));
    let relay = Relay::start_command(command);
    let (code, log) = live(relay, &certificate).await;
    assert_eq!(code, Some(0), "{log}");

    let trace = fs::read_to_string(trace).expect("what strace saw");
    // A call that was interrupted has a second line, which says `<... name resumed>`.
    let begun = trace.lines().filter(|line| !line.contains("<... "));
    let calls = begun.filter_map(|line| {
        let (name, arguments) = line.split_once('(')?;
        Some((name.split_whitespace().last()?, arguments))
    });
    let calls: Vec<_> = calls.collect();
    let made: BTreeSet<&str> = calls.iter().map(|(name, _)| *name).collect();
    for expected in ["accept4", "epoll_wait", "prlimit64", "recvfrom"] {
        assert!(
            made.contains(expected),
            "strace saw no {expected}: {made:?}"
        );
    }
    let allowed = allowed_calls(&analyze);
    let forbidden: Vec<_> = made
        .iter()
        .filter(|name| !allowed.contains(**name))
        .collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");

    let families = values("RestrictAddressFamilies")[0];
    for (name, arguments) in &calls {
        // MemoryDenyWriteExecute=
        let makes_executable = match *name {
            "mmap" => arguments.contains("PROT_WRITE|PROT_EXEC"),
            "mprotect" | "pkey_mprotect" => arguments.contains("PROT_EXEC"),
            _ => false,
        };
        assert!(!makes_executable, "{name}({arguments}");
        if ["socket", "socketpair"].contains(name) {
            let family = arguments.split(',').next().expect("a family");
            assert!(families.split(' ').any(|known| known == family), "{family}");
        }
    }
}

/// The names that the filters of the unit let through, in their order.
fn allowed_calls(analyze: &Path) -> BTreeSet<String> {
    // Before the first filter there is what every program needs.
    let mut allowed = expand(analyze, "@default");
    for filter in values("SystemCallFilter") {
        let (filter, is_denied) = match filter.strip_prefix('~') {
            Some(filter) => (filter, true),
            None => (filter, false),
        };
        for name in filter.split(' ') {
            for call in expand(analyze, name) {
                if is_denied {
                    allowed.remove(&call);
                } else {
                    allowed.insert(call);
                }
            }
        }
    }
    allowed
}

/// The calls of a set, as systemd knows it.
fn expand(analyze: &Path, name: &str) -> BTreeSet<String> {
    if !name.starts_with('@') {
        return BTreeSet::from([name.to_owned()]);
    }
    let set = run_command(Command::new(analyze).args(["syscall-filter", "--no-pager", name]));
    assert_eq!(set.code(), Some(0), "{set:?}");
    let lines = set.stdout.lines().skip(1).map(str::trim);
    let members = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    members.flat_map(|member| expand(analyze, member)).collect()
}

/// Without rights, in a file system that cannot be written to, with the unit's limits.
#[tokio::test]
async fn it_serves_with_the_rights_and_limits_of_the_unit() {
    if !can_unshare() {
        return skipped("namespaces need root");
    }
    let folder = Folder::new("rights");
    let certificate = Certificate::new();
    readable(&certificate.folder());
    let memory = match values("MemoryMax")[0].strip_suffix('G') {
        Some(gigabytes) => gigabytes.parse::<u64>().expect("a number") << 30,
        None => panic!("MemoryMax in another unit"),
    };
    // No more than this machine allows.
    let machine = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let files = number("LimitNOFILE").min(machine.unwrap_or(u64::MAX));
    let umask = values("UMask")[0];
    let script = format!(
        "mount -o remount,ro,bind / / && umask {umask} && exec prlimit --nofile={files}:{files} --core=0 \
         --data={memory} setpriv --no-new-privs --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
         --bounding-set=-all \"$@\""
    );
    let mut command = clean("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]);
    command.arg(copied(&folder)).args(arguments(&certificate));
    let relay = Relay::start_command(command);
    assert_eq!(relay.listening["open_files"], files);
    for (name, value) in [
        ("NoNewPrivs:", "1"),
        ("CapBnd:", "0000000000000000"),
        ("CapEff:", "0000000000000000"),
        ("Uid:", "65534"),
    ] {
        assert_eq!(relay.status_of(name), value, "{name}");
    }
    let (code, log) = live(relay, &certificate).await;
    assert_eq!(code, Some(0), "{log}");
}

fn can_unshare() -> bool {
    let tried = Command::new("unshare").args(["--mount", "true"]).output();
    tried.is_ok_and(|output| output.status.success())
}

/// Lets everybody read a folder, as the unit's group may.
fn readable(folder: &Path) {
    let mut command = Command::new("chmod");
    let ran: Ran = run_command(command.args(["-R", "a+rX"]).arg(folder));
    assert_eq!(ran.code(), Some(0), "{ran:?}");
}
