//! Sockets that somebody else has opened for us: systemd, by a `.socket` unit.
//!
//! So a port below 1024 needs no right of ours, and those who come while we restart wait in the
//! kernel instead of being refused.

use std::net::TcpListener;
#[cfg(unix)]
use std::os::fd::AsFd;

use signal_tokio::Listeners;

use crate::failure::Failure;

/// Those sockets, by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// In place of `listen`.
    pub(crate) relay: Option<Listeners>,
    /// In place of `admin_listen`.
    pub(crate) admin: Vec<TcpListener>,
    /// Why those that the environment names are not for us.
    pub(crate) unheeded: Option<&'static str>,
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
        let unheeded = unheeded();
        let mut sockets = listenfd::ListenFd::from_env();
        let mut inherited = Self {
            unheeded,
            ..Self::default()
        };
        let count = sockets.len();
        for number in 0..count {
            let is_admin = names.next() == Some(ADMIN);
            let tcp = sockets.take_tcp_listener(number).ok().flatten();
            let listeners: Listeners = match tcp {
                Some(listener) if !listens(&listener) => return Err(unfit(number, SILENT)),
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
                    Ok(Some(listener)) if listens(&listener) => listener.into(),
                    Ok(Some(_)) => return Err(unfit(number, SILENT)),
                    Ok(None) | Err(_) if !is_open(number) => {
                        return Err(unfit(
                            number,
                            &format!("LISTEN_FDS says {count}, and there is none of this number"),
                        ));
                    }
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

/// What comes of `Accept=yes`, which is for programs that serve one connection.
#[cfg(unix)]
const SILENT: &str = "it does not listen, as a connection that Accept=yes hands over";

/// Why the variables of `sd_listen_fds(3)` do not mean this process, if they are there.
#[cfg(unix)]
fn unheeded() -> Option<&'static str> {
    let count = std::env::var("LISTEN_FDS").ok()?;
    let process = std::env::var("LISTEN_PID").unwrap_or_default();
    if count.parse::<u32>().is_err() {
        return Some("LISTEN_FDS is not a number, so no socket of systemd is served");
    }
    // Without a number, as systemfd leaves it out, whoever reads them is meant.
    let is_other = !process.is_empty() && process.parse() != Ok(std::process::id());
    (count != "0" && is_other).then_some(
        "LISTEN_PID does not name this process, so the sockets of LISTEN_FDS are not served; a script that starts it has \
         to do so with exec",
    )
}

#[cfg(all(unix, not(target_vendor = "apple")))]
fn listens(socket: &impl AsFd) -> bool {
    rustix::net::sockopt::socket_acceptconn(socket).unwrap_or(true)
}

/// Not to be asked there, where nothing but the first `accept` says so.
#[cfg(target_vendor = "apple")]
fn listens(_socket: &impl AsFd) -> bool {
    true
}

/// Whether there is a descriptor where this socket should be: they begin behind the three that
/// every process has.
#[cfg(unix)]
fn is_open(number: usize) -> bool {
    let is_there = |number: usize| std::fs::exists(format!("/dev/fd/{number}"));
    // Not every container has that folder.
    is_there(3 + number).unwrap_or(true) || !is_there(0).unwrap_or(true)
}

#[cfg(unix)]
fn unfit(number: usize, problem: &str) -> Failure {
    Failure::other(
        format!("socket {number} of those that systemd has opened cannot be used: {problem}"),
        "use ListenStream= and Accept=no in the .socket unit",
    )
}
