//! The relay as part of an axum application.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tokio::net::TcpStream;

use crate::{Admission, Relay};

impl Relay {
    /// A router that answers every path as the relay does: merge it with your own routes, or give
    /// it a path with `nest_service`. Under `/signal` it is then reached as `/signal`, `/signal/`
    /// and `/signal/anything`. (`nest` would leave out `/signal/`, which is how addresses with a
    /// token are often written: `wss://host/signal/?token=…`.)
    ///
    /// Limits per address need `into_make_service_with_connect_info::<SocketAddr>()`; without it
    /// every client counts as unknown, and only `peers_max` holds. Time-outs and sizes of requests
    /// are those of your server, not
    /// [`Config::handshake_timeout`](crate::Config::handshake_timeout) and its neighbours. After
    /// the upgrade the connection is the relay's own, without axum's WebSocket code in between.
    ///
    /// On a `TcpListener` the relay sets TCP_NODELAY on what is upgraded. Behind TLS or a listener
    /// of your own it cannot reach the socket: set it there when you accept, or each message may
    /// wait some 40 ms for the client to acknowledge the one before.
    pub fn router<S>(&self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let relay = self.clone();
        Router::new().fallback(move |request: Request| relay.clone().answer_axum(request))
    }

    async fn answer_axum(self, mut request: Request) -> Response {
        let on_upgrade = hyper::upgrade::on(&mut request);
        let (parts, _body) = request.into_parts();
        let remote = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0);
        let upgrade = self.upgrade(&parts, remote).await;
        if let Some(admission) = upgrade.admission {
            tokio::spawn(async move {
                match on_upgrade.await {
                    Ok(upgraded) => self.accept_upgraded(upgraded, admission).await,
                    Err(error) => tracing::debug!(%error, "the client left before its upgrade"),
                }
            });
        }
        upgrade.response.map(axum::body::Body::from)
    }

    async fn accept_upgraded(&self, upgraded: Upgraded, admission: Admission) {
        match downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => {
                let socket = parts.io.into_inner();
                // axum leaves it to the application, and messages are small: without it each waits
                // for the acknowledgement of the one before.
                let _ = socket.set_nodelay(true);
                self.accept(socket, parts.read_buf, admission).await;
            }
            Err(upgraded) => {
                let io = TokioIo::new(upgraded);
                self.accept(io, Bytes::new(), admission).await;
            }
        }
    }
}
