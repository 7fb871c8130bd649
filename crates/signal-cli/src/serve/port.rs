//! Why an address cannot be listened on, and what to do.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use signal_tokio::{Listen, ListenError, LocalAddress};

use crate::failure::Failure;
use crate::settings::Resolved;

/// What to say of a relay that does not serve. `wanted` is the value of this setting.
pub(crate) fn explain(
    resolved: &Resolved,
    setting: &str,
    wanted: &Listen,
    error: &ListenError,
) -> Failure {
    let flag = format!("--{}", setting.replace('_', "-"));
    let (what, fix) = match error {
        ListenError::Bind { address, source } => match address {
            LocalAddress::Tcp(address) => of_tcp(&flag, wanted, *address, source),
            LocalAddress::Unix(path) => of_socket(&flag, path, source),
        },
        ListenError::Runtime(source) => (
            format!("{error}: {source}"),
            "free memory, or serve with fewer threads".to_owned(),
        ),
        ListenError::Nowhere | _ => (
            error.to_string(),
            "this should not happen, please report it".to_owned(),
        ),
    };
    let origin = resolved.origin(setting);
    Failure::other(format!("{what} ({setting}: {origin})"), fix)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "there are forty kinds, few of which concern us"
)]
fn of_tcp(flag: &str, wanted: &Listen, address: SocketAddr, error: &io::Error) -> (String, String) {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let owner = owner(address.port()).map(|owner| format!(" by {owner}"));
            let fix = match (wanted, address.ip()) {
                (Listen::Localhost(port), ip) => {
                    let other = match ip {
                        IpAddr::V4(_) => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), *port),
                        IpAddr::V6(_) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), *port),
                    };
                    format!(
                        "end that program, or listen elsewhere: {flag} localhost:0 takes a free port, {flag} {other} \
                         the other address of this machine, which some clients do not try"
                    )
                }
                (Listen::Everywhere(_), _) => {
                    format!("end that program, or listen elsewhere: {flag} 0 takes a free port")
                }
                (_, ip) => {
                    let free = SocketAddr::new(ip, 0);
                    format!(
                        "end that program, or listen elsewhere: {flag} {free} takes a free port"
                    )
                }
            };
            (
                format!("{address} is taken{}", owner.unwrap_or_default()),
                fix,
            )
        }
        io::ErrorKind::PermissionDenied => (
            format!("{address} is not for ordinary users: ports below 1024 are reserved"),
            "use a higher port behind a proxy, or allow it: setcap cap_net_bind_service=+ep on \
             this program"
                .to_owned(),
        ),
        io::ErrorKind::AddrNotAvailable => (
            format!(
                "no network interface of this machine has the address {}",
                address.ip()
            ),
            format!(
                "use one that it has, or the port alone, {flag} {}, for all",
                address.port()
            ),
        ),
        _ => (
            format!("cannot listen on {address}: {error}"),
            format!("try another {flag}"),
        ),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "there are forty kinds, few of which concern us"
)]
fn of_socket(flag: &str, path: &Path, error: &io::Error) -> (String, String) {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::AddrInUse => (
            format!("another program listens at {path}"),
            format!("end that program, or listen elsewhere with {flag}"),
        ),
        io::ErrorKind::AlreadyExists => (
            format!("{path} is a file that is not a socket, and stays"),
            "remove it, or listen elsewhere".to_owned(),
        ),
        io::ErrorKind::NotFound => (
            format!("there is no folder for {path}"),
            "make it; a systemd unit does with RuntimeDirectory=signal".to_owned(),
        ),
        io::ErrorKind::PermissionDenied => (
            format!("this user may not make the socket {path}"),
            "use a folder in which it may; a systemd unit makes one with RuntimeDirectory=signal"
                .to_owned(),
        ),
        _ => (
            format!("cannot listen at {path}: {error}"),
            "the path of a socket has about a hundred bytes at most".to_owned(),
        ),
    }
}

