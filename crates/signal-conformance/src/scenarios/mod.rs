//! The scenarios, by theme.

use crate::Scenario;

mod access;
pub(crate) mod basic_ids;
mod basics;
mod budgets;
mod build;
mod carriers;
mod clients_max;
mod closing;
mod cluster;
mod crowd;
mod expect;
mod forgeries;
mod frames;
mod grammar;
mod hostile;
mod lifecycle;
mod limits;
mod look_alikes;
mod names;
mod needs;
mod order;
mod origins;
mod ping;
mod publish;
mod robust;
mod subscribe;
mod tokens;
mod transport;
mod wrong_types;

pub(crate) use needs::{KNOWN, Needs};

/// All scenarios, level by level.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    all.extend(basics::scenarios());
    all.extend(transport::scenarios());
    all.extend(grammar::scenarios());
    all.extend(subscribe::scenarios());
    all.extend(publish::scenarios());
    all.extend(ping::scenarios());
    all.extend(order::scenarios());
    all.extend(closing::scenarios());
    all.extend(names::scenarios());
    all.extend(crowd::scenarios());
    all.extend(limits::scenarios());
    all.extend(lifecycle::scenarios());
    all.extend(access::scenarios());
    all.extend(look_alikes::scenarios());
    all.extend(clients_max::scenarios());
    all.extend(carriers::scenarios());
    all.extend(tokens::scenarios());
    all.extend(forgeries::scenarios());
    all.extend(origins::scenarios());
    all.extend(cluster::scenarios());
    all.extend(robust::scenarios());
    all.extend(frames::scenarios());
    all.extend(wrong_types::scenarios());
    // Stable: within a level the order above stays, but for what others build on.
    all.sort_by_key(|scenario| (scenario.level, basics::rank(scenario)));
    all.iter_mut().for_each(basics::name_basis);
    all
}
