//! A crowd that connects and says nothing, or little, and how long a newcomer from elsewhere waits
//! for its 101 meanwhile.
//!
//! ```sh
//! signal serve --limit-private-ips --connects-per-minute-per-ip 60000 &
//! cargo run --release -p signal-relay --example crowd -- 127.0.0.1:4444 silent 1000
//! ```
//!
//! keeps up 5,000 connections from 1,000 addresses of this machine, 500 new ones a second, for 20
//! seconds. With the certificate of a relay that speaks TLS as the fourth argument, newcomers do
//! too. Ends with 1 if one of a hundred newcomers waits longer than 100 ms. It needs Linux, where
//! all of 127.0.0.0/8 is this machine, and a limit on open files past 6,000.
//!
//! With `hoard` instead of `silent`, those 5,000 are peers, and each makes the relay hold as much
//! as it may, for a minute. Nobody comes anew; ten pairs talk instead, and it ends with 1 if one of
//! their messages is lost. That is to be run against a relay that has little memory.

mod hoard;
mod newcomer;
mod pairs;
mod waits;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpSocket, TcpStream};

use self::newcomer::{Newcomers, Tls};
use self::pairs::Pairs;

const CONNECTIONS: usize = 5_000;
const NEW_PER_SECOND: u32 = 500;
const LASTS: Duration = Duration::from_secs(20);
const HOARD_LASTS: Duration = Duration::from_secs(60);
/// By when 99 of 100 newcomers are to have their 101.
const P99_MAX: Duration = Duration::from_millis(100);

/// What those in the crowd send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Crowd {
    Silent,
    /// A byte of a request, or of a TLS handshake, every second.
    Trickle,
    /// Half of them are silent and half trickle.
    Mixed,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<ExitCode, Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, crowd, addresses, certificate) = match arguments.as_slice() {
        [address, crowd, addresses] => (address, crowd, addresses, None),
        [address, crowd, addresses, file] => (address, crowd, addresses, Some(file)),
        _ => return Err("crowd IP:PORT silent|trickle|mixed|hoard ADDRESSES [CERTIFICATE]".into()),
    };
    let address: SocketAddr = address.parse()?;
    let addresses: u32 = addresses.parse::<u32>()?.max(1);
    if crowd == "hoard" {
        return hoard(address, addresses);
    }
    let crowd = match crowd.as_str() {
        "silent" => Crowd::Silent,
        "trickle" => Crowd::Trickle,
        "mixed" => Crowd::Mixed,
        other => return Err(format!("{other} is not a crowd").into()),
    };
    let tls = certificate.map(|file| Tls::trusting(file)).transpose()?;
    let first_byte = if tls.is_some() { 0x16 } else { b'G' };

    let is_over = Arc::new(AtomicBool::new(false));
    let newcomers = Newcomers::start(address, tls, Arc::clone(&is_over))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let opened = runtime.block_on(keep_up(address, crowd, addresses, first_byte));
    is_over.store(true, Ordering::Relaxed);
    let waits = newcomers.join()?;
    println!(
        "{crowd:?} from {addresses} addresses: {opened} connections; {} newcomers: p50 {:.1} ms, \
         p99 {:.1} ms, longest {:.1} ms, {} without a 101",
        waits.count(),
        waits.quantile(0.5).as_secs_f64() * 1e3,
        waits.quantile(0.99).as_secs_f64() * 1e3,
        waits.quantile(1.0).as_secs_f64() * 1e3,
        waits.failures
    );
    let is_good = waits.failures == 0 && waits.quantile(0.99) <= P99_MAX;
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn hoard(address: SocketAddr, addresses: u32) -> Result<ExitCode, Error> {
    let is_over = Arc::new(AtomicBool::new(false));
    let pairs = Pairs::start(address, Arc::clone(&is_over))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let hoard = runtime.block_on(hoard::keep_up(address, addresses, HOARD_LASTS));
    is_over.store(true, Ordering::Relaxed);
    let waits = pairs.join()?;
    println!(
        "hoard from {addresses} addresses: {} connections, {} of them ended by the relay; {} \
         messages of pairs: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms, {} pairs lost one",
        hoard.opened,
        hoard.ended,
        waits.count() - waits.failures,
        waits.quantile(0.5).as_secs_f64() * 1e3,
        waits.quantile(0.99).as_secs_f64() * 1e3,
        waits.quantile(1.0).as_secs_f64() * 1e3,
        waits.failures
    );
    Ok(if waits.failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Opens connections at their rate and holds the youngest, for as long as it lasts. Returns how
/// many were opened.
async fn keep_up(address: SocketAddr, crowd: Crowd, addresses: u32, first_byte: u8) -> usize {
    let mut held: VecDeque<TcpStream> = VecDeque::new();
    let (start, mut opened) = (Instant::now(), 0);
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / NEW_PER_SECOND);
    let mut rounds = tokio::time::interval(Duration::from_secs(1));
    while start.elapsed() < LASTS {
        tokio::select! {
            _ = ticks.tick() => {
                let number = opened as u32 % addresses;
                opened += 1;
                let Ok(stream) = connect(address, number).await else { continue };
                if speaks(crowd, opened) {
                    let _ = stream.try_write(&[first_byte]);
                }
                held.push_back(stream);
                if held.len() > CONNECTIONS {
                    held.pop_front();
                }
            }
            _ = rounds.tick(), if crowd != Crowd::Silent => {
                let first = opened - held.len();
                for (number, stream) in held.iter().enumerate() {
                    if speaks(crowd, first + number + 1) {
                        // One that has been closed takes nothing, and is held all the same.
                        let _ = stream.try_write(b"X");
                    }
                }
            }
        }
    }
    opened
}

fn speaks(crowd: Crowd, number: usize) -> bool {
    match crowd {
        Crowd::Silent => false,
        Crowd::Trickle => true,
        Crowd::Mixed => number.is_multiple_of(2),
    }
}

/// Connects from one of the addresses 127.1.0.0 and following.
async fn connect(address: SocketAddr, number: u32) -> std::io::Result<TcpStream> {
    let [_, _, high, low] = number.to_be_bytes();
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 1, high, low], 0).into())?;
    // A kernel that does not take it at once is to be pressed no more.
    let connect = tokio::time::timeout(Duration::from_secs(1), socket.connect(address));
    connect.await.map_err(std::io::Error::other)?
}
