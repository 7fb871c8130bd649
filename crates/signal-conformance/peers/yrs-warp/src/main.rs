//! Serves yrs-warp's signaling service on `ws://127.0.0.1:$PORT/signaling`, as its documentation
//! shows.

use warp::Filter;
use warp::ws::{WebSocket, Ws};
use yrs_warp::signaling::{SignalingService, signaling_conn};

#[tokio::main]
async fn main() {
    let port: u16 = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .expect("PORT is the port to listen on");
    let signaling = SignalingService::new();
    let route = warp::path("signaling")
        .and(warp::ws())
        .map(move |upgrade: Ws| {
            let signaling = signaling.clone();
            upgrade.on_upgrade(move |socket| serve(socket, signaling))
        });
    warp::serve(route).run(([127, 0, 0, 1], port)).await;
}

async fn serve(socket: WebSocket, signaling: SignalingService) {
    if let Err(error) = signaling_conn(socket, signaling).await {
        eprintln!("a connection ended: {error}");
    }
}
