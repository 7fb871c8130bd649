//! Serves yrs-axum's signaling service on `ws://127.0.0.1:$PORT/signaling`, as its documentation
//! shows.

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use yrs_axum::signaling::{SignalingService, signaling_conn};

#[tokio::main]
async fn main() {
    let port: u16 = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .expect("PORT is the port to listen on");
    let app = Router::new()
        .route("/signaling", get(upgrade))
        .with_state(SignalingService::new());
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .expect("the port is free");
    axum::serve(listener, app).await.expect("it serves");
}

async fn upgrade(upgrade: WebSocketUpgrade, State(signaling): State<SignalingService>) -> Response {
    upgrade.on_upgrade(move |socket| serve(socket, signaling))
}

async fn serve(socket: WebSocket, signaling: SignalingService) {
    if let Err(error) = signaling_conn(socket, signaling).await {
        eprintln!("a connection ended: {error}");
    }
}
