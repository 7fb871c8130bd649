//! `cargo xtask`: installs what the tests need, then runs everything CI runs.
//!
//! A step is a function with a name. It passes, fails, or says what is missing on this machine and
//! how to install it; the last counts as a failure where `CI=true`, so that nothing is skipped
//! there unseen.

mod clients;
mod cluster;
mod cluster_cost;
mod command;
mod compare;
mod image;
mod install;
mod installable;
mod instructions;
mod javascript;
mod measuring;
mod module;
mod packages;
mod pages;
mod publish;
mod purity;
mod relay;
mod rust;
mod setup;
mod step;
mod stop;
mod summary;
mod tools;
mod walls;
mod wasm;
mod worker;
mod workspace;

use std::process::ExitCode;

use step::Step;
use stop::Stop;
use tools::Tools;

const USAGE: &str = "\
Usage: cargo xtask <COMMAND>

Commands:
  test [--fail-fast] [STEP...]   Install what is missing, then run all steps, or the ones named
  setup                          Only install what is missing
  steps                          List the steps
  cluster                        Run three relays as one on this machine, and a page to try them on
  compare [--quick] [--resume]   Put this relay and others under the same load and print ratios
  cluster-cost [--quick]         Put one relay and nodes of a cluster under the same load and print what differs
  instructions [--accept]        Count instructions and compare them with the baseline, or write it
  worker build                   Build the Cloudflare Worker and print its size
  worker dev [ADDRESS:PORT]      Build it and serve it in workerd, on 127.0.0.1:8787

Without CI=true, a step that cannot run on this machine is skipped and says what it needs.
Chromium is looked for on the PATH, or where CHROMIUM points.
";

