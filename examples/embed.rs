//! A relay inside your own program, on its own port: `cargo run -p examples --example embed`.
//!
//! Then, in a page: `new WebrtcProvider('my-room', doc, { signaling: ['ws://localhost:4444'] })`.

use std::time::Duration;

use signal_tokio::{Config, Listen, Relay, SentType};

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

    let end = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            eprintln!("Ctrl-C will not be noticed: {error}");
            std::future::pending::<()>().await;
        }
        relay.drain().await;
    };
    println!("ws://localhost:4444  (Ctrl-C drains)");
    tokio::select! {
        // 127.0.0.1 and ::1: clients differ in which of them localhost is.
        served = relay.listen(Listen::Localhost(4444)) => served?,
        () = end => {}
    }
    Ok(())
}
