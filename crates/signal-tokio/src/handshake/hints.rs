//! What an operator is told once who has a proxy that the relay does not know.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;
use signal_access::RefusalCause;

use crate::config::Config;
use crate::handshake::remote::Remote;

/// Where proxies say for whom they ask.
const FORWARDED: [&str; 6] = [
    "x-forwarded-for",
    "forwarded",
    "cf-connecting-ip",
    "x-real-ip",
    "true-client-ip",
    "fly-client-ip",
];

/// Which of them have been given. Each is a warning, and would be one for each of the clients of
/// that proxy.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    undeclared: AtomicBool,
    no_preface: AtomicBool,
    preface: AtomicBool,
}

impl Hints {
    /// A client was refused. If that is because of an address which may be a proxy's, says which
    /// setting would make it the client's own.
    pub(crate) fn refused(
        &self,
        config: &Config,
        cause: RefusalCause,
        remote: Remote,
        client: Option<IpAddr>,
        headers: &HeaderMap,
    ) {
        let is_proxys = client.is_some() && client == remote.ip();
        if !is_proxys || !is_by_address(cause) {
            return;
        }
        let known = config.forwarded_header.as_str();
        let mut names = std::iter::once(known).chain(FORWARDED);
        let Some(header) = names.find(|name| headers.contains_key(*name)) else {
            return;
        };
        let is_trusted = remote.is_proxy(&config.trusted_proxies);
        if is_trusted && header == known {
            // It was read, and names a proxy.
            return;
        }
        if self.undeclared.swap(true, Ordering::Relaxed) {
            return;
        }
        let fix = match (is_trusted, header == known) {
            (false, true) => "name it in trusted_proxies",
            (false, false) => "name it in trusted_proxies, and the header in forwarded_header",
            (true, _) => "name the header in forwarded_header",
        };
        tracing::warn!(
            address = config.log_ips.show(client),
            cause = cause.name(),
            header,
            "a client was refused because of the address that it came from, and its request says in a header that it came \
             through a proxy; if that address is your proxy's, {fix}, so that each client counts by its own"
        );
    }

    /// A proxy that has to send a PROXY header has not.
    pub(crate) fn no_preface(&self, config: &Config, remote: Remote, problem: &str) {
        if !self.no_preface.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                address = config.log_ips.show(remote.ip()),
                problem,
                "a connection from one of trusted_proxies was closed, because of proxy_protocol: have the proxy send the \
                 header (send-proxy in HAProxy, proxy_protocol on in nginx), or unset the setting"
            );
        }
    }

    /// Somebody has sent a PROXY header that is not expected from there.
    pub(crate) fn preface(&self, config: &Config, remote: Remote) {
        if self.preface.swap(true, Ordering::Relaxed) {
            return;
        }
        let fix = match config.proxy_protocol {
            true => "name it in trusted_proxies",
            false => "set proxy_protocol, and name it in trusted_proxies",
        };
        tracing::warn!(
            address = config.log_ips.show(remote.ip()),
            "a connection began with a PROXY header and was refused; if it is your proxy's, {fix}"
        );
    }
}

/// Whether it depends on the address whom it is given to.
fn is_by_address(cause: RefusalCause) -> bool {
    match cause {
        RefusalCause::HandshakesPerIp
        | RefusalCause::PeersPerIp
        | RefusalCause::PeersPerSite
        | RefusalCause::ConnectRate
        | RefusalCause::SiteConnectRate
        | RefusalCause::ClosedBefore
        | RefusalCause::DeniedBefore => true,
        RefusalCause::BadRequest
        | RefusalCause::BadHead
        | RefusalCause::Tls
        | RefusalCause::HandshakesMax
        | RefusalCause::Unauthorized
        | RefusalCause::Origin
        | RefusalCause::PeersMax
        | RefusalCause::PeersPerSubject
        | RefusalCause::Draining
        | RefusalCause::Other(_) => false,
        // Of a later version of the crate: no hint is better than a wrong one.
        _ => false,
    }
}
