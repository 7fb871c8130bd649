//! The conformance suite for y-webrtc signaling servers, run against any backend or URL.
