//! A relay with the default settings on the given address: `serve [ADDRESS]`.

use signal_tokio::{Config, Relay};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:4444".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    Relay::new(Config::default())?.serve(listener).await;
    Ok(())
}
