//! A relay inside your own program, on its own port: `cargo run -p examples --example embed`.
//!
//! Then, in a page: `new WebrtcProvider('my-room', doc, { signaling: ['ws://localhost:4444'] })`.

use std::time::Duration;

use signal_tokio::{Config, Relay, SentType};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Each limit has a default with a reason; a small team needs less.
    let mut config = Config::default();
    config.peers_max = 200;
    config.core.topics_per_peer_max = 32;
    config.drain_seconds = 2;
    let relay = Relay::new(config)?;

    // The handle is cheap to clone, and knows the numbers.
    let watched = relay.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let stats = watched.stats();
            println!(
                "{} peers, {} topics, {} deliveries",
                stats.peers,
                stats.topics,
                stats.sent(SentType::Publish).count
            );
        }
    });

    let listener = TcpListener::bind("127.0.0.1:4444").await?;
    println!("ws://{}  (Ctrl-C drains)", listener.local_addr()?);
    let ctrl_c = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            eprintln!("Ctrl-C will not be noticed: {error}");
            std::future::pending::<()>().await;
        }
    };
    relay.serve_with_shutdown(listener, ctrl_c).await;
    Ok(())
}
