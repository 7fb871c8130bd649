//! A build without the feature `cluster`: there is nothing to show.

use serde_json::Value;
use signal_tokio::Relay;
use signal_tokio::metrics::prometheus_client::collector::Collector;

use crate::serve::cluster::Joined;

pub(super) fn collector(joined: &Joined) -> Box<dyn Collector> {
    joined.never()
}

pub(super) fn status(_: &Relay, _: Option<&Joined>) -> Option<Value> {
    None
}
