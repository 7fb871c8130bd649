//! A server that the check starts itself, and again whenever it died.

use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use signal_conformance::{
    Backend, BackendError, Capability, ConnectError, ConnectOptions, Connection, Declared,
    HttpRequest, HttpResponse, UrlBackend,
};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::check::target::Target;

/// How long the server may take until it listens, or until it has ended.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// A command that serves at an address.
#[derive(Debug)]
pub(crate) struct Server {
    command: String,
    address: (String, u16),
    child: Mutex<Option<Child>>,
}

impl Server {
    pub(crate) fn new(command: &str, target: &Target) -> Self {
        let address = (target.host.clone(), target.port);
        Self {
            command: command.to_owned(),
            address,
            child: Mutex::new(None),
        }
    }

    /// Ends the server if it runs, starts it, and waits until it listens.
    ///
    /// # Errors
    ///
    /// A sentence about what went wrong.
    pub(crate) async fn restart(&self) -> Result<(), String> {
        let mut place = self.child.lock().await;
        let deadline = Instant::now() + PATIENCE;
        let had_started = match place.take() {
            Some(mut child) => {
                end(&mut child).await;
                true
            }
            None => false,
        };
        // What the shell started ends a moment after the shell.
        while TcpStream::connect(self.address()).await.is_ok() {
            if !had_started || Instant::now() > deadline {
                let (host, port) = &self.address;
                return Err(format!("something else listens on {host}:{port} already"));
            }
            sleep(PAUSE).await;
        }
        let mut child = spawn(&self.command)?;
        while TcpStream::connect(self.address()).await.is_err() {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!("`{}` ended at once ({status})", self.command));
            }
            if Instant::now() > deadline {
                let (host, port) = &self.address;
                return Err(format!(
                    "`{}` does not listen on {host}:{port}",
                    self.command
                ));
            }
            sleep(PAUSE).await;
        }
        *place = Some(child);
        Ok(())
    }

    /// Asks the server to end in an orderly way.
    async fn terminate(&self) -> Result<(), String> {
        match &*self.child.lock().await {
            Some(child) => signal(child, Signal::Terminate),
            None => Err("the server does not run".to_owned()),
        }
    }

    fn address(&self) -> (&str, u16) {
        (&self.address.0, self.address.1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = self.child.get_mut() {
            // It may have ended by itself.
            let _ = signal(child, Signal::Kill);
        }
    }
}

/// The backend of an address whose server we may end and start.
#[derive(Debug)]
pub(crate) struct Started {
    url: UrlBackend,
    server: Server,
}

impl Started {
    pub(crate) fn new(url: UrlBackend, server: Server) -> Self {
        let can = [Capability::Restart, Capability::Drain];
        Self {
            url: url.declare(|declared| declared.capabilities(can)),
            server,
        }
    }
}

#[async_trait]
impl Backend for Started {
    fn declared(&self) -> Declared {
        self.url.declared()
    }

    async fn connect(&self, options: ConnectOptions) -> Result<Box<dyn Connection>, ConnectError> {
        self.url.connect(options).await
    }

    async fn advance(&self, time: Duration) -> Result<(), BackendError> {
        self.url.advance(time).await
    }

    async fn restart(&self) -> Result<(), BackendError> {
        self.server.restart().await.map_err(BackendError::new)
    }

    async fn drain(&self) -> Result<(), BackendError> {
        self.server.terminate().await.map_err(BackendError::new)?;
        // The signal takes its time, and the scenario begins when it has been heard.
        let deadline = Instant::now() + PATIENCE;
        while let Ok(mut connection) = self.url.connect(ConnectOptions::default()).await {
            connection.abort().await;
            if Instant::now() > deadline {
                return Err(BackendError::new(
                    "the server takes connections in spite of SIGTERM",
                ));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn guest(&self, bytes: &[u8]) -> Result<Box<dyn Send>, BackendError> {
        self.url.guest(bytes).await
    }

    async fn http(&self, request: HttpRequest) -> Result<HttpResponse, BackendError> {
        self.url.http(request).await
    }
}

#[derive(Clone, Copy, Debug)]
enum Signal {
    Terminate,
    Kill,
}

/// Runs a command line as the shell would, as the leader of a group of processes.
fn spawn(command: &str) -> Result<Child, String> {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    #[cfg(unix)]
    shell.process_group(0);
    shell
        .spawn()
        .map_err(|error| format!("`{command}` does not start: {error}"))
}

/// Signals the whole group: the shell may have started the server as a process of its own.
#[cfg(unix)]
fn signal(child: &Child, signal: Signal) -> Result<(), String> {
    use rustix::process::{Pid, Signal as Number, kill_process_group};

    let group = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let group = group.ok_or("the server has ended")?;
    let number = match signal {
        Signal::Terminate => Number::TERM,
        Signal::Kill => Number::KILL,
    };
    kill_process_group(group, number).map_err(|error| error.to_string())
}

#[cfg(not(unix))]
fn signal(_child: &Child, _signal: Signal) -> Result<(), String> {
    Err("servers can be started only on Unix".to_owned())
}

async fn end(child: &mut Child) {
    let _ = signal(child, Signal::Kill);
    let _ = tokio::time::timeout(PATIENCE, child.wait()).await;
}
