use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A provider of keys on a port of this machine, which is gone with this value.
#[derive(Debug)]
pub struct Provider {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

/// What a [`Provider`] answers to a request.
#[derive(Clone, Debug)]
pub enum Says {
    /// These bytes, whatever they are, and the end.
    Bytes(Vec<u8>),
    /// These bytes, and then neither more nor the end.
    Hangs(Vec<u8>),
}

#[derive(Debug)]
struct Shared {
    says: Mutex<Says>,
    requests: Mutex<Vec<String>>,
}

impl Says {
    /// A page.
    pub fn ok(body: &str) -> Self {
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\nconnection: close";
        Self::text(format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}"))
    }

    fn text(text: impl Into<String>) -> Self {
        Self::Bytes(text.into().into_bytes())
    }

    /// Answers that hold no keys.
    pub fn without_keys() -> Vec<Self> {
        vec![
            Self::text("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"),
            Self::text("HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n"),
            Self::text("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"keys\":["),
            Self::text("\x16\x03\x01garbage that is not HTTP\r\n\r\n"),
            Self::text(""),
            Self::ok(""),
            Self::ok("<html>sign in</html>"),
            Self::ok(r#"{"keys":[]}"#),
        ]
    }
}

impl Provider {
    /// One on a free port.
    pub async fn start(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        Self::serve(listener.expect("a free port"), says)
    }

    /// One that listens there.
    pub fn serve(listener: TcpListener, says: Says) -> Self {
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            says: Mutex::new(says),
            requests: Mutex::default(),
        });
        let answers = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(respond(stream, Arc::clone(&answers)));
            }
        });
        Self {
            address,
            shared,
            task,
        }
    }

    /// Has it answer this from now on.
    pub fn now(&self, says: Says) {
        *lock(&self.shared.says) = says;
    }

    /// The heads of the requests that have come.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers the request of one connection, which may end at any time.
async fn respond(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).expect("a head is text");
    lock(&shared.requests).push(head);
    let says = lock(&shared.says).clone();
    let (Says::Bytes(bytes) | Says::Hangs(bytes)) = &says;
    let _ = stream.write_all(bytes).await;
    if matches!(says, Says::Hangs(_)) {
        std::future::pending::<()>().await;
    }
    let _ = stream.shutdown().await;
}

fn lock<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
