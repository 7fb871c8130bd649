//! Sends every message back, for WebSocket test suites: `echo [ADDRESS]`.

use signal_tokio::{Config, Relay};
use tokio::net::TcpListener;

/// Autobahn's largest message.
const MESSAGE_BYTES_MAX: u32 = 16 * 1024 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let mut config = Config::default();
    config.core.message_bytes_max = MESSAGE_BYTES_MAX;
    config.outbound_bytes_max = 4 * MESSAGE_BYTES_MAX as usize;
    Relay::echo(config)?.serve(listener).await;
    Ok(())
}
