//! Pairs that do nothing wrong, on a thread of their own: each of their messages has to arrive.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use signal_testwire::Wire;
use tokio::net::{TcpSocket, TcpStream};

use super::Error;
use super::waits::Waits;

const PAIRS: u32 = 10;
const PER_SECOND: u32 = 10;
/// A message that has not arrived by then is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// The thread of the pairs.
pub(super) struct Pairs(JoinHandle<Waits>);

impl Pairs {
    pub(super) fn start(address: SocketAddr, is_over: Arc<AtomicBool>) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let all = move || runtime.block_on(talk(address, &is_over));
        Ok(Self(std::thread::spawn(all)))
    }

    /// How long their messages took.
    pub(super) fn join(self) -> Result<Waits, Error> {
        self.0.join().map_err(|_| "a pair panicked".into())
    }
}

async fn talk(address: SocketAddr, is_over: &AtomicBool) -> Waits {
    let pairs = (0..PAIRS).map(|number| pair(address, number, is_over));
    let mut waits = Vec::new();
    let mut failures = 0;
    for (arrived, is_whole) in futures_util::future::join_all(pairs).await {
        waits.extend(arrived);
        failures += usize::from(!is_whole);
    }
    Waits::new(waits, failures)
}

/// What two say to each other: how long each message took, and whether none was lost.
async fn pair(address: SocketAddr, number: u32, is_over: &AtomicBool) -> (Vec<Duration>, bool) {
    let topic = format!("pair-{number}");
    let mut waits = Vec::new();
    let (Ok(mut ann), Ok(mut ben)) = (
        open(address, 2 * number).await,
        open(address, 2 * number + 1).await,
    ) else {
        return (waits, false);
    };
    ben.subscribe(&topic).await;
    ben.settle().await;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
    while !is_over.load(Ordering::Relaxed) {
        ticks.tick().await;
        let start = Instant::now();
        ann.publish(&topic, waits.len()).await;
        let message = tokio::time::timeout(PATIENCE, ben.next_answering_pings()).await;
        let Ok(Some(message)) = message else {
            return (waits, false);
        };
        if message.json().get("data") != Some(&waits.len().into()) {
            return (waits, false);
        }
        waits.push(start.elapsed());
    }
    (waits, true)
}

/// A peer from an address that nobody else has.
async fn open(address: SocketAddr, number: u32) -> std::io::Result<Wire<TcpStream>> {
    let [_, _, high, low] = number.to_be_bytes();
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 3, high, low], 0).into())?;
    Ok(Wire::open(socket.connect(address).await?).await)
}
