//! The y-webrtc signaling relay on tokio sockets, to run or to embed, and its client.
