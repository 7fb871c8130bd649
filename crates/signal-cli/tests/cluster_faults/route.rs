//! The way from one NATS server to another, which may be cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on. Ends with its runtime.
pub(crate) struct Route {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    cut: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    is_closed: AtomicBool,
    open: AtomicUsize,
}

impl Route {
    pub(crate) async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let (cut, is_cut) = watch::channel(());
        tokio::spawn(accept(listener, target, Arc::clone(&state), is_cut));
        Self {
            address,
            state,
            cut,
        }
    }

    /// Ends the connections that are there, and returns how many.
    pub(crate) fn cut(&self) -> usize {
        let open = self.state.open.load(Ordering::SeqCst);
        self.cut.send_replace(());
        open
    }

    /// Takes no connection from now on, or takes them again.
    pub(crate) fn close(&self, is_closed: bool) {
        self.state.is_closed.store(is_closed, Ordering::SeqCst);
    }
}

async fn accept(
    listener: TcpListener,
    target: String,
    state: Arc<State>,
    is_cut: watch::Receiver<()>,
) {
    while let Ok((client, _)) = listener.accept().await {
        if state.is_closed.load(Ordering::SeqCst) {
            continue;
        }
        let mut is_cut = is_cut.clone();
        is_cut.mark_unchanged();
        let (target, state) = (target.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            state.open.fetch_add(1, Ordering::SeqCst);
            tokio::select! {
                () = pass(client, &target) => {}
                _ = is_cut.changed() => {}
            }
            state.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn pass(mut client: TcpStream, target: &str) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
