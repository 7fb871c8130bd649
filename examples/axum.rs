//! A relay beside the routes of an axum application: `cargo run -p examples --example axum`.
//!
//! Then, in a page: `new WebrtcProvider('my-room', doc, { signaling: ['ws://localhost:3000/signal']
//! })`.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use signal_tokio::{Config, Relay};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let relay = Relay::new(Config::default())?;
    let app = Router::new()
        .route("/", get(|| async { "the application" }))
        .route("/peers", get(peers))
        .nest_service("/signal", relay.router())
        .with_state(relay.clone());

    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}", listener.local_addr()?);
    // The relay limits connections by address, so it must be told the address.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let serve = axum::serve(listener, app).with_graceful_shutdown(async move {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        // axum would wait without end for connections that never end by themselves.
        relay.drain().await;
    });
    serve.await?;
    Ok(())
}

async fn peers(State(relay): State<Relay>) -> String {
    format!("{} peers are connected\n", relay.stats().peers)
}
