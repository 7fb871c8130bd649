use std::fmt;
use std::str::FromStr;

/// A kind of event, as `webhook_events` names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    TopicOpened,
    TopicEmptied,
    PeerIn,
    PeerOut,
    Refused,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::TopicOpened,
        Self::TopicEmptied,
        Self::PeerIn,
        Self::PeerOut,
        Self::Refused,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::TopicOpened => "topic_opened",
            Self::TopicEmptied => "topic_emptied",
            Self::PeerIn => "peer_in",
            Self::PeerOut => "peer_out",
            Self::Refused => "refused",
        }
    }
}

/// Which kinds of events are sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Kinds(u8);

impl Kinds {
    pub(crate) const ALL: Self = Self((1 << Kind::ALL.len()) - 1);

    pub(crate) fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

impl FromStr for Kinds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "all" {
            return Ok(Self::ALL);
        }
        let names = Kind::ALL.map(Kind::name);
        let mut kinds = 0;
        for name in text.split(',').map(str::trim) {
            let place = names.iter().position(|known| *known == name);
            let place = place.ok_or_else(|| {
                format!(
                    "`{name}` is not an event; write all, or some of {}",
                    names.join(", ")
                )
            })?;
            kinds |= 1 << place;
        }
        Ok(Self(kinds))
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("all");
        }
        let kinds = Kind::ALL.into_iter().filter(|kind| self.has(*kind));
        let names: Vec<_> = kinds.map(Kind::name).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_named_one_by_one_or_all() {
        let read = |text: &str| text.parse::<Kinds>().map(|kinds| kinds.to_string());
        assert_eq!(read("all").as_deref(), Ok("all"));
        assert_eq!(read(" refused , peer_in").as_deref(), Ok("peer_in,refused"));
        let all = "topic_opened,topic_emptied,peer_in,peer_out,refused";
        assert_eq!(read(all).as_deref(), Ok("all"));
        for wrong in ["", "none", "peer_in,", "peer", "all,refused"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
