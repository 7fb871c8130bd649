//! What is read again: when it has changed, and on SIGHUP.

use std::sync::Arc;
use std::time::Duration;

use crate::admin::ApiKey;
use crate::serve::access::Keys;
use crate::serve::cluster::Joined;
use crate::serve::tls::Tls;
use crate::serve::turn::Turn;
use crate::serve::watch::Watched;
use crate::settings::Settings;
use crate::webhook;

/// How often files are looked at, which takes some microseconds. What has changed is read at the
/// second look after, when it rests.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The files that may change while the relay runs.
#[derive(Debug)]
pub(crate) struct Reload {
    pub(crate) tls: Option<Tls>,
    pub(crate) keys: Option<Keys>,
    pub(crate) turn: Option<Turn>,
    pub(crate) admin_key: Option<Arc<ApiKey>>,
    /// The node of a cluster that the relay is.
    pub(crate) cluster: Option<Arc<Joined>>,
    pub(crate) webhook: Option<Arc<webhook::Secret>>,
}

impl Reload {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        let has_keys = self.keys.is_some() || self.admin_key.is_some();
        let has_files = self.tls.is_some() || has_keys || self.turn.is_some();
        !has_files && self.cluster.is_none() && self.webhook.is_none()
    }

    /// Reads each again. One that cannot be used is reported, and what was read before stays in
    /// use.
    pub(crate) fn run(&self) {
        if self.is_empty() {
            tracing::info!("SIGHUP: no setting names a file that could be read again");
        }
        self.read_certificate();
        self.read_keys();
        self.read_turn();
        self.read_admin_key();
        self.read_cluster();
        self.read_webhook();
    }

    fn read_certificate(&self) {
        let Some(tls) = &self.tls else { return };
        match tls.reload() {
            Ok(()) => tls.tell_validity(),
            Err(mistake) => tracing::error!("{mistake}; the old certificate stays in use"),
        }
    }

    fn read_keys(&self) {
        if let Some(Err(mistake)) = self.keys.as_ref().map(Keys::reload) {
            tracing::error!("{mistake}; the old keys of tokens stay in use");
        }
    }

    fn read_turn(&self) {
        if let Some(Err(mistake)) = self.turn.as_ref().map(Turn::reload) {
            tracing::error!("{mistake}; the old secret of TURN servers stays in use");
        }
    }

    fn read_admin_key(&self) {
        if let Some(Err(mistake)) = self.admin_key.as_ref().map(|key| key.reload()) {
            tracing::error!("{mistake}; the old key of the admin API stays in use");
        }
    }

    fn read_cluster(&self) {
        if let Some(Err(mistake)) = self.cluster.as_deref().map(Joined::reload) {
            tracing::error!("{mistake}; the cluster's old credentials and keys stay in use");
        }
    }

    fn read_webhook(&self) {
        if let Some(Err(mistake)) = self.webhook.as_ref().map(|secret| secret.reload()) {
            tracing::error!("{mistake}; the old secret of the webhook stays in use");
        }
    }
}

/// Looks at the files while the relay runs.
#[derive(Debug)]
pub(crate) struct Watch {
    certificate: Watched,
    keys: Watched,
    turn: Watched,
    admin_key: Watched,
    cluster: Watched,
    webhook: Watched,
}

impl Watch {
    /// From now on: before the files are read for the first time, so that no change is missed.
    pub(crate) fn new(settings: &Settings) -> Self {
        let certificate = [&settings.tls_cert, &settings.tls_key];
        Self {
            certificate: Watched::new(certificate.into_iter().flatten().cloned().collect()),
            keys: Watched::new(settings.token_key_file.iter().cloned().collect()),
            turn: Watched::new(settings.turn_secret_file.iter().cloned().collect()),
            admin_key: Watched::new(settings.admin_key_file.iter().cloned().collect()),
            cluster: Watched::new(settings.cluster.files()),
            webhook: Watched::new(settings.webhook_secret_file.iter().cloned().collect()),
        }
    }

    /// Waits for the next look, and reads what has changed.
    pub(crate) async fn next(&mut self, reload: &Reload) {
        tokio::time::sleep(LOOK_INTERVAL).await;
        if self.certificate.look() {
            reload.read_certificate();
        }
        if self.keys.look() {
            reload.read_keys();
        }
        if self.turn.look() {
            reload.read_turn();
        }
        if self.admin_key.look() {
            reload.read_admin_key();
        }
        if self.cluster.look() {
            reload.read_cluster();
        }
        if self.webhook.look() {
            reload.read_webhook();
        }
    }

    /// Takes all for read.
    pub(crate) fn all_read(&mut self) {
        self.certificate.take_for_read();
        self.keys.take_for_read();
        self.turn.take_for_read();
        self.admin_key.take_for_read();
        self.cluster.take_for_read();
        self.webhook.take_for_read();
    }
}