/// The program that listens on a port, as far as this user may know.
#[cfg(target_os = "linux")]
fn owner(port: u16) -> Option<String> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let is_process = |name: &std::ffi::OsStr| name.to_string_lossy().parse::<u32>().is_ok();
    for process in entries.filter(|entry| is_process(&entry.file_name())) {
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let mut links = files
            .flatten()
            .filter_map(|file| std::fs::read_link(file.path()).ok());
        if links.any(|link| {
            sockets
                .iter()
                .any(|socket| link.as_os_str() == socket.as_str())
        }) {
            let name = std::fs::read_to_string(process.path().join("comm")).ok()?;
            let id = process.file_name();
            return Some(format!(
                "{} (process {})",
                name.trim(),
                id.to_string_lossy()
            ));
        }
    }
    None
}

/// The inodes of sockets that listen on a port, from a table of the kernel.
#[cfg(target_os = "linux")]
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let rows = table
        .lines()
        .skip(1)
        .map(|row| row.split_ascii_whitespace().collect::<Vec<_>>());
    let ours = rows.filter(|row| {
        let local_port = row.get(1).and_then(|local| local.rsplit_once(':'));
        let local_port = local_port.and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        local_port == Some(port) && row.get(3) == Some(&LISTEN)
    });
    ours.filter_map(|row| row.get(9).map(|inode| (*inode).to_owned()))
        .collect()
}

#[cfg(not(target_os = "linux"))]
fn owner(_port: u16) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(wanted: &Listen, address: &str, kind: io::ErrorKind) -> (String, String) {
        let address = address.parse().expect("an address");
        of_tcp("--listen", wanted, address, &kind.into())
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_program_that_listens_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let owner = owner(port).expect("this process");
        assert!(
            owner.ends_with(&format!("(process {})", std::process::id())),
            "{owner}"
        );
    }

    #[test]
    fn an_address_that_is_taken_is_answered_with_one_of_its_kind_that_is_free() {
        let taken = io::ErrorKind::AddrInUse;
        for (wanted, address, free) in [
            (
                Listen::Address(([127, 0, 0, 1], 1).into()),
                "127.0.0.1:1",
                "--listen 127.0.0.1:0 takes",
            ),
            (
                Listen::Address(([0; 8], 1).into()),
                "[::]:1",
                "--listen [::]:0 takes",
            ),
            (Listen::Everywhere(1), "[::]:1", "--listen 0 takes"),
            (
                Listen::Localhost(1),
                "127.0.0.1:1",
                "--listen [::1]:1 the other address",
            ),
            (
                Listen::Localhost(1),
                "[::1]:1",
                "--listen 127.0.0.1:1 the other address",
            ),
        ] {
            let (what, fix) = tcp(&wanted, address, taken);
            assert!(what.starts_with(&format!("{address} is taken")), "{what}");
            assert!(fix.contains(free), "{fix}");
        }
    }

    #[test]
    fn what_a_user_or_a_machine_does_not_have_is_said() {
        use io::ErrorKind as Kind;
        let wanted = Listen::Address(([192, 0, 2, 1], 80).into());
        for (kind, said, fix) in [
            (Kind::PermissionDenied, "below 1024 are reserved", "setcap"),
            (
                Kind::AddrNotAvailable,
                "has the address 192.0.2.1",
                "--listen 80, for all",
            ),
            (
                Kind::OutOfMemory,
                "cannot listen on 192.0.2.1:80",
                "--listen",
            ),
        ] {
            let (what, mend) = tcp(&wanted, "192.0.2.1:80", kind);
            assert!(what.contains(said) && mend.contains(fix), "{what}; {mend}");
        }
    }

    #[test]
    fn each_trouble_with_a_socket_has_its_sentence() {
        use io::ErrorKind as Kind;
        for (kind, said, fix) in [
            (
                Kind::AddrInUse,
                "another program listens at /run/a",
                "--listen",
            ),
            (
                Kind::AlreadyExists,
                "is not a socket, and stays",
                "remove it",
            ),
            (Kind::NotFound, "no folder for /run/a", "RuntimeDirectory="),
            (
                Kind::PermissionDenied,
                "may not make the socket",
                "RuntimeDirectory=",
            ),
            (
                Kind::InvalidInput,
                "cannot listen at /run/a",
                "a hundred bytes",
            ),
        ] {
            let (what, mend) = of_socket("--listen", Path::new("/run/a"), &kind.into());
            assert!(what.contains(said) && mend.contains(fix), "{what}; {mend}");
        }
    }
}
