use std::time::Duration;

/// How long a stock client of y-webrtc waits before it connects again, after so many tries in a row
/// that were not accepted: what `lib0/websocket` computes, which is no time at all for a client
/// that was accepted and then cut off. It is back within 4 ms (PROTOCOL.md, T7); here it takes 3.
pub fn stock_wait(failures: u32) -> Duration {
    match failures {
        0 => Duration::from_millis(3),
        _ => Duration::from_secs_f64((f64::from(failures + 1).log10() * 1.2).min(2.5)),
    }
}
