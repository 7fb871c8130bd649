//! The example's Worker in a workerd of its own.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use signal_core::Instant;
use signal_testwire::{Answer, PATIENCE, Wire, in_time, installed, reserve_port};
use signal_workers::Settings;
use tokio::net::{TcpSocket, TcpStream};

const HANDLES: &str = include_str!("handles.mjs");
const CONTROL: &str = include_str!("control.mjs");
const CONFIG: &str = include_str!("config.capnp");

/// What the tests need: the program, and the example as `cargo xtask worker build` leaves it.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    workerd: PathBuf,
    worker: PathBuf,
}

impl Installed {
    pub(crate) fn find() -> Option<Self> {
        let found = Self {
            workerd: installed("SIGNAL_WORKERD")?,
            worker: installed("SIGNAL_WORKER")?,
        };
        Some(found)
    }
}

/// A running workerd.
pub(crate) struct Workerd {
    installed: Installed,
    folder: PathBuf,
    pub(crate) relay_port: u16,
    pub(crate) control_port: u16,
    /// What the variables set.
    pub(crate) settings: Settings,
    child: Mutex<Child>,
    /// Keep its ports from being given to others until it listens, and between two of its lives.
    _ports: [TcpSocket; 2],
    evictions: AtomicUsize,
    /// How many milliseconds its clock is ahead.
    ahead: AtomicI64,
}

