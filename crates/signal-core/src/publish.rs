use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::iter;
use core::ops::Range;

use crate::{Delivery, Message};

/// A publish that has passed all checks, still as its peer wrote it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publish<'m> {
    pub(crate) topic: Cow<'m, str>,
    pub(crate) body: Body<'m>,
}

impl<'m> Publish<'m> {
    /// The topic, decoded.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// What each of the `clients` subscribers gets.
    pub fn delivery(&self, clients: usize) -> Delivery<'_> {
        Delivery::new(&self.body, clients)
    }

    /// The [`delivery`](Self::delivery), written.
    pub fn encode(&self, clients: usize) -> Message {
        let delivery = self.delivery(clients);
        let mut text = String::with_capacity(delivery.len());
        delivery.for_each_slice(|slice| text.push_str(slice));
        text.into()
    }
}

/// The members of a message and which of them not to relay.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Body<'m> {
    /// What stands between the outermost braces.
    pub(crate) inside: &'m str,
    /// Members to leave out, as ranges of `inside`, in order: repeats, and every `clients`. Nearly
    /// always empty.
    pub(crate) cuts: Vec<Range<usize>>,
}

impl Body<'_> {
    /// The members to relay, in slices without the commas and the white space around them.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &str> {
        let starts = iter::once(0).chain(self.cuts.iter().map(|cut| cut.end));
        let ends = self.cuts.iter().map(|cut| cut.start);
        let slices = starts.zip(ends.chain([self.inside.len()]));
        slices
            .filter_map(|(start, end)| self.inside.get(start..end))
            .map(|slice| slice.trim_matches([' ', '\t', '\n', '\r', ',']))
            .filter(|slice| !slice.is_empty())
    }
}
