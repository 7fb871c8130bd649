//! Where there is no systemd, nothing is sent.

use std::convert::Infallible;

use signal_tokio::{Relay, Serving};

pub(crate) fn ready(_: &Relay) {}

pub(crate) fn reloading() {}

pub(crate) fn stopping(_: &Relay) {}

pub(crate) async fn keep_telling(_: &Relay, _: &Serving) -> Infallible {
    std::future::pending().await
}
