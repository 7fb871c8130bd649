//! Three relays that serve as one, each a process, with NATS servers between them: to play with,
//! and what must hold of them.

use std::process::Command;

use crate::clients;
use crate::command::{cargo, command, run};
use crate::stop::Stop;
use crate::tools::Tools;
use crate::workspace;

const USAGE: &str = "\
Usage: cargo xtask cluster

Runs three NATS servers and three relays that serve as one on this machine, without containers, and
a page on which to share a text at each of them. Prints the addresses and what to try, such as
`signal check --cluster` and a `kill` of any of them, and ends all on Ctrl-C.
";

/// Runs a cluster to play with, until Ctrl-C.
pub(crate) fn main(arguments: &[String]) -> Result<(), Stop> {
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => {}
        ["--help" | "-h" | "help"] => {
            print!("{USAGE}");
            return Ok(());
        }
        _ => {
            return Err(Stop::Failed(format!(
                "cannot read `{}`\n\n{USAGE}",
                words.join(" ")
            )));
        }
    }
    let tools = Tools::default();
    tools.node_modules()?;
    clients::build_page(&tools)?;
    clients::build_signal(&tools)?;
    become_command(&mut script(&tools, "demo.js")?)
}

/// Relays and NATS servers are killed, stopped and cut off from each other under traffic, and what
/// clients wrote down meanwhile is judged.
pub(crate) fn faults(tools: &Tools) -> Result<(), Stop> {
    // As the step `tests`, so that nothing is built anew.
    let mut test = cargo([
        "test",
        "--workspace",
        "--all-features",
        "--test",
        "cluster_faults",
    ]);
    test.env("SIGNAL_PROGRAM", clients::built_signal()?);
    test.env("SIGNAL_NATS_SERVER", tools.nats_server()?);
    run(test.args(["--", "--ignored", "--nocapture", "--test-threads=2"]))
}

/// Unchanged y-webrtc clients that open rooms on two nodes in the same instant.
pub(crate) fn meet(tools: &Tools) -> Result<(), Stop> {
    tools.node_modules()?;
    run(&mut script(tools, "meet.js")?)
}

/// Tabs of a browser on different nodes.
pub(crate) fn browser(tools: &Tools) -> Result<(), Stop> {
    tools.node_modules()?;
    let chromium = tools.chromium()?;
    clients::build_page(tools)?;
    run(script(tools, "browser-cluster.js")?
        .arg("--chromium")
        .arg(chromium))
}

/// A script that starts the processes itself.
fn script(tools: &Tools, name: &str) -> Result<Command, Stop> {
    let mut node = command("node", [workspace::acceptance().join(name)]);
    node.arg("--signal").arg(clients::built_signal()?);
    node.arg("--nats-server").arg(tools.nats_server()?);
    Ok(node)
}

/// Runs the command in place of this process, so that it is the one that Ctrl-C and `kill` reach.
#[cfg(unix)]
fn become_command(command: &mut Command) -> Result<(), Stop> {
    let error = std::os::unix::process::CommandExt::exec(command);
    let program = std::path::Path::new(command.get_program());
    Err(Stop::Failed(format!(
        "`{}` did not start: {error}",
        program.display()
    )))
}

#[cfg(not(unix))]
fn become_command(command: &mut Command) -> Result<(), Stop> {
    run(command)
}
