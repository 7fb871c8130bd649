//! Sockets that somebody else has opened for us: systemd, by a `.socket` unit.
//!
//! So a port below 1024 needs no right of ours, and those who come while we restart wait in the
//! kernel instead of being refused.

use std::net::TcpListener;

use signal_tokio::Listeners;

use crate::failure::Failure;

/// Those sockets, by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// In place of `listen`.
    pub(crate) relay: Option<Listeners>,
    /// In place of `admin_listen`.
    pub(crate) admin: Vec<TcpListener>,
}

impl Inherited {
    /// Takes what is meant for this process. Once, and before there are threads: it takes the
    /// variables of it out of the environment, lest a child should think that it is meant.
    ///
    /// # Errors
    ///
    /// One of them is not a socket that we can serve.
    #[cfg(unix)]
    pub(crate) fn take() -> Result<Self, Failure> {
        /// The name, by `FileDescriptorName=`, of those that are not for clients.
        const ADMIN: &str = "admin";
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut sockets = listenfd::ListenFd::from_env();
        let mut inherited = Self::default();
        for number in 0..sockets.len() {
            let is_admin = names.next() == Some(ADMIN);
            let tcp = sockets.take_tcp_listener(number).ok().flatten();
            let listeners: Listeners = match tcp {
                Some(listener) if is_admin => {
                    listener
                        .set_nonblocking(true)
                        .map_err(|error| unfit(number, &error.to_string()))?;
                    inherited.admin.push(listener);
                    continue;
                }
                Some(listener) => listener.into(),
                None if is_admin => return Err(unfit(number, "the admin address is one of TCP")),
                None => match sockets.take_unix_listener(number) {
                    Ok(Some(listener)) => listener.into(),
                    Ok(None) | Err(_) => {
                        return Err(unfit(
                            number,
                            "it is neither a TCP nor a Unix stream socket",
                        ));
                    }
                },
            };
            let others = inherited.relay.take().unwrap_or_default();
            inherited.relay = Some(others.and(listeners));
        }
        Ok(inherited)
    }

    /// There are none on other systems.
    #[cfg(not(unix))]
    pub(crate) fn take() -> Result<Self, Failure> {
        Ok(Self::default())
    }
}

#[cfg(unix)]
fn unfit(number: usize, problem: &str) -> Failure {
    Failure::other(
        format!("socket {number} of those that systemd has opened cannot be used: {problem}"),
        "use ListenStream= and Accept=no in the .socket unit",
    )
}
