use std::net::SocketAddr;

use anstyle::Style;
use signal_access::Access;
use signal_tokio::LocalAddress;

use crate::lines;
use crate::serve::descriptors::Descriptors;
use crate::serve::log;
use crate::settings::{LogFormat, Origin, Resolved};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Says where the relay listens, who may come in and how an app finds it: to a person, or in the
/// log.
pub(crate) fn greet(
    resolved: &Resolved,
    access: &Access,
    addresses: &[LocalAddress],
    admin: &[SocketAddr],
    descriptors: &Descriptors,
) {
    let url = url(resolved, addresses);
    // Only what stands in the address reaches the relay from a stock client.
    let (token, check) = if resolved.settings.asks_for_tokens() {
        ("/?token=…", " --token-file FILE")
    } else {
        ("", "")
    };
    let app = format!("new WebrtcProvider('my-room', doc, {{ signaling: ['{url}{token}'] }})");
    let peers_max = resolved.settings.relay.peers_max;
    let peers = match (descriptors.limit, resolved.origin("peers_max")) {
        (Some(files), Origin::Machine(_)) => {
            format!("{peers_max} at once, from the limit of {files} open files")
        }
        _ => format!("{peers_max} at once"),
    };
    let reach = reach(resolved, addresses);
    let [address, others @ ..] = addresses else {
        return;
    };
    let admin = admin.first();
    let cluster = resolved.settings.cluster.shown();
    if !log::is_terminal() || resolved.settings.log_format == LogFormat::Json {
        tracing::info!(
            %address,
            others = (!others.is_empty()).then(|| all(others)),
            url,
            app,
            who_may_come_in = %access,
            peers_max,
            cluster,
            admin = admin.map(tracing::field::display),
            open_files = descriptors.limit,
            open_files_before = descriptors.raised_from,
            "listening, {reach}"
        );
        return;
    }
    let status = admin.map_or_else(String::new, |admin| {
        format!("{DIM}numbers{DIM:#}      http://{admin}\n  ")
    });
    let cluster = cluster.map_or_else(String::new, |cluster| {
        format!("{DIM}cluster{DIM:#}      one of its relays, by {cluster}\n  ")
    });
    let version = env!("CARGO_PKG_VERSION");
    lines::tell(&format!(
        "\n  {BOLD}signal {version}{BOLD:#}, a signaling relay for y-webrtc apps\n\n  \
         {DIM}listening{DIM:#}    {BOLD}{url}{BOLD:#}  {DIM}{reach}{DIM:#}\n  \
         {DIM}in your app{DIM:#}  {app}\n  \
         {DIM}open to{DIM:#}      {access}\n  \
         {DIM}check it{DIM:#}     signal check {url}{check}\n  \
         {DIM}peers{DIM:#}        up to {peers}\n  \
         {cluster}\
         {status}\
         {DIM}to end{DIM:#}       Ctrl-C\n\n"
    ));
}

/// The address for an app on this machine. What has only a Unix socket is reached by the proxy's.
fn url(resolved: &Resolved, addresses: &[LocalAddress]) -> String {
    let scheme = if resolved.settings.tls_cert.is_some() {
        "wss"
    } else {
        "ws"
    };
    let Some(address) = addresses.iter().find_map(LocalAddress::tcp) else {
        return "wss://YOUR-PROXY".to_owned();
    };
    let ip = address.ip();
    if ip.is_loopback() || ip.is_unspecified() {
        format!("{scheme}://localhost:{}", address.port())
    } else {
        format!("{scheme}://{address}")
    }
}

/// Who can reach it, and why, where that may surprise.
fn reach(resolved: &Resolved, addresses: &[LocalAddress]) -> String {
    let on = format!("on {}", all(addresses));
    let ips = || addresses.iter().filter_map(LocalAddress::tcp);
    if ips().next().is_none() {
        return format!("{on}, for a proxy on this machine");
    }
    if ips().all(|address| address.ip().is_loopback()) {
        return format!("{on}, for this machine only");
    }
    let Some(everywhere) = ips().find(|address| address.ip().is_unspecified()) else {
        return on;
    };
    let from_port = *resolved.origin("listen") == Origin::Variable("PORT".to_owned());
    if from_port {
        return format!(
            "{on}, for every network of this machine, because PORT is set; --listen localhost:{} keeps it local",
            everywhere.port()
        );
    }
    format!("{on}, for every network of this machine")
}

fn all(addresses: &[LocalAddress]) -> String {
    let addresses: Vec<_> = addresses.iter().map(LocalAddress::to_string).collect();
    addresses.join(" and ")
}
