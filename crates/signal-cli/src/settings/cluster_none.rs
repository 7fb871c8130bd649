//! A build without the feature `cluster`: there is nothing to set.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::settings::Mistake;
use crate::settings::resolved::Resolved;
use crate::settings::setting::Setting;

#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterSettings;

impl ClusterSettings {
    pub(crate) fn shown(&self) -> Option<String> {
        None
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

pub(super) fn own() -> Vec<Setting> {
    Vec::new()
}

pub(super) fn limits() -> impl Iterator<Item = Setting> {
    std::iter::empty()
}

pub(super) fn check(_: &mut Resolved, _: &BTreeMap<&str, String>) -> Vec<Mistake> {
    Vec::new()
}
