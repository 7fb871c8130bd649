use alloc::vec::Vec;
use core::time::Duration;

use super::reader::Reader;
use super::writer;
use crate::node::Node;

const DRAINING: u8 = 1;
const YOUNG: u8 = 2;
const LEAVES: u8 = 4;

/// Says that a node lives, and what it knows of the others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Beat {
    /// Whose it is.
    pub from: Node,
    /// The newest version of the wire that the node speaks.
    pub newest: u8,
    /// Whether it is draining, and home of nothing any more.
    pub is_draining: bool,
    /// Whether it has just started, and is home of nothing yet.
    pub is_young: bool,
    /// Whether this is its last one.
    pub leaves: bool,
    /// A hash of the nodes that it hears, and of what each of them may be.
    pub view: u64,
    /// How long it has been there.
    pub uptime: Duration,
    /// Its links.
    pub links: Vec<LinkState>,
}

/// The state of a link, as one of its ends sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LinkState {
    /// The other end.
    pub node: Node,
    /// The session; 0 if none has begun.
    pub session: u32,
    /// The last frame sent.
    pub last: u64,
    /// The last frame heard.
    pub heard: u64,
}

impl Beat {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        writer::node(out, self.from);
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let flags = flag(self.is_draining, DRAINING)
            | flag(self.is_young, YOUNG)
            | flag(self.leaves, LEAVES);
        out.extend_from_slice(&[self.newest, flags]);
        out.extend_from_slice(&self.view.to_le_bytes());
        let uptime = u64::try_from(self.uptime.as_millis()).unwrap_or(u64::MAX);
        writer::number(out, uptime);
        writer::number(out, self.links.len() as u64);
        for link in &self.links {
            writer::node(out, link.node);
            writer::number(out, link.session.into());
            writer::number(out, link.last);
            writer::number(out, link.heard);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (from, newest) = (reader.node()?, reader.byte()?);
        let flags = reader.flags(DRAINING | YOUNG | LEAVES)?;
        let view = reader.fixed()?;
        let uptime = Duration::from_millis(reader.number()?);
        // Memory grows with what is really there, not with what is announced.
        let links = (0..reader.number()?).map(|_| {
            Some(LinkState {
                node: reader.node()?,
                session: reader.small()?,
                last: reader.number()?,
                heard: reader.number()?,
            })
        });
        let links = links.collect::<Option<_>>()?;
        reader.is_at_end().then_some(Self {
            from,
            newest,
            is_draining: flags & DRAINING != 0,
            is_young: flags & YOUNG != 0,
            leaves: flags & LEAVES != 0,
            view,
            uptime,
            links,
        })
    }
}
