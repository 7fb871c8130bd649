use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::admin::{Admin, answer, history};

/// Connections at once: a scraper or two, and some people. More wait.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may take, from its first byte to our last: one that hangs gives its place
/// back.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest name of a topic, percent-encoded, is 12 KiB by default.
const HEADER_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;
/// How long to wait after an accept that failed, instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the process ends: while the relay drains, somebody may want to watch.
pub(super) async fn serve(admin: Arc<Admin>, listeners: Vec<std::net::TcpListener>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let all = listeners.into_iter().map(|listener| async {
        match TcpListener::from_std(listener) {
            Ok(listener) => accept(&admin, &places, listener).await,
            Err(error) => tracing::error!(%error, "cannot use the admin listener"),
        }
    });
    tokio::join!(futures_util::future::join_all(all), watch(&admin));
}

async fn accept(admin: &Arc<Admin>, places: &Arc<Semaphore>, listener: TcpListener) {
    loop {
        // Never closed, so this waits and does not fail.
        let Ok(place) = Arc::clone(places).acquire_owned().await else {
            return;
        };
        let Ok((stream, from)) = listener.accept().await else {
            // The relay's own listeners say so, and why.
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let admin = Arc::clone(admin);
        tokio::spawn(async move {
            // A client that is slow, or has gone, harms only itself.
            let _ = timeout(CONNECTION_TIMEOUT, answer_one(&admin, from, stream)).await;
            drop(place);
        });
    }
}

/// Answers the one request of a connection.
async fn answer_one(
    admin: &Admin,
    from: SocketAddr,
    stream: TcpStream,
) -> Result<(), hyper::Error> {
    let service = service_fn(|request: Request<Incoming>| async move {
        let (request, body) = request.into_parts();
        Ok::<_, Infallible>(answer::answer(admin, from, &request, body).await)
    });
    http1::Builder::new()
        .keep_alive(false)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADER_BYTES_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

/// Notes the numbers of the plots, whether somebody looks or not.
async fn watch(admin: &Admin) {
    let mut ticks = interval(history::EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let stats = admin.relay.stats();
        admin.history().note(admin.started.elapsed(), &stats);
    }
}
