//! A server from outside, run as a process of its own.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use signal_conformance::{
    Backend, BackendError, Capability, ConnectError, ConnectOptions, Connection, Declared,
    HttpRequest, HttpResponse, UrlBackend,
};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

/// Starts the server anew when the suite has killed it.
pub(crate) struct ProcessBackend {
    start: Box<dyn Fn(u16) -> Command + Send + Sync>,
    child: Mutex<Child>,
    port: u16,
    url: UrlBackend,
}

impl ProcessBackend {
    /// Starts a server with the command made for a port, which then serves that port of the
    /// loopback address.
    pub(crate) async fn start(
        name: &str,
        path: &str,
        start: impl Fn(u16) -> Command + Send + Sync + 'static,
    ) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a port is free").port();
        let url = UrlBackend::new(&format!("ws://127.0.0.1:{port}{path}"))
            .expect("an address")
            .declare(|mut declared| {
                declared.name = name.to_owned();
                declared.capabilities([Capability::Restart])
            });
        let child = spawn(&start, port).await.expect("the server starts");
        Self {
            start: Box::new(start),
            child: Mutex::new(child),
            port,
            url,
        }
    }
}

async fn spawn(
    start: &(dyn Fn(u16) -> Command + Send + Sync),
    port: u16,
) -> Result<Child, BackendError> {
    let mut command = start(port);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let child = command
        .spawn()
        .map_err(|error| BackendError::new(format!("cannot start {command:?}: {error}")))?;
    for _ in 0..600 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_ok()
        {
            return Ok(child);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(BackendError::new(format!(
        "{command:?} does not listen on port {port} within 30 s"
    )))
}

#[async_trait]
impl Backend for ProcessBackend {
    fn declared(&self) -> Declared {
        self.url.declared()
    }

    async fn connect(&self, options: ConnectOptions) -> Result<Box<dyn Connection>, ConnectError> {
        self.url.connect(options).await
    }

    async fn restart(&self) -> Result<(), BackendError> {
        let mut child = self.child.lock().await;
        // It may have died of the scenario already.
        let _ = child.kill().await;
        *child = spawn(&self.start, self.port).await?;
        Ok(())
    }

    async fn guest(&self, bytes: &[u8]) -> Result<Box<dyn Send>, BackendError> {
        self.url.guest(bytes).await
    }

    async fn http(&self, request: HttpRequest) -> Result<HttpResponse, BackendError> {
        self.url.http(request).await
    }
}
