//! An address that stays while servers behind it come and go.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on to a server, or to none. Ends with its runtime.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    cut: watch::Sender<()>,
}

impl Proxy {
    pub(crate) async fn to(target: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let target = Arc::new(Mutex::new(target));
        let (cut, is_cut) = watch::channel(());
        tokio::spawn(accept(listener, Arc::clone(&target), is_cut));
        Self {
            address,
            target,
            cut,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Passes new connections on to this server, or ends them.
    pub(crate) fn lead_to(&self, target: Option<SocketAddr>) {
        *self.target.lock().expect("nobody panics") = target;
    }

    /// Ends the connections that are there.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(());
    }
}

async fn accept(
    listener: TcpListener,
    target: Arc<Mutex<Option<SocketAddr>>>,
    is_cut: watch::Receiver<()>,
) {
    while let Ok((mut client, _)) = listener.accept().await {
        let Some(target) = *target.lock().expect("nobody panics") else {
            continue;
        };
        let mut is_cut = is_cut.clone();
        is_cut.mark_unchanged();
        tokio::spawn(async move {
            let Ok(mut server) = TcpStream::connect(target).await else {
                return;
            };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                _ = is_cut.changed() => {}
            }
        });
    }
}
