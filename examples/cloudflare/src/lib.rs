//! A y-webrtc signaling relay on Cloudflare Workers. The README beside it says how to deploy it and
//! what it costs.

use signal_workers::Relay;
use worker::*;

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    signal_workers::fetch(request, env, context).await
}

/// The Durable Object: one room, or all of them.
#[durable_object]
pub struct Room {
    relay: Relay,
}

impl DurableObject for Room {
    fn new(state: State, env: Env) -> Self {
        Self {
            relay: Relay::new(state, &env),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        self.relay.fetch(request).await
    }

    async fn websocket_message(
        &self,
        socket: WebSocket,
        message: WebSocketIncomingMessage,
    ) -> Result<()> {
        self.relay.websocket_message(socket, message).await
    }

    async fn websocket_close(
        &self,
        socket: WebSocket,
        code: usize,
        reason: String,
        _clean: bool,
    ) -> Result<()> {
        self.relay.websocket_close(socket, code, reason).await
    }

    async fn websocket_error(&self, socket: WebSocket, error: Error) -> Result<()> {
        self.relay.websocket_error(socket, error).await
    }

    async fn alarm(&self) -> Result<Response> {
        self.relay.alarm().await
    }
}
