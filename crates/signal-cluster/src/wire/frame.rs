use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use signal_core::Message;

use super::reader::Reader;
use super::writer;
use crate::Payer;
use crate::node::Node;

const SUBSCRIBE: u8 = 1;
const PUBLISH: u8 = 2;
const PASS: u8 = 3;
const COUNT: u8 = 4;
const OWE: u8 = 5;

const AGAIN: u8 = 1;
const HAS_PAYER: u8 = 2;

/// What one node says to another about a topic or a publish.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Frame {
    /// To the home: how many subscribers the node has.
    Subscribe {
        /// The topic.
        topic: Arc<str>,
        /// The number, not a difference: hearing it twice changes nothing.
        subscribers: u32,
        /// Whether the node was subscribed before, with another home or in another session.
        moved: bool,
    },
    /// To the home: a publish of a local peer.
    Publish {
        /// The topic.
        topic: Arc<str>,
        /// Its number among the publishes of the node.
        number: u64,
        /// Whether it was sent to another home before.
        again: bool,
        /// Whom it is charged to, if to anyone.
        payer: Option<Payer>,
        /// The publish as its peer may have written it.
        message: Message,
    },
    /// From the home: a publish of another node.
    Pass {
        /// The topic.
        topic: Arc<str>,
        /// Whose publish it is.
        origin: Node,
        /// Its number there.
        number: u64,
        /// How many subscribers other nodes than the receiver have.
        elsewhere: u32,
        /// The publish.
        message: Message,
    },
    /// From the home: how many subscribers other nodes than the receiver have.
    Count {
        /// The topic.
        topic: Arc<str>,
        /// The number.
        elsewhere: u32,
    },
    /// From the home: what a publish causes that its peer was not charged for.
    Owe {
        /// The peer, by the number that came with the publish.
        peer: u64,
        /// Deliveries on other nodes.
        deliveries: u32,
        /// The bytes of the publish.
        message_bytes: u32,
    },
}

impl Frame {
    /// What it takes of a batch, or a little more.
    pub(crate) fn len(&self) -> usize {
        const REST: usize = 48;
        match self {
            Self::Subscribe { topic, .. } | Self::Count { topic, .. } => topic.len() + REST,
            Self::Publish { topic, message, .. } | Self::Pass { topic, message, .. } => {
                topic.len() + message.as_bytes().len() + REST
            }
            Self::Owe { .. } => REST,
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Subscribe {
                topic,
                subscribers,
                moved,
            } => {
                out.extend_from_slice(&[SUBSCRIBE, u8::from(*moved)]);
                writer::text(out, topic);
                writer::number(out, (*subscribers).into());
            }
            Self::Publish {
                topic,
                number,
                again,
                payer,
                message,
            } => {
                let again = if *again { AGAIN } else { 0 };
                let has_payer = payer.map_or(0, |_| HAS_PAYER);
                out.extend_from_slice(&[PUBLISH, again | has_payer]);
                writer::text(out, topic);
                writer::number(out, *number);
                if let Some(payer) = payer {
                    writer::number(out, payer.peer);
                    writer::number(out, payer.charged.into());
                }
                writer::text(out, message.as_str());
            }
            Self::Pass {
                topic,
                origin,
                number,
                elsewhere,
                message,
            } => {
                out.push(PASS);
                writer::text(out, topic);
                writer::node(out, *origin);
                writer::number(out, *number);
                writer::number(out, (*elsewhere).into());
                writer::text(out, message.as_str());
            }
            Self::Count { topic, elsewhere } => {
                out.push(COUNT);
                writer::text(out, topic);
                writer::number(out, (*elsewhere).into());
            }
            Self::Owe {
                peer,
                deliveries,
                message_bytes,
            } => {
                out.push(OWE);
                writer::number(out, *peer);
                writer::number(out, (*deliveries).into());
                writer::number(out, (*message_bytes).into());
            }
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.byte()? {
            SUBSCRIBE => {
                let moved = reader.flags(1)? != 0;
                Self::Subscribe {
                    topic: reader.text()?.into(),
                    subscribers: reader.small()?,
                    moved,
                }
            }
            PUBLISH => {
                let flags = reader.flags(AGAIN | HAS_PAYER)?;
                let (topic, number) = (reader.text()?.into(), reader.number()?);
                let payer = if flags & HAS_PAYER == 0 {
                    None
                } else {
                    Some(Payer {
                        peer: reader.number()?,
                        charged: reader.small()?,
                    })
                };
                Self::Publish {
                    topic,
                    number,
                    again: flags & AGAIN != 0,
                    payer,
                    message: String::from(reader.text()?).into(),
                }
            }
            PASS => Self::Pass {
                topic: reader.text()?.into(),
                origin: reader.node()?,
                number: reader.number()?,
                elsewhere: reader.small()?,
                message: String::from(reader.text()?).into(),
            },
            COUNT => Self::Count {
                topic: reader.text()?.into(),
                elsewhere: reader.small()?,
            },
            OWE => Self::Owe {
                peer: reader.number()?,
                deliveries: reader.small()?,
                message_bytes: reader.small()?,
            },
            _ => return None,
        })
    }
}
