use std::net::SocketAddr;

use anstyle::Style;
use signal_access::Access;

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
    address: SocketAddr,
    admin: Option<SocketAddr>,
    descriptors: &Descriptors,
) {
    let url = url(resolved, address);
    // Only what stands in the address reaches the relay from a stock client.
    let (token, check) = match resolved.settings.token_key_file {
        Some(_) => ("/?token=…", " --token-file FILE"),
        None => ("", ""),
    };
    let app = format!("new WebrtcProvider('my-room', doc, {{ signaling: ['{url}{token}'] }})");
    let peers_max = resolved.settings.relay.peers_max;
    let peers = match (descriptors.limit, resolved.origin("peers_max")) {
        (Some(files), Origin::Machine(_)) => {
            format!("{peers_max} at once, from the limit of {files} open files")
        }
        _ => format!("{peers_max} at once"),
    };
    let reach = reach(resolved, address);
    if !log::is_terminal() || resolved.settings.log_format == LogFormat::Json {
        tracing::info!(
            %address,
            url,
            app,
            who_may_come_in = %access,
            peers_max,
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
    let version = env!("CARGO_PKG_VERSION");
    anstream::eprintln!(
        "\n  {BOLD}signal {version}{BOLD:#}, a signaling relay for y-webrtc apps\n\n  \
         {DIM}listening{DIM:#}    {BOLD}{url}{BOLD:#}  {DIM}{reach}{DIM:#}\n  \
         {DIM}in your app{DIM:#}  {app}\n  \
         {DIM}open to{DIM:#}      {access}\n  \
         {DIM}check it{DIM:#}     signal check {url}{check}\n  \
         {DIM}peers{DIM:#}        up to {peers}\n  \
         {status}\
         {DIM}to end{DIM:#}       Ctrl-C\n"
    );
}

/// The address for an app on this machine.
fn url(resolved: &Resolved, address: SocketAddr) -> String {
    let scheme = if resolved.settings.tls_cert.is_some() {
        "wss"
    } else {
        "ws"
    };
    let ip = address.ip();
    if ip.is_loopback() || ip.is_unspecified() {
        format!("{scheme}://localhost:{}", address.port())
    } else {
        format!("{scheme}://{address}")
    }
}

/// Who can reach it, and why, where that may surprise.
fn reach(resolved: &Resolved, address: SocketAddr) -> String {
    let ip = address.ip();
    let from_port = *resolved.origin("listen") == Origin::Variable("PORT".to_owned());
    if ip.is_loopback() {
        return format!("on {address}, for this machine only");
    }
    if ip.is_unspecified() && from_port {
        return format!(
            "on {address}, for every network of this machine, because PORT is set; \
             --listen 127.0.0.1:{} keeps it local",
            address.port()
        );
    }
    if ip.is_unspecified() {
        return format!("on {address}, for every network of this machine");
    }
    format!("on {address}")
}
