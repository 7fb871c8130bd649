//! nginx and Caddy as processes that end with the test.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use signal_testwire::{installed, reserve_port};
use tokio::net::TcpSocket;

use crate::common::PATIENCE;
use crate::common::certificate::Certificate;

const NGINX: &str = include_str!("../../../../examples/nginx/signal.conf");
const CADDY: &str = include_str!("../../../../examples/caddy/Caddyfile");

#[derive(Debug)]
pub(crate) struct Proxy {
    child: Child,
    pub(crate) port: u16,
    /// Keeps the port from being given to others until the proxy listens.
    _socket: TcpSocket,
    folder: PathBuf,
}

/// The example's configuration with this relay, this certificate, a free port, and what else is to
/// be replaced.
pub(crate) fn nginx(
    certificate: &Certificate,
    relay: &str,
    replaced: &[(&str, &str)],
) -> Option<Proxy> {
    let program = installed("SIGNAL_NGINX")?;
    let (socket, port) = reserve_port();
    let folder = folder(certificate, "nginx");
    let own = [
        ("listen 443 ssl", format!("listen 127.0.0.1:{port} ssl")),
        ("signaling.example.org;", "localhost;".to_owned()),
        (
            "/etc/ssl/signaling.example.org.pem",
            show(&certificate.path()),
        ),
        (
            "/etc/ssl/private/signaling.example.org.key",
            show(&certificate.key_path()),
        ),
        ("/var/log/nginx/", format!("{}/", folder.display())),
        (
            "127.0.0.1:4444;\n        proxy_http",
            format!("{relay};\n        proxy_http"),
        ),
    ];
    let text = replace(NGINX, &own, replaced);
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {}/{name};\n", folder.display()))
        .collect();
    let main = format!(
        "daemon off;\npid {0}/pid;\nerror_log {0}/main.log crit;\nevents {{}}\nhttp {{\n{temporary}\n{text}\n}}\n",
        folder.display()
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, main).expect("a file can be written");
    let mut command = Command::new(program);
    command.arg("-c").arg(&file).arg("-p").arg(&folder);
    // Or it complains that it cannot open the log of the system.
    command.arg("-e").arg(folder.join("start.log"));
    Some(Proxy::start(command, (socket, port), folder))
}

pub(crate) fn caddy(
    certificate: &Certificate,
    relay: &str,
    replaced: &[(&str, &str)],
) -> Option<Proxy> {
    let program = installed("SIGNAL_CADDY")?;
    let (socket, port) = reserve_port();
    let folder = folder(certificate, "caddy");
    let tls = format!(
        "localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {} {}\n",
        certificate.path().display(),
        certificate.key_path().display()
    );
    let own = [
        // Nothing else is listened on, and no certificate is asked for.
        (
            "log default {",
            "admin off\n\tauto_https off\n\tlog default {".to_owned(),
        ),
        ("signaling.example.org {\n", tls),
        (
            "reverse_proxy 127.0.0.1:4444",
            format!("reverse_proxy {relay}"),
        ),
    ];
    let file = folder.join("Caddyfile");
    std::fs::write(&file, replace(CADDY, &own, replaced)).expect("a file can be written");
    let mut command = Command::new(program);
    command
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(&file);
    command
        .env("HOME", &folder)
        .env("XDG_DATA_HOME", &folder)
        .env("XDG_CONFIG_HOME", &folder);
    Some(Proxy::start(command, (socket, port), folder))
}

impl Proxy {
    fn start(mut command: Command, (socket, port): (TcpSocket, u16), folder: PathBuf) -> Self {
        let output = std::fs::File::create(folder.join("output.log")).expect("a file");
        command.stdin(Stdio::null());
        command
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output);
        let child = command.spawn().expect("the proxy starts");
        let mut proxy = Self {
            child,
            port,
            _socket: socket,
            folder,
        };
        proxy.until("to listen", |proxy| {
            let ended = proxy.child.try_wait().expect("the state of the process");
            assert!(ended.is_none(), "it ended: {}", proxy.logs());
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        proxy
    }

    /// All that it has written.
    pub(crate) fn logs(&self) -> String {
        let entries = std::fs::read_dir(&self.folder).expect("the folder");
        let files = entries.flatten().map(|entry| entry.path());
        let logs = files.filter(|path| path.extension().is_some_and(|end| end == "log"));
        let texts = logs.map(|path| std::fs::read_to_string(path).unwrap_or_default());
        texts.collect()
    }

    pub(crate) fn until_logged(&mut self, text: &str) {
        self.until(text, |proxy| proxy.logs().contains(text));
    }

    fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(
                Instant::now() < deadline,
                "not in time: {what}\n{}",
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it, its workers included, so that nothing more is logged.
    pub(crate) fn stop(&mut self) {
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        // It may have ended already.
        let _ = rustix::process::kill_process(id.expect("an id"), rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Replaces what must differ in a test; each piece must stand in the example.
fn replace(example: &str, own: &[(&str, String)], more: &[(&str, &str)]) -> String {
    let more = more.iter().map(|(from, to)| (*from, (*to).to_owned()));
    let all = own.iter().map(|(from, to)| (*from, to.clone())).chain(more);
    all.fold(example.to_owned(), |text, (from, to)| {
        let count = text.matches(from).count();
        assert!(count > 0, "{from:?} is not in the example");
        text.replace(from, &to)
    })
}

fn folder(certificate: &Certificate, name: &str) -> PathBuf {
    let folder = certificate.folder().join(name);
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
