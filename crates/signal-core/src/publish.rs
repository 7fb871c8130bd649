use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::ops::Range;

use crate::Message;

/// A publish that has passed all checks, still as its peer wrote it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publish<'m> {
    pub(crate) topic: Cow<'m, str>,
    pub(crate) body: Body<'m>,
}

impl Publish<'_> {
    /// The topic, decoded.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The message for the subscribers, `clients` of them.
    ///
    /// Names and values are those of the publisher, unchanged; `clients` is put last.
    pub fn encode(&self, clients: usize) -> Message {
        self.body.encode(clients)
    }
}

/// The members of a message and which of them not to relay.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Body<'m> {
    /// What stands between the outermost braces.
    pub(crate) inside: &'m str,
    /// Members to leave out, as ranges of `inside`, in order: repeats, and every `clients`. Nearly always empty.
    pub(crate) cuts: Vec<Range<usize>>,
}

impl Body<'_> {
    fn encode(&self, clients: usize) -> Message {
        const CLIENTS_BYTES_MAX: usize = r#"{,"clients":18446744073709551615}"#.len();
        let mut text = String::with_capacity(self.inside.len() + CLIENTS_BYTES_MAX);
        text.push('{');
        let mut kept_from = 0;
        for cut in &self.cuts {
            push_members(&mut text, self.inside.get(kept_from..cut.start));
            kept_from = cut.end;
        }
        push_members(&mut text, self.inside.get(kept_from..));
        // Writing to a String cannot fail.
        let _ = write!(text, "\"clients\":{clients}}}");
        text.into()
    }
}

/// Appends the members in `slice`, which begins and ends with commas and white space that belonged to its neighbours.
fn push_members(text: &mut String, slice: Option<&str>) {
    let members = slice
        .unwrap_or_default()
        .trim_matches([' ', '\t', '\n', '\r', ',']);
    if !members.is_empty() {
        text.push_str(members);
        text.push(',');
    }
}
