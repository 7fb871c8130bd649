//! How a batch gets to its server.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use signal_tokio::HttpsClient;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::webhook::batch::Batch;
use crate::webhook::counts::Counts;
use crate::webhook::secret::Secret;

/// How long one attempt may take, from the connection to the answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// The waits between attempts; after the last one the batch is given up.
const WAITS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// What is read of an answer. Nothing in it is looked at.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

pub(super) struct Sender {
    pub(super) client: HttpsClient,
    pub(super) secret: Arc<Secret>,
    pub(super) counts: Arc<Counts>,
    pub(super) is_closing: watch::Receiver<bool>,
}

impl Sender {
    /// Sends a batch, more than once if need be. False if it is given up.
    pub(super) async fn send(&self, batch: &Batch) -> bool {
        let events = batch.events.len() as u64;
        // Texts and numbers, which always are JSON.
        let body = serde_json::to_string(batch).unwrap_or_default();
        let id = new_id();
        let mut waits = WAITS.into_iter();
        loop {
            let attempt = timeout(ATTEMPT_TIMEOUT, self.attempt(&id, &body)).await;
            let problem = match attempt {
                Ok(Ok(())) => {
                    self.counts.sent(events);
                    return true;
                }
                Ok(Err(error)) => error,
                Err(_) => format!("it did not answer within {} s", ATTEMPT_TIMEOUT.as_secs()),
            };
            let host = self.client.url().host();
            let wait = waits.next().filter(|_| !*self.is_closing.borrow());
            let Some(wait) = wait else {
                self.counts.failed(events);
                tracing::error!(
                    host,
                    events,
                    problem,
                    "a batch of events could not be sent to the webhook, and is lost"
                );
                return false;
            };
            tracing::warn!(
                host,
                events,
                problem,
                "the webhook did not take a batch of events; it will be sent again"
            );
            let mut is_closing = self.is_closing.clone();
            tokio::select! {
                () = sleep(wait) => {}
                // One more attempt, at once.
                _ = is_closing.changed() => {}
            }
        }
    }

    async fn attempt(&self, id: &str, body: &str) -> Result<(), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let timestamp = now.map_or(0, |now| now.as_secs());
        let request = Request::post("/")
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", self.secret.sign(id, timestamp, body));
        let body = Bytes::copy_from_slice(body.as_bytes());
        let sent = self.client.send(request, body, ANSWER_BYTES_MAX).await;
        sent.map(drop).map_err(|error| error.to_string())
    }
}

/// By which a receiver knows a batch that comes twice.
fn new_id() -> String {
    let mut bytes = [0; 16];
    // Where there is no randomness, nothing else of this process works either.
    let _ = getrandom::fill(&mut bytes);
    format!("msg_{:032x}", u128::from_be_bytes(bytes))
}
