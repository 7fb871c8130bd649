//! The settings as a user gives them: flags, environment, file.

mod common;

use common::{run, run_command, signal};
use signal_testwire::Folder;

/// The value of a setting and where it comes from, by `config print`.
fn printed(text: &str, name: &str) -> (String, String) {
    let line = text
        .lines()
        .find(|line| line.split(' ').next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("{name} is not in:\n{text}"));
    let (setting, origin) = line.split_once("  # ").expect("an origin");
    let (_, value) = setting.split_once('=').expect("a value");
    (value.trim().to_owned(), origin.to_owned())
}

#[test]
fn help_names_every_setting() {
    let help = run(&["serve", "--help"]);
    assert_eq!(help.code(), Some(0));
    let settings = run(&["config", "print"]).stdout;
    let names: Vec<_> = settings
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split(' ').next())
        .collect();
    assert!(names.len() > 30, "{settings}");
    for name in names {
        let switches = [
            "cluster_reannounce",
            "cluster_required",
            "limit_private_ips",
            "proxy_protocol",
        ];
        let is_switch = switches.contains(&name);
        let opens = if is_switch { "[" } else { " <" };
        help.says(&format!("--{}{opens}", name.replace('_', "-")));
    }
    assert_eq!(run(&["--help"]).code(), Some(0));
    run(&["--version"]).says(env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_flag_that_does_not_exist_shows_the_usage_of_what_was_typed() {
    for wrong in [&["--nonsense"][..], &["serve", "--nonsense"]] {
        let ran = run(wrong);
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says("Usage: signal [serve] [OPTIONS]");
    }
    run(&["--help"]).says("Usage: signal [COMMAND]");
}

#[test]
fn a_word_without_a_flag_is_answered_with_the_flag_that_it_is_for() {
    for (words, tip) in [
        (
            &["config", "check", "a.toml"][..],
            "signal config check --config a.toml",
        ),
        (&["config", "a.toml"], "signal config check --config a.toml"),
        (&["serve", "a.toml"], "signal serve --config a.toml"),
        (&["a.toml"], "signal serve --config a.toml"),
        (&["4444"], "signal serve --listen localhost:4444"),
        (&["serve", "[::]:4444"], "signal serve --listen [::]:4444"),
        (&["ws://127.0.0.1:4444"], "signal check ws://127.0.0.1:4444"),
        (&["--port", "8080"], "serve --listen localhost:8080"),
        (&["serve", "--port=8080"], "serve --listen localhost:8080"),
        (&["-p", "80"], "or --listen 80 for every interface"),
        (
            &["config", "check", "--port"],
            "signal config check --listen",
        ),
    ] {
        let ran = run(words);
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says(tip);
    }
    let ran = run(&["nonsense"]);
    assert!(!ran.stderr.contains("write:"), "{ran:?}");
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let folder = Folder::new("settings");
    let file = folder.write(
        "precedence.toml",
        "peers_max = 1\ndepth_max = 2\nheaders_max = 33\n",
    );
    let mut command = signal(&["config", "print", "--config", &file, "--peers-max", "3"]);
    command
        .env("SIGNAL_PEERS_MAX", "2")
        .env("SIGNAL_DEPTH_MAX", "7");
    let ran = run_command(&mut command);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    let print = |name| printed(&ran.stdout, name);
    assert_eq!(
        print("peers_max"),
        ("3".to_owned(), "flag --peers-max".to_owned())
    );
    assert_eq!(
        print("depth_max"),
        (
            "7".to_owned(),
            "environment variable SIGNAL_DEPTH_MAX".to_owned()
        )
    );
    assert_eq!(
        print("headers_max"),
        ("33".to_owned(), format!("{}, line 3", &file))
    );
    assert_eq!(
        print("topic_bytes_max"),
        ("\"4KiB\"".to_owned(), "default".to_owned())
    );
}

#[test]
fn the_file_can_be_named_by_a_variable() {
    let folder = Folder::new("settings");
    let file = folder.write(
        "named.toml",
        "write_deadline = 2.5\nclose_hold = \"500ms\"\n",
    );
    let ran = run_command(signal(&["config", "print"]).env("SIGNAL_CONFIG", &file));
    assert_eq!(printed(&ran.stdout, "write_deadline").0, "\"2500ms\"");
    assert_eq!(printed(&ran.stdout, "close_hold").0, "\"500ms\"");
}

#[test]
fn each_mistake_is_named_with_its_place_and_the_mend() {
    let folder = Folder::new("settings");
    let file = folder.write(
        "wrong.toml",
        "peer_max = 1\nclose_hold = \"10m\"\nlog = 5\n",
    );
    let mut command = signal(&["serve", "--config", &file, "--message-bytes-max", "64kB"]);
    command
        .env("SIGNAL_DEPTHMAX", "7")
        .env("SIGNAL_THREADS", "0");
    let ran = run_command(&mut command);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    let path = &file;
    for sentence in [
        "error: SIGNAL_DEPTHMAX (environment variable): there is no such setting\n       did you mean SIGNAL_DEPTH_MAX?",
        &format!(
            "error: peer_max ({path}, line 1): there is no such setting\n       did you mean peers_max?"
        ),
        "error: threads = \"0\" (environment variable SIGNAL_THREADS): too small\n       write a value from 1 to 1024, such as SIGNAL_THREADS=",
        &format!(
            "error: close_hold = \"10m\" ({path}, line 2): too large\n       write a value from 0 to 60s, such as close_hold = \"2s\""
        ),
        "error: message_bytes_max = \"64kB\" (flag --message-bytes-max): kB could mean two sizes; write 64KiB",
    ] {
        ran.says(sentence);
    }
    assert!(ran.stdout.is_empty(), "{ran:?}");
}

#[test]
fn an_example_is_a_line_that_can_be_copied() {
    let folder = Folder::new("settings");
    let file = folder.write(
        "count.toml",
        "messages_per_second = true\npeers_max = \"many\"\n",
    );
    let ran = run(&["config", "check", "--config", &file]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("such as messages_per_second = 100\n");
    // The default of this machine is a number like 18896, which nobody would write.
    let stderr = &ran.stderr;
    let (_, peers) = stderr
        .split_once("such as peers_max = ")
        .expect("an example");
    let peers = peers.lines().next().expect("a number");
    assert!(peers[1..].chars().all(|digit| digit == '0'), "{peers:?}");
    assert!(
        peers.starts_with(|first: char| ('1'..='9').contains(&first)),
        "{peers:?}"
    );
}

#[test]
fn a_word_that_is_not_a_level_is_not_taken_for_the_name_of_a_part() {
    for wrong in ["loud", "infos", "warn,noisy", "signal_tokio=loud"] {
        let run = run(&["config", "check", "--log", wrong]);
        assert_eq!(run.code(), Some(2), "{wrong:?}");
        run.says("write off, error, warn, info, debug, trace or target=level");
    }
    for right in ["warn", "OFF", "warn, signal_tokio=debug", "info,hyper=off"] {
        let run = run(&["config", "check", "--log", right]);
        assert_eq!(run.code(), Some(0), "{right:?}");
    }
}

#[test]
fn config_check_judges_without_serving() {
    let right = run(&["config", "check", "--peers-max", "5"]);
    assert_eq!(right.code(), Some(0));
    right.says("the settings are right: 1 given");
    right.says("who may come in: anyone, to every topic");
    let wrong = run(&["config", "check", "--peers-max", "0"]);
    assert_eq!(wrong.code(), Some(2));
    wrong.says("peers_max = \"0\" (flag --peers-max): too small\n       write a value from 1 to 100000000, such as --peers-max");
}

#[test]
fn variables_of_other_software_are_a_warning() {
    let mut command = signal(&["config", "check"]);
    let ran = run_command(command.envs([("SIGNAL_VERSION", "1.2"), ("SIGNAL_HOST", "a")]));
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says("warning: SIGNAL_HOST is an environment variable without effect");
    ran.says("of this name; perhaps SIGNAL_LISTEN is meant");
    ran.says("warning: SIGNAL_VERSION is an environment variable without effect");
    let ran = run_command(signal(&["config", "check"]).env("SIGNAL_ALLOWED_ORIGINS", "https://a"));
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("SIGNAL_ALLOWED_ORIGINS (environment variable): there is no such setting");
}

#[test]
fn a_file_that_is_missing_or_not_toml_is_reported() {
    let missing = run(&["--config", "/nonexistent/signal.toml"]);
    assert_eq!(missing.code(), Some(2));
    missing.says("config = \"/nonexistent/signal.toml\" (flag --config): cannot be read");
    let folder = Folder::new("settings");
    let file = folder.write("broken.toml", "peers_max = 1\npeers max\n");
    let broken = run(&["--config", &file]);
    assert_eq!(broken.code(), Some(2));
    broken.says("line 2");
    broken.says("write lines such as peers_max = 500");
}

#[test]
fn an_unknown_flag_is_a_mistake_with_a_guess() {
    let ran = run(&["--peer-max", "5"]);
    assert_eq!(ran.code(), Some(2));
    ran.says("--peers-max");
}

#[test]
fn port_is_honoured_as_platforms_set_it() {
    let print = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = signal(&[&["config", "print"], arguments].concat());
        printed(
            &run_command(command.envs(variables.iter().copied())).stdout,
            "listen",
        )
    };
    let from_port = "environment variable PORT".to_owned();
    assert_eq!(
        print(&[("PORT", "8080")], &[]),
        ("\"*:8080\"".to_owned(), from_port)
    );
    assert_eq!(
        print(&[("PORT", "8080")], &["--listen", "localhost:9"]).0,
        "\"localhost:9\""
    );
    assert_eq!(print(&[("PORT", "")], &[]).0, "\"localhost:4444\"");
}

#[test]
fn the_defaults_make_a_file_that_changes_nothing() {
    let defaults = run(&["config", "print", "--defaults"]).stdout;
    let folder = Folder::new("settings");
    let file = folder.write("defaults.toml", &defaults);
    let check = run(&["config", "check", "--config", &file]);
    assert_eq!(check.code(), Some(0), "{check:?}");
    let env = run(&["config", "print", "--env"]).stdout;
    assert!(env.contains("SIGNAL_MESSAGE_BYTES_MAX=64KiB"), "{env}");
}

/// The README of the crate and the page of limits show the table. With `UPDATE_TABLES`
/// in the environment it is written there.
#[test]
fn the_tables_of_limits_are_those_of_the_program() {
    let printed = run(&["config", "print", "--markdown"]).stdout;
    let crate_root = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../LIMITS.md");
    for path in [crate_root, page] {
        let readme = std::fs::read_to_string(path).expect("a README");
        let start = readme.find("| name | default | what | past it | why |");
        let start = start.expect("a table of limits");
        let end = readme[start..].find("\n\n").expect("an empty line") + start + 1;
        if std::env::var_os("UPDATE_TABLES").is_some() {
            let updated = [&readme[..start], &printed, &readme[end..]].concat();
            std::fs::write(path, updated).expect("the README can be written");
            continue;
        }
        let shown: Vec<_> = readme[start..end].lines().collect();
        let missing: Vec<_> = printed.lines().filter(|row| !shown.contains(row)).collect();
        assert_eq!(
            missing, [""; 0],
            "not in {path}; run this test with UPDATE_TABLES=1"
        );
        assert_eq!(
            readme[start..end],
            printed,
            "{path}; run this test with UPDATE_TABLES=1"
        );
    }
}

/// Those that no other crate can see stand beside the code only.
#[test]
fn the_page_of_limits_has_the_fixed_ones_of_tokens() {
    use signal_access::{
        KEYS_MAX, KEYS_TRIED_MAX, LEEWAY, PATTERNS_MAX, SUBJECT_BYTES_MAX, TOKEN_BYTES_MAX,
    };

    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../LIMITS.md");
    let root = std::fs::read_to_string(root).expect("a page of limits");
    for row in [
        format!("| `TOKEN_BYTES_MAX` | {} KiB |", TOKEN_BYTES_MAX / 1024),
        format!("| `PATTERNS_MAX` | {PATTERNS_MAX} |"),
        format!("| `SUBJECT_BYTES_MAX` | {SUBJECT_BYTES_MAX} bytes |"),
        format!("| `KEYS_MAX` | {KEYS_MAX} |"),
        format!("| `KEYS_TRIED_MAX` | {KEYS_TRIED_MAX} |"),
        format!("| `LEEWAY` | {} s |", LEEWAY.as_secs()),
    ] {
        assert!(root.contains(&row), "LIMITS.md has no row `{row}`");
    }
}

#[test]
fn completions_know_the_flags() {
    let ran = run(&["completions", "bash"]);
    assert_eq!(ran.code(), Some(0));
    ran.says("--message-bytes-max");
}
