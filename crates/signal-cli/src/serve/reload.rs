//! What is read again: when it has changed, and on SIGHUP.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::admin::ApiKey;
use crate::serve::access::Keys;
use crate::serve::cluster::Joined;
use crate::serve::tls::Tls;
use crate::serve::turn::Turn;
use crate::serve::watch::Watched;
use crate::settings::{Mistake, Settings};
use crate::webhook;

/// How often files are looked at, which takes some microseconds. What has changed is read at the
/// second look after, when it rests.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The files that may change while the relay runs, by what reads them.
#[derive(Debug)]
pub(crate) struct Files {
    certificate: Vec<PathBuf>,
    keys: Vec<PathBuf>,
    turn: Vec<PathBuf>,
    admin_key: Vec<PathBuf>,
    cluster: Vec<PathBuf>,
    webhook: Vec<PathBuf>,
}

impl Files {
    pub(crate) fn of(settings: &Settings) -> Self {
        let all = |files: &[&Option<PathBuf>]| files.iter().copied().flatten().cloned().collect();
        Self {
            certificate: all(&[&settings.tls_cert, &settings.tls_key]),
            keys: all(&[&settings.token_key_file]),
            turn: all(&[&settings.turn_secret_file]),
            admin_key: all(&[&settings.admin_key_file]),
            cluster: settings.cluster.files(),
            webhook: all(&[&settings.webhook_secret_file]),
        }
    }
}

/// What is made of files that may change while the relay runs.
#[derive(Debug)]
pub(crate) struct Reload {
    pub(crate) files: Files,
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
        let (tls, files) = (self.tls.as_ref(), &self.files.certificate);
        read_again(tls, files, "the old certificate stays in use", |tls| {
            tls.reload().map(|()| tls.tell_validity())
        });
    }

    fn read_keys(&self) {
        let (keys, files) = (self.keys.as_ref(), &self.files.keys);
        let kept = "the old keys of tokens stay in use";
        read_again(keys, files, kept, Keys::reload);
    }

    fn read_turn(&self) {
        let (turn, files) = (self.turn.as_ref(), &self.files.turn);
        let kept = "the old secret of TURN servers stays in use";
        read_again(turn, files, kept, Turn::reload);
    }

    fn read_admin_key(&self) {
        let (key, files) = (self.admin_key.as_deref(), &self.files.admin_key);
        let kept = "the old key of the admin API stays in use";
        read_again(key, files, kept, ApiKey::reload);
    }

    fn read_cluster(&self) {
        let (cluster, files) = (self.cluster.as_deref(), &self.files.cluster);
        let kept = "the cluster's old credentials and keys stay in use";
        read_again(cluster, files, kept, Joined::reload);
    }

    fn read_webhook(&self) {
        let (secret, files) = (self.webhook.as_deref(), &self.files.webhook);
        let kept = "the old secret of the webhook stays in use";
        read_again(secret, files, kept, webhook::Secret::reload);
    }
}

/// Reads files again, and reports what cannot be used.
///
/// A pipe may be read at the start, when somebody is there to write into it. Now it would be waited
/// for, and with it the next signal.
fn read_again<T>(
    made: Option<&T>,
    files: &[PathBuf],
    kept: &str,
    read: impl FnOnce(&T) -> Result<(), Mistake>,
) {
    let Some(made) = made else { return };
    if let Some(stream) = files.iter().find(|file| is_stream(file)) {
        let stream = stream.display();
        tracing::error!("{stream} is a pipe or a device, which is not read again; {kept}");
    } else if let Err(mistake) = read(made) {
        tracing::error!("{mistake}; {kept}");
    }
}

fn is_stream(file: &Path) -> bool {
    let metadata = std::fs::metadata(file);
    metadata.is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
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
    pub(crate) fn new(files: &Files) -> Self {
        let watched = |files: &Vec<PathBuf>| Watched::new(files.clone());
        Self {
            certificate: watched(&files.certificate),
            keys: watched(&files.keys),
            turn: watched(&files.turn),
            admin_key: watched(&files.admin_key),
            cluster: watched(&files.cluster),
            webhook: watched(&files.webhook),
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
