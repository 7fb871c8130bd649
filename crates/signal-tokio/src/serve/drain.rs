//! Ending without a herd.

use std::sync::Arc;
use std::time::Duration;

use signal_core::CloseReason;
use tokio::time::{Instant, timeout_at};

use crate::shared::Shared;
use crate::stats::lifecycle::Lifecycle;

/// How often closes are sent while draining.
const STEP: Duration = Duration::from_millis(100);

/// Closes all peers, a few at a time, and waits for them to go.
pub(crate) async fn drain(shared: &Arc<Shared>) {
    let is_first = shared.door.lifecycle.send_if_modified(|lifecycle| {
        let is_first = *lifecycle == Lifecycle::Serving;
        *lifecycle = (*lifecycle).max(Lifecycle::Draining);
        is_first
    });
    let mut lifecycle = shared.door.lifecycle.subscribe();
    if is_first {
        tracing::info!(
            peers = shared.places.gate.peers(),
            seconds = shared.config.drain_seconds,
            "draining"
        );
        #[cfg(feature = "cluster")]
        if let Some(node) = &shared.node {
            node.drain();
        }
        close_spread(shared).await;
        wait_until_empty(shared).await;
        #[cfg(feature = "cluster")]
        if let Some(node) = &shared.node {
            node.leave().await;
        }
        let left = shared.places.gate.peers();
        tracing::info!(left, "drained");
        shared.door.lifecycle.send_replace(Lifecycle::Drained);
    }
    // The sender is in `shared`, so this ends with the state and not with an error.
    let _ = lifecycle.wait_for(|now| *now == Lifecycle::Drained).await;
}

/// Closes each connection at a random moment of the drain: of as many equal slices of it as there
/// are connections, each gets one, so that no second has more closes than another. Ends early if
/// all have gone by themselves.
async fn close_spread(shared: &Shared) {
    let start = Instant::now();
    let spread = Duration::from_secs(shared.config.drain_seconds.into());
    let mut queues = shared.rooms.registry.queues();
    fastrand::shuffle(&mut queues);
    let slice = spread.div_f64(queues.len().max(1) as f64);
    let mut planned = (0_u32..)
        .zip(queues)
        .map(|(number, queue)| {
            let after = slice.mul_f64(f64::from(number) + fastrand::f64());
            (after, queue)
        })
        .peekable();
    while let Some((after, _)) = planned.peek() {
        let emptied = shared.places.emptied.notified();
        if shared.places.gate.peers() == 0 {
            return;
        }
        if timeout_at(start + *after, emptied).await.is_ok() {
            continue;
        }
        let until = start.elapsed() + STEP;
        while let Some((_, queue)) = planned.next_if(|(after, _)| *after < until) {
            queue.end(CloseReason::Draining);
        }
    }
}

/// Waits until all are gone, those included that were admitted just before the drain began, for as
/// long as a close may take: whoever gave the process this long to end kills it afterwards.
async fn wait_until_empty(shared: &Shared) {
    let deadline = Instant::now() + shared.config.close_timeout + STEP;
    loop {
        let emptied = shared.places.emptied.notified();
        if shared.places.gate.peers() == 0 {
            return;
        }
        for queue in shared.rooms.registry.queues() {
            queue.end(CloseReason::Draining);
        }
        let next_look = (Instant::now() + STEP).min(deadline);
        if timeout_at(next_look, emptied).await.is_err() && Instant::now() >= deadline {
            return;
        }
    }
}
