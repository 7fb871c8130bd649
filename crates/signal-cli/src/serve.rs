//! `signal serve`: a relay until somebody ends it.

pub(crate) mod descriptors;
mod greeting;
mod log;
mod port;
mod shutdown;

use std::process::ExitCode;

use signal_tokio::Relay;

use crate::failure::Failure;
use crate::serve::descriptors::Descriptors;
use crate::settings::{Environment, Given, Resolved, resolve};

/// Serves until Ctrl-C or SIGTERM, then drains.
///
/// # Errors
///
/// The settings are wrong, or the address cannot be listened on.
pub(crate) fn run(given: &Given) -> Result<ExitCode, Failure> {
    // First, because the default of `peers_max` follows from it.
    let descriptors = Descriptors::raise();
    let resolved = resolve(given, &Environment::read()).map_err(Failure::Settings)?;
    let settings = &resolved.settings;
    log::start(settings);

    let relay = Relay::new(settings.relay.clone())
        .map_err(|error| Failure::other(error, "correct the setting"))?;
    let serving = relay
        .serve_per_core(settings.listen, settings.threads)
        .map_err(|error| port::explain(&resolved, &error))?;
    greeting::greet(&resolved, serving.local_address(), &descriptors);
    warn_of_few_descriptors(&resolved, &descriptors);

    let ending = shutdown::wait_and_drain(&relay)?;
    if ending == shutdown::Ending::AtOnce {
        return Ok(ExitCode::FAILURE);
    }
    serving.join();
    Ok(ExitCode::SUCCESS)
}

fn warn_of_few_descriptors(resolved: &Resolved, descriptors: &Descriptors) {
    let peers_max = resolved.settings.relay.peers_max as u64;
    if descriptors.limit.is_some_and(|limit| peers_max >= limit) {
        tracing::warn!(
            peers_max,
            open_files = descriptors.limit,
            "peers_max cannot be reached with so few open files; raise the limit (ulimit -n, or \
             LimitNOFILE= of the systemd unit)"
        );
    }
}