/// In the order in which they run: what fails fastest comes first.
const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        about: "the code is formatted",
        run: rust::fmt,
    },
    Step {
        name: "purity",
        about: "the core is short, without I/O, clock, thread, async or unsafe; folders import only what is below them",
        run: purity::check,
    },
    Step {
        name: "installable",
        about: "what tests install can be had under the names they use",
        run: installable::check,
    },
    Step {
        name: "wasm",
        about: "the core and the judge of tokens build for WebAssembly, and where there is no std",
        run: wasm::build,
    },
    Step {
        name: "clippy",
        about: "no warnings, in any target, with all features",
        run: rust::clippy,
    },
    Step {
        name: "features",
        about: "each library builds without its features",
        run: rust::features,
    },
    Step {
        name: "msrv",
        about: "the published crates build with the oldest Rust they name",
        run: rust::msrv,
    },
    Step {
        name: "package",
        about: "what crates.io would get builds by itself, and carries its licences",
        run: publish::check,
    },
    Step {
        name: "doc",
        about: "the documentation builds without warnings, and crates' READMEs read well elsewhere",
        run: rust::doc,
    },
    Step {
        name: "deny",
        about: "licences, bans and sources of dependencies",
        run: rust::deny,
    },
    Step {
        name: "worker",
        about: "the Cloudflare Worker builds, and is small",
        run: worker::check_size,
    },
    Step {
        name: "module",
        about: "the relay as a WebAssembly module builds, and is small",
        run: module::check_size,
    },
    Step {
        name: "tests",
        about: "cargo test, with the Node servers, Autobahn's cases and workerd",
        run: rust::tests,
    },
    Step {
        name: "release",
        about: "the signal binary builds",
        run: clients::build_signal,
    },
    Step {
        name: "conformance",
        about: "the built relay passes the whole suite, hostile inputs included",
        run: clients::conformance,
    },
    Step {
        name: "cluster",
        about: "relays and NATS servers end and stand still under traffic, and promises are kept",
        run: cluster::faults,
    },
    Step {
        name: "static",
        about: "a static binary serves as nobody in an empty folder, as the image does",
        run: image::check,
    },
    Step {
        name: "idle",
        about: "10,000 idle connections take at most 1 KiB of memory each",
        run: clients::idle,
    },
    Step {
        name: "instructions",
        about: "no benchmark takes 5 % more instructions than its baseline",
        run: instructions::check,
    },
    Step {
        name: "y-webrtc",
        about: "unchanged y-webrtc clients share a document",
        run: clients::y_webrtc,
    },
    Step {
        name: "y-webrtc-tokens",
        about: "with tokens in their addresses, and nobody without one",
        run: clients::y_webrtc_tokens,
    },
    Step {
        name: "y-webrtc-tls",
        about: "over wss://, and through a change of certificates",
        run: clients::y_webrtc_tls,
    },
    Step {
        name: "y-webrtc-cluster",
        about: "a hundred rooms opened on two nodes in the same instant are in sync",
        run: cluster::meet,
    },
    Step {
        name: "worker-suite",
        about: "the Cloudflare Worker passes the whole suite in workerd",
        run: worker::conformance,
    },
    Step {
        name: "worker-y-webrtc",
        about: "unchanged y-webrtc clients share a document through it, with tokens too",
        run: worker::y_webrtc,
    },
    Step {
        name: "worker-wrangler",
        about: "wrangler would deploy it, and serves it",
        run: worker::wrangler,
    },
    Step {
        name: "javascript",
        about: "the npm package builds, passes its tests and a soak, and can be packed",
        run: javascript::check,
    },
    Step {
        name: "javascript-suite",
        about: "on Node, Deno, Bun and workerd it passes the whole suite",
        run: javascript::conformance,
    },
    Step {
        name: "javascript-y-webrtc",
        about: "unchanged y-webrtc clients share a document through it, from its tarball",
        run: javascript::y_webrtc,
    },
    Step {
        name: "trystero",
        about: "Trystero clients find each other",
        run: clients::trystero,
    },
    Step {
        name: "prometheus",
        about: "Prometheus scrapes a loaded relay; dashboard and alerts have data",
        run: clients::prometheus,
    },
    Step {
        name: "browser",
        about: "two tabs in Chromium share a text",
        run: clients::browser,
    },
    Step {
        name: "browser-cluster",
        about: "two tabs in Chromium, on two nodes, share a text",
        run: cluster::browser,
    },
    Step {
        name: "status-page",
        about: "the page at the admin address, in Chromium",
        run: clients::status_page,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", [].as_slice()),
    };
    match command {
        "test" => test(rest),
        "setup" if rest.is_empty() => setup(),
        "steps" if rest.is_empty() => {
            STEPS
                .iter()
                .for_each(|step| println!("{:<20} {}", step.name, step.about));
            ExitCode::SUCCESS
        }
        "cluster" => exit_code(cluster::main(rest)),
        "compare" => exit_code(compare::main(rest)),
        "cluster-cost" => exit_code(cluster_cost::main(rest)),
        "instructions" => exit_code(instructions::main(rest)),
        "worker" => exit_code(worker::main(rest)),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => wrong_usage(&format!("cannot read `{}`", arguments.join(" "))),
    }
}

fn test(arguments: &[String]) -> ExitCode {
    let fail_fast = arguments.iter().any(|argument| argument == "--fail-fast");
    let names: Vec<&String> = arguments
        .iter()
        .filter(|argument| *argument != "--fail-fast")
        .collect();
    if let Some(unknown) = names
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != **name))
    {
        return wrong_usage(&format!(
            "there is no step `{unknown}`; `cargo xtask steps` lists them"
        ));
    }
    let chosen = STEPS
        .iter()
        .filter(|step| names.is_empty() || names.iter().any(|name| *name == step.name));
    summary::run_all(chosen, &Tools::default(), fail_fast)
}

fn setup() -> ExitCode {
    summary::run_all(setup::SETUP.iter(), &Tools::default(), false)
}

fn exit_code(result: Result<(), Stop>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            eprintln!("{stop}");
            ExitCode::FAILURE
        }
    }
}

fn wrong_usage(problem: &str) -> ExitCode {
    eprint!("{problem}\n\n{USAGE}");
    ExitCode::from(2)
}
