//! A build without the feature `cluster`: every relay is by itself.

use std::convert::Infallible;
use std::sync::Arc;

use signal_tokio::{Relay, RelayBuilder};

use crate::failure::Failure;
use crate::settings::{Mistake, Resolved};

#[derive(Debug)]
pub(crate) struct Cluster(Infallible);

pub(crate) fn load(_: &Resolved) -> Result<Option<Cluster>, Mistake> {
    Ok(None)
}

#[derive(Debug)]
pub(crate) struct Joined(Infallible);

pub(crate) fn build(
    _: &Arc<Resolved>,
    builder: RelayBuilder,
    cluster: Option<Cluster>,
) -> Result<(Relay, Option<Joined>), Failure> {
    match cluster {
        Some(Cluster(never)) => match never {},
        None => {}
    }
    let relay = builder.build();
    Ok((
        relay.map_err(|error| Failure::other(error, "correct the setting"))?,
        None,
    ))
}

impl Joined {
    /// There is none.
    pub(crate) fn never(&self) -> ! {
        match self.0 {}
    }

    pub(crate) fn reload(&self) -> Result<(), Mistake> {
        match self.0 {}
    }
}
