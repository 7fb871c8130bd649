//! The y-webrtc signaling protocol as a state machine without I/O: rooms, topics, limits, liveness.
