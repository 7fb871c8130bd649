//! How many peers a topic may have, by the setting and by grants, and what a relay may get wrong
//! about it.

use signal_conformance::Grant;

use crate::fault::{Fault, Faults};
use crate::grants::covers;
use crate::relay::{PeerId, Relay};

impl Relay {
    /// How many peers a topic may have for this one.
    pub(crate) fn size_for(&self, id: PeerId, topic: &str) -> usize {
        let setting = match self.limits.clients_max {
            0 => usize::MAX,
            max => max,
        };
        match self.granted_size(id, topic) {
            Some(_) if self.has(Fault::SizeOfGrantIgnored) => setting,
            Some(granted) if self.has(Fault::SizeOfGrantRaisesSetting) => granted,
            granted => setting.min(granted.unwrap_or(usize::MAX)),
        }
    }

    /// How many grants say it may have.
    fn granted_size(&self, id: PeerId, topic: &str) -> Option<usize> {
        let of = |id: PeerId| said(self.peers[&id].grant.as_ref()?, topic, self.faults);
        let mut members = self.subscribers(topic).into_iter();
        if self.has(Fault::SmallestSizeOfMembers) {
            return members.chain([id]).filter_map(of).min();
        }
        let first = members
            .next()
            .filter(|_| self.has(Fault::SizeOfFirstMember));
        of(first.unwrap_or(id))
    }

    /// Whether a topic has no place for this peer.
    pub(crate) fn is_full_for(&self, id: PeerId, topic: &str) -> bool {
        let members = self.subscribers(topic);
        let (size, peer) = (self.size_for(id, topic), &self.peers[&id]);
        let is_put_out = self.has(Fault::SizePutsMembersOut) && members.len() > size
            || self.has(Fault::SubscribedTwiceLosesThePlace);
        let was_in = peer.unsubscribed.iter().any(|one| one == topic);
        let left = self.peers.values();
        let kept = left.filter(|peer| peer.unsubscribed.iter().any(|one| one == topic));
        let taken = match self.has(Fault::PlacesAreNeverFree) {
            true => members.len() + kept.count(),
            false => members.len(),
        };
        let is_member = members.contains(&id) && !is_put_out;
        let may_come_back = was_in && self.has(Fault::OnceInAlwaysIn);
        !is_member && !may_come_back && taken >= size
    }

    /// Whether a topic that has these subscribers hears nothing from this peer.
    pub(crate) fn is_deaf_to(&self, id: PeerId, topic: &str, members: &[PeerId]) -> bool {
        let size = self.size_for(id, topic);
        let (is_member, is_full) = (members.contains(&id), members.len() >= size);
        let is_granted = self.granted_size(id, topic).is_some();
        match () {
            () if self.has(Fault::FullRoomHearsOutsiders) => false,
            () if self.has(Fault::SizeOfGrantHearsOutsiders) && is_granted => false,
            () if self.has(Fault::FullRoomHearsNobody) => is_full,
            () if self.has(Fault::SizeSilencesMembers) && members.len() > size => true,
            () if self.has(Fault::SizeOfGrantHearsNoOutsider) && is_granted => !is_member,
            () if self.has(Fault::OutsidersNeverHeard) && size < usize::MAX => !is_member,
            () => is_full && !is_member,
        }
    }
}

/// What a grant says of a topic.
fn said(grant: &Grant, topic: &str, faults: Faults) -> Option<usize> {
    let is_about = |pattern: &str| match pattern.strip_suffix('*') {
        _ if faults.has(Fault::SizeForEveryTopic) => true,
        Some(start) if faults.has(Fault::SizeByNameOnly) => start.is_empty(),
        _ => covers(&[pattern.to_owned()], topic, faults),
    };
    let numbers = grant.clients_max.iter();
    let about = numbers.filter(|(pattern, _)| is_about(pattern));
    let about = about.map(|(pattern, max)| (pattern.as_str(), *max as usize));
    let of_name = about.clone().find(|(pattern, _)| *pattern == topic);
    let of_longest = about.clone().max_by_key(|(pattern, _)| pattern.len());
    match () {
        () if faults.has(Fault::LargestSizeCounts) => about.map(|(_, max)| max).max(),
        () if faults.has(Fault::SizeOfNameCounts) && of_name.is_some() => {
            of_name.map(|(_, max)| max)
        }
        () if faults.has(Fault::SizeOfLongestPatternCounts) => of_longest.map(|(_, max)| max),
        () => about.map(|(_, max)| max).min(),
    }
}
