use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::admin::{Admin, answer, history};

/// Connections at once: a scraper or two, and some people. For one more, the oldest is ended,
/// whether it has asked or not: an answer is there at once, so that one waits for its client.
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
    let guests = Arc::<Guests>::default();
    let all = listeners.into_iter().map(|listener| async {
        match TcpListener::from_std(listener) {
            Ok(listener) => accept(&admin, &places, &guests, listener).await,
            Err(error) => tracing::error!(%error, "cannot use the admin listener"),
        }
    });
    tokio::join!(futures_util::future::join_all(all), watch(&admin));
}

async fn accept(
    admin: &Arc<Admin>,
    places: &Arc<Semaphore>,
    guests: &Arc<Guests>,
    listener: TcpListener,
) {
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            // The relay's own listeners say so, and why.
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if places.available_permits() == 0 {
            guests.end_oldest();
        }
        // Never closed, so this waits and does not fail.
        let Ok(place) = Arc::clone(places).acquire_owned().await else {
            return;
        };
        let (admin, guest) = (Arc::clone(admin), guests.enter());
        tokio::spawn(async move {
            tokio::select! {
                // A client that is slow, or has gone, harms only itself.
                _ = timeout(CONNECTION_TIMEOUT, answer_one(&admin, from, stream)) => {}
                () = guest.ended.notified() => {}
            }
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

/// The connections, oldest first.
#[derive(Debug, Default)]
struct Guests {
    next: AtomicU64,
    all: Mutex<BTreeMap<u64, Arc<Notify>>>,
}

/// One of them, until it ends.
#[derive(Debug)]
struct Guest {
    guests: Arc<Guests>,
    number: u64,
    ended: Arc<Notify>,
}

impl Guests {
    fn enter(self: &Arc<Self>) -> Guest {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let ended = Arc::<Notify>::default();
        self.lock().insert(number, Arc::clone(&ended));
        let guests = Arc::clone(self);
        Guest {
            guests,
            number,
            ended,
        }
    }

    fn end_oldest(&self) {
        if let Some((_, ended)) = self.lock().pop_first() {
            ended.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Notify>>> {
        // No change is left half done.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.guests.lock().remove(&self.number);
    }
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_oldest_connection_is_ended_for_a_new_one() {
        let guests = Arc::<Guests>::default();
        let all = [(); 4].map(|()| guests.enter());
        let mut ended = Vec::new();
        for _ in 0..5 {
            guests.end_oldest();
            let is_ended = |place: &usize| all[*place].ended.notified().now_or_never().is_some();
            ended.extend((0..4).filter(is_ended));
        }
        assert_eq!(ended, [0, 1, 2, 3]);
    }

    #[test]
    fn who_was_ended_or_has_gone_is_not_ended_again() {
        let guests = Arc::<Guests>::default();
        let first = guests.enter();
        guests.end_oldest();
        drop(guests.enter());
        assert!(guests.lock().is_empty());
        drop(first);
    }
}
