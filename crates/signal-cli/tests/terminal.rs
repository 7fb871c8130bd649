//! What the command writes to a terminal fits it; what it writes to anything else is not touched.

#![cfg(unix)]

mod common;

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::mpsc::channel;

use common::{PATIENCE, naive, run, signal};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const WIDTHS: [usize; 2] = [80, 100];
/// No line of ours is as long as this.
const WIDE: usize = 4_000;
/// What nothing ends with: the whole is read.
const END: &str = "\0";

#[test]
fn the_lines_of_a_check_fit_the_terminal() {
    fits(&["check", "ws://127.0.0.1:1"], END);
    fits(&["check", "ws://ann:secret@127.0.0.1:1"], END);
    let misspelt = ["--conformance", "--hostile", "--scenario", "publsh"];
    fits(
        &[&["check", "ws://127.0.0.1:1"], &misspelt[..]].concat(),
        END,
    );
}

#[test]
fn what_a_check_says_of_a_faulty_server_fits_the_terminal() {
    let url = format!("ws://{}", naive::serve(false));
    let suite = ["--conformance", "--scenario", "publish.", "--timeout", "1s"];
    for width in WIDTHS {
        is_narrow(&on_terminal(signal(&["check", &url]), width, END), width);
        let suite = [&["check", &url], &suite[..]].concat();
        is_narrow(&on_terminal(signal(&suite), width, END), width);
    }
}

#[test]
fn the_greeting_and_the_mistakes_of_a_relay_fit_the_terminal() {
    let origins = "https://one.example.org,https://two.example.org,https://three.example.org";
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    fits(&serve, "Ctrl-C\r\n");
    fits(
        &[&serve[..], &["--allow-origin", origins]].concat(),
        "Ctrl-C\r\n",
    );
    fits(
        &[
            "serve",
            "--token-key-file",
            "/there/is/no/such/file/in/this/folder.jwk",
        ],
        END,
    );
}

#[test]
fn what_goes_to_a_pipe_is_one_line_a_record() {
    let ran = run(&["check", "ws://127.0.0.1:1"]);
    let in_vain = "   - not tried, because of what failed before: tls, upgrade, subscribe, \
                   second client, publish, count, isolation, unsubscribe, ping, close, turn";
    assert!(ran.stdout.lines().any(|line| line == in_vain), "{ran:?}");
}

/// Whether the same words come in lines that are not too long, however wide the terminal is.
#[track_caller]
fn fits(arguments: &[&str], until: &str) {
    let wide = on_terminal(signal(arguments), WIDE, until);
    assert!(!wide.is_empty(), "{arguments:?} wrote nothing");
    for width in WIDTHS {
        let shown = on_terminal(signal(arguments), width, until);
        is_narrow(&shown, width);
        assert_eq!(words(&shown), words(&wide), "at {width}");
    }
}

/// A word that is longer than a line is left whole.
#[track_caller]
fn is_narrow(shown: &str, width: usize) {
    for line in shown.lines() {
        let is_one_word = line.split_whitespace().count() == 1;
        let length = line.chars().count();
        assert!(
            length <= width || is_one_word,
            "{length} characters at {width}: {line}\n{shown}"
        );
    }
}

/// All but times, ports and other numbers, which differ from run to run.
fn words(text: &str) -> Vec<&str> {
    let words = text.split_whitespace();
    words
        .filter(|word| !word.contains(|c: char| c.is_ascii_digit()))
        .collect()
}

/// What a terminal of this width gets, without styles, up to this text or its end.
fn on_terminal(mut command: Command, width: usize, until: &str) -> String {
    let (terminal, inside) = terminal(width);
    command.env("TERM", "xterm");
    command.stdout(inside.try_clone().expect("a copy"));
    command.stderr(inside);
    let mut child = command.spawn().expect("it starts");
    // Its copies of the inside, so that the end is seen.
    drop(command);
    let (send, chunks) = channel();
    std::thread::spawn(move || {
        let mut terminal = File::from(terminal);
        let mut chunk = [0; 4096];
        // Linux says EIO where others say nothing: no process has it open any more.
        while let Ok(length @ 1..) = terminal.read(&mut chunk) {
            if send.send(chunk[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut bytes = Vec::new();
    let mut is_over = false;
    while !is_over && !String::from_utf8_lossy(&bytes).contains(until) {
        match chunks.recv_timeout(PATIENCE) {
            Ok(chunk) => bytes.extend(chunk),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => is_over = true,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("nothing more is written"),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    let text = String::from_utf8(bytes).expect("UTF-8");
    let text = anstream::adapter::strip_str(&text).to_string();
    // A counter is written over by what comes after it.
    let lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
    let lines = lines.map(|line| line.rsplit('\r').next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn terminal(width: usize) -> (OwnedFd, OwnedFd) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&terminal).expect("ours");
    unlockpt(&terminal).expect("open to us");
    let name = ptsname(&terminal, Vec::new()).expect("a name");
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let inside = rustix::fs::open(name, flags, Mode::empty()).expect("its inside");
    let size = Winsize {
        ws_row: 24,
        ws_col: u16::try_from(width).expect("a width"),
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal, size).expect("a size");
    (terminal, inside)
}
