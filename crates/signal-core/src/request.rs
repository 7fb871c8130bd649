use alloc::vec::Vec;
use core::ops::Range;

use crate::json::{self, Member, NotJson};
use crate::publish::{Body, Publish};

/// A message by its grammar alone, before grants and budgets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Request<'m> {
    /// With its topics: a JSON string, or an array whose strings count.
    Subscribe(&'m str),
    Unsubscribe(&'m str),
    Publish(Publish<'m>),
    Ping,
    Meaningless,
}

/// Reads a message.
pub(crate) fn parse(text: &str, depth_max: u8) -> Result<Request<'_>, NotJson> {
    let mut fields = Fields::default();
    let inside = json::scan(text, depth_max, |member| fields.see(member))?;
    let (Some(inside), Some(kind)) = (inside, fields.kind.string()) else {
        return Ok(Request::Meaningless);
    };
    let request = match json::decode(kind).as_deref() {
        Some("publish") => fields.publish(text, inside).map(Request::Publish),
        Some("ping") => Some(Request::Ping),
        Some("subscribe") => fields.names().map(Request::Subscribe),
        Some("unsubscribe") => fields.names().map(Request::Unsubscribe),
        _ => None,
    };
    Ok(request.unwrap_or(Request::Meaningless))
}

impl<'m> Publish<'m> {
    /// Reads a publish that somebody else has judged: another node of a cluster, for instance.
    /// `None` if the message is something else.
    pub fn read(text: &'m str) -> Option<Self> {
        match parse(text, u8::MAX) {
            Ok(Request::Publish(publish)) => Some(publish),
            _ => None,
        }
    }
}

/// The members this protocol interprets: the last of each, and where those stand that must not be
/// relayed.
#[derive(Default)]
struct Fields<'m> {
    kind: Field<'m>,
    topic: Field<'m>,
    topics: Field<'m>,
    cuts: Vec<Range<usize>>,
}

/// The last member of one name.
#[derive(Default)]
struct Field<'m>(Option<Member<'m>>);

impl<'m> Field<'m> {
    fn string(&self) -> Option<&'m str> {
        json::unquoted(self.0.as_ref()?.value)
    }
}

impl<'m> Fields<'m> {
    fn see(&mut self, member: Member<'m>) {
        let field = match json::decode(member.name).as_deref() {
            Some("type") => &mut self.kind,
            Some("topic") => &mut self.topic,
            Some("topics") => &mut self.topics,
            Some("clients") => return self.cuts.push(member.span),
            _ => return,
        };
        if let Some(earlier) = field.0.replace(member) {
            self.cuts.push(earlier.span);
        }
    }

    /// What a subscribe or an unsubscribe names: `topics` if it is there, otherwise a single
    /// `topic`.
    fn names(&self) -> Option<&'m str> {
        let (names, start) = match (&self.topics.0, &self.topic.0) {
            (Some(topics), _) => (topics.value, '['),
            (None, topic) => (topic.as_ref()?.value, '"'),
        };
        names.starts_with(start).then_some(names)
    }

    fn publish(mut self, text: &'m str, inside: Range<usize>) -> Option<Publish<'m>> {
        let topic = json::decode(self.topic.string()?)?;
        if topic.is_empty() {
            return None;
        }
        self.cuts.sort_unstable_by_key(|cut| cut.start);
        for cut in &mut self.cuts {
            *cut = cut.start - inside.start..cut.end - inside.start;
        }
        let (inside, cuts) = (text.get(inside)?, self.cuts);
        let body = Body { inside, cuts };
        Some(Publish { topic, body })
    }
}
