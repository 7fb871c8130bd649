use std::time::{Duration, Instant};

/// Far more than anything takes on a busy machine; past it a test fails instead of hanging.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is asked.
const PAUSE: Duration = Duration::from_millis(5);

/// Asks again and again until the answer is yes.
pub async fn until<F: Future<Output = bool>>(what: &str, is_so: impl FnMut() -> F) {
    assert!(in_time(is_so).await, "not in time: {what}");
}

/// Asks again and again until the answer is yes, or false is returned.
pub async fn in_time<F: Future<Output = bool>>(mut is_so: impl FnMut() -> F) -> bool {
    // By the clock on the wall: where a test moves tokio's, a pause takes no time at all.
    let start = Instant::now();
    while !is_so().await {
        if start.elapsed() >= PATIENCE {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
    true
}

/// Asks again and again until there is an answer, in a test that is not async.
#[track_caller]
pub fn until_blocking<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(PAUSE);
    }
}
