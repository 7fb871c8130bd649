//! The relay as part of an axum application.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use bytes::Bytes;
use hyper_util::rt::TokioIo;

use crate::Relay;

impl Relay {
    /// A router that answers every path as the relay does: merge it or nest it beside your own
    /// routes. Nested under `/signal` it is reached as `/signal` or `/signal/anything`, but axum
    /// does not pass `/signal/` on.
    ///
    /// Limits per address need `into_make_service_with_connect_info::<SocketAddr>()`; without it
    /// every client counts as unknown, and only `peers_max` holds. Time-outs and sizes of requests
    /// are those of your server, not
    /// [`Config::handshake_timeout`](crate::Config::handshake_timeout) and its neighbours. After
    /// the upgrade the connection is the relay's own, without axum's WebSocket code in between.
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
                    Ok(upgraded) => {
                        self.accept(TokioIo::new(upgraded), Bytes::new(), admission)
                            .await
                    }
                    Err(error) => tracing::debug!(%error, "the client left before its upgrade"),
                }
            });
        }
        upgrade.response.map(axum::body::Body::from)
    }
}