impl Workerd {
    /// Starts one with these variables (`JSON NAME` is one of JSON, `STORE_NAME` a secret NAME of
    /// the Secrets Store), in a folder of this name, and waits until it serves.
    pub(crate) async fn start(
        installed: &Installed,
        name: &str,
        variables: &[(&str, &str)],
    ) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("workerd-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("disk")).expect("a folder for the test");
        for file in ["index.js", "index_bg.wasm"] {
            let built = installed.worker.join(file);
            fs::copy(&built, folder.join(file)).unwrap_or_else(|error| {
                panic!(
                    "{}: {error}; `cargo xtask worker build` makes it",
                    built.display()
                )
            });
        }
        let [(relay, relay_port), (control, control_port)] = [reserve_port(), reserve_port()];
        let mut bindings = String::new();
        for (variable, value) in variables {
            // A variable of JSON is written as wrangler passes it on; see also handles.mjs.
            let (variable, kind) = match variable.strip_prefix("JSON ") {
                Some(variable) => (variable, "json"),
                None => (*variable, "text"),
            };
            // Rust writes the quotes and escapes of a text as the configuration's language does.
            let _ = writeln!(bindings, "(name = {variable:?}, {kind} = {value:?}),");
        }
        let config = CONFIG
            .replace("DISK", &folder.join("disk").to_string_lossy())
            .replace("RELAY_PORT", &relay_port.to_string())
            .replace("CONTROL_PORT", &control_port.to_string())
            .replace("VARIABLES", &bindings);
        for (file, text) in [
            ("handles.mjs", HANDLES),
            ("control.mjs", CONTROL),
            ("config.capnp", &config),
        ] {
            fs::write(folder.join(file), text).expect("a file of the test");
        }
        let settings = Settings::from_variables(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name)?;
            Some(found.1.into())
        });
        let child = Mutex::new(spawn(installed, &folder));
        let server = Self {
            installed: installed.clone(),
            folder,
            relay_port,
            control_port,
            // A test of a wrong setting looks at nothing that it would need a right one for.
            settings: settings.unwrap_or_default(),
            child,
            _ports: [relay, control],
            evictions: AtomicUsize::new(0),
            ahead: AtomicI64::new(0),
        };
        server.wait_until_it_serves().await;
        server
    }

    /// Ends the process as a deploy ends an object: every socket breaks, and only what is on disk
    /// is left. Then starts it anew.
    pub(crate) async fn restart(&self) {
        {
            let mut child = self.child.lock().expect("no test panics in here");
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            *child = spawn(&self.installed, &self.folder);
            self.ahead.store(0, Ordering::Relaxed);
        }
        self.wait_until_it_serves().await;
    }

    /// Puts an object to sleep: its memory is gone, its sockets stay.
    pub(crate) async fn evict(&self, object: &str) -> Result<(), String> {
        let path = format!("/evict?object={}", object.replace('/', "%2F"));
        match get(self.control_port, &path, &[]).await {
            Ok(answer) if answer.body.contains("asleep") => {
                self.evictions.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Ok(answer) => Err(format!("the object does not sleep: {answer:?}")),
            Err(error) => Err(format!("the object does not sleep: {error}")),
        }
    }

    /// Moves the clock of all objects on, and has one of them do what is due then.
    pub(crate) async fn advance(&self, object: &str, time: Duration) -> Result<(), String> {
        let millis = i64::try_from(time.as_millis()).map_err(|error| error.to_string())?;
        self.move_clock(object, millis).await
    }

    /// Moves the clock on without waking an object.
    pub(crate) async fn pass(&self, time: Duration) {
        let path = format!("/test/later?ms={}", time.as_millis());
        let answer = get(self.relay_port, &path, &[]).await.expect("an answer");
        assert_eq!(answer.body, "later");
        let millis = i64::try_from(time.as_millis()).expect("less than an age");
        self.ahead.fetch_add(millis, Ordering::Relaxed);
    }

    /// Sets the clock of all objects to a time since 1970, which may be in the past.
    pub(crate) async fn set_time(&self, time: Duration) -> Result<(), String> {
        let now = self.now().as_millis() as i64;
        let time = i64::try_from(time.as_millis()).map_err(|error| error.to_string())?;
        self.move_clock("global", time - now).await
    }

    async fn move_clock(&self, object: &str, millis: i64) -> Result<(), String> {
        let object = object.replace('/', "%2F");
        let path = format!("/advance?object={object}&ms={millis}");
        match get(self.control_port, &path, &[]).await {
            Ok(answer) if answer.body.contains("later") => {
                self.ahead.fetch_add(millis, Ordering::Relaxed);
                Ok(())
            }
            Ok(answer) => Err(format!("the clock does not move: {answer:?}")),
            Err(error) => Err(format!("the clock does not move: {error}")),
        }
    }

    /// The objects' time.
    pub(crate) fn now(&self) -> Instant {
        let elapsed = SystemTime::UNIX_EPOCH.elapsed();
        let millis = elapsed.expect("a clock after 1970").as_millis() as i64;
        let now = millis + self.ahead.load(Ordering::Relaxed);
        Instant::from_millis(now.unsigned_abs())
    }

    /// How often an object was put to sleep.
    pub(crate) fn evictions(&self) -> usize {
        self.evictions.load(Ordering::Relaxed)
    }

    /// What the Worker has logged: one JSON object a line.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// How often an object with peers has woken.
    pub(crate) fn wakes(&self) -> usize {
        self.log().matches(r#""event":"wake""#).count()
    }

    async fn wait_until_it_serves(&self) {
        let serves = || async { get(self.relay_port, "/healthz", &[]).await.is_ok() };
        assert!(
            in_time(serves).await,
            "workerd does not serve within {PATIENCE:?}: {}",
            self.log()
        );
    }
}

impl Drop for Workerd {
    fn drop(&mut self) {
        if let Ok(mut child) = self.child.lock() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Sends a plain request.
pub(crate) async fn get(
    port: u16,
    path: &str,
    headers: &[(&str, &str)],
) -> std::io::Result<Answer> {
    request(port, "GET", path, headers).await
}

/// Sends a plain request.
pub(crate) async fn request(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> std::io::Result<Answer> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str("\r\n");
    Wire::try_ask(TcpStream::connect(("127.0.0.1", port)).await?, &text).await
}

fn spawn(installed: &Installed, folder: &Path) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .expect("a log");
    let errors = log.try_clone().expect("a log");
    let mut command = Command::new(&installed.workerd);
    command
        .args(["serve", "--experimental", "config.capnp"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors);
    command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}
