//! Measures what an idle, subscribed connection costs the relay in process memory: `idle
//! [CONNECTIONS [BYTES_MAX]]`. Fails if it is more than `BYTES_MAX`.
//!
//! The relay runs in a child process, so that the client's memory is not counted. Each connection
//! is subscribed to one topic of its own, named by a UUID, and has sent and received its first
//! messages. Linux only: it reads `/proc`.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use signal_core::client;
use signal_testwire::{TEXT, UPGRADE, frame};
use signal_tokio::{Config, Relay};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Connections opened before measuring, so that what the first ones allocate once is not counted.
const WARM_UP: usize = 200;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (count, bytes_max) = match arguments[..] {
        ["--server"] => return serve(),
        [] => (10_000, u64::MAX),
        [count] => (count.parse()?, u64::MAX),
        [count, bytes_max, ..] => (count.parse()?, bytes_max.parse()?),
    };
    let bytes = runtime.block_on(measure(count))?;
    if bytes > bytes_max {
        return Err(format!("{bytes} bytes per connection, more than {bytes_max}").into());
    }
    Ok(())
}

fn serve() -> Result<()> {
    let mut config = Config::default();
    config.peers_max = 100_000;
    let serving = Relay::new(config)?.serve_per_core(SocketAddr::from(([127, 0, 0, 1], 0)), 1)?;
    println!("{}", serving.local_addresses()[0]);
    serving.join();
    Ok(())
}

/// Prints what it finds, and returns the resident bytes for each connection.
async fn measure(count: usize) -> Result<u64> {
    let mut server = Command::new(std::env::current_exe()?)
        .arg("--server")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut address = String::new();
    BufReader::new(server.stdout.take().ok_or("no output")?).read_line(&mut address)?;
    let result = open_and_measure(address.trim(), server.id(), count).await;
    server.kill()?;
    server.wait()?;
    result
}

async fn open_and_measure(address: &str, pid: u32, count: usize) -> Result<u64> {
    let mut connections = Vec::new();
    for number in 0..WARM_UP {
        connections.push(subscribe(address, number).await?);
    }
    let before = Memory::of(pid)?;
    for number in 0..count {
        connections.push(subscribe(address, WARM_UP + number).await?);
    }
    // What the last handshakes held is given back by now.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = Memory::of(pid)?;
    let per_connection = |after: u64, before: u64| after.saturating_sub(before) / count as u64;
    println!("{count} idle connections, one topic each");
    println!(
        "resident: {} bytes per connection",
        per_connection(after.resident, before.resident)
    );
    println!(
        "private dirty: {} bytes per connection",
        per_connection(after.private, before.private)
    );
    println!(
        "resident in all: {} KiB before, {} KiB after",
        before.resident / 1024,
        after.resident / 1024
    );
    Ok(per_connection(after.resident, before.resident))
}

/// Opens a connection that has subscribed and heard its own message.
async fn subscribe(address: &str, number: usize) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    // Three small writes follow, and none should wait for the acknowledgement of the one before.
    stream.set_nodelay(true)?;
    stream.write_all(UPGRADE.as_bytes()).await?;
    let topic = format!("f81d4fae-7dec-11d0-a765-{number:012}");
    for text in [client::subscribe([&topic]), client::publish(&topic, "null")] {
        stream.write_all(&frame(TEXT, text.as_bytes())).await?;
    }
    let mut seen = Vec::new();
    while !seen.windows(11).any(|window| window == br#""clients":1"#) {
        if stream.read_buf(&mut seen).await? == 0 {
            return Err(format!("connection {number}: {}", String::from_utf8_lossy(&seen)).into());
        }
    }
    Ok(stream)
}

struct Memory {
    resident: u64,
    private: u64,
}

impl Memory {
    fn of(pid: u32) -> Result<Self> {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let field = |name: &str| -> Result<u64> {
            let line = rollup
                .lines()
                .find(|line| line.starts_with(name))
                .ok_or("no such line")?;
            let kib: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
            Ok(kib * 1024)
        };
        Ok(Self {
            resident: field("Rss:")?,
            private: field("Private_Dirty:")?,
        })
    }
}
