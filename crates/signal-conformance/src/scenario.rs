//! What a scenario is: data that any language can read and run.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Step;

/// One behaviour of a server: steps to take and what must come of them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Scenario {
    /// The stable name, such as `publish.echo`.
    pub id: String,
    /// The behaviour as a sentence.
    pub title: String,
    /// The level it belongs to.
    pub level: Level,
    /// The requirements it checks: of `PROTOCOL.md`, such as `P1`, or of `ACCESS.md`, such as `U1`.
    pub requirements: Vec<String>,
    /// What a backend must be able to do for it to be run at all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub needs: BTreeSet<Capability>,
    /// What must hold of the declared limits, such as `fan_out_burst<messages_burst`, for it to be
    /// run at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<String>,
    /// Scenarios without which this one cannot pass: where one of them failed, it is not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builds_on: Vec<String>,
    /// Whether the requirement is a SHOULD: a server that does otherwise is warned, not failed.
    #[serde(default, skip_serializing_if = "crate::step::is_false")]
    pub should: bool,
    /// Whether it runs while no other does: a flood is measured against the clock.
    #[serde(default, skip_serializing_if = "crate::step::is_false")]
    pub alone: bool,
    /// What happens, one step after the other.
    pub steps: Vec<Step>,
}

/// A group of scenarios that is reported with a verdict of its own.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Level {
    /// What y-webrtc's own server does and its client needs.
    Stock,
    /// What limits do, as far as the backend declares them.
    Limits,
    /// Liveness, closing, draining, restart and hibernation.
    Lifecycle,
    /// Grants: who may subscribe and publish what.
    Access,
    /// Several addresses of one service.
    Cluster,
    /// What y-webrtc's own server does not bear: inputs that kill it, derail it, or that it does
    /// not understand. Destructive: never run it against a server of somebody else.
    Robust,
}

impl Level {
    /// All levels, in the order they are run and reported.
    pub const ALL: [Self; 6] = [
        Self::Stock,
        Self::Limits,
        Self::Lifecycle,
        Self::Access,
        Self::Cluster,
        Self::Robust,
    ];

    /// The name, as in scenarios and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Limits => "limits",
            Self::Lifecycle => "lifecycle",
            Self::Access => "access",
            Self::Cluster => "cluster",
            Self::Robust => "robust",
        }
    }

    /// Whether its scenarios may end the server, so that each runs alone and the server is looked
    /// after in between.
    #[must_use]
    pub fn is_destructive(self) -> bool {
        self == Self::Robust
    }
}

/// Something a backend may or may not be able to do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Capability {
    /// [`Backend::advance`](crate::Backend::advance): time passes, at once or truly.
    Advance,
    /// [`Backend::drain`](crate::Backend::drain): the server shuts down in an orderly way.
    Drain,
    /// [`ConnectOptions::grant`](crate::ConnectOptions::grant) is honoured.
    Grants,
    /// [`Backend::guest`](crate::Backend::guest): connections on which no request comes.
    Guests,
    /// [`Backend::hibernate`](crate::Backend::hibernate): the server forgets all but what it
    /// stored, and wakes up.
    Hibernate,
    /// [`Backend::http`](crate::Backend::http), and paths and subprotocols on connecting.
    Http,
    /// Two nodes of one service: [`ConnectOptions::node`](crate::ConnectOptions::node).
    Nodes,
    /// Three nodes that can be ended, drained and started:
    /// [`Backend::kill_node`](crate::Backend::kill_node),
    /// [`drain_node`](crate::Backend::drain_node) and
    /// [`start_node`](crate::Backend::start_node).
    NodeFaults,
    /// [`Backend::stop_bus`](crate::Backend::stop_bus): what carries messages from node to node can
    /// be ended and started.
    BusFaults,
    /// [`Connection::pause`](crate::Connection::pause): a client that stops reading, and so answers
    /// no pings.
    Pause,
    /// Nobody else uses the server, so that a scenario may use a topic that is not its own.
    Private,
    /// [`Connection::send_raw`](crate::Connection::send_raw): there are frames.
    RawFrames,
    /// [`Backend::restart`](crate::Backend::restart): the server ends and is started again.
    Restart,
    /// The server judges the frames itself: it ends a connection with the right code at a malformed
    /// one, and sees in a header that a message will be too long. A server that gets whole messages
    /// from a runtime below it cannot.
    StrictFrames,
    /// `clients` counts the peers on all nodes.
    CountAll,
    /// Every path leads to the same topics.
    AnyPath,
    /// Pages of any origin may connect.
    AnyOrigin,
    /// Tokens are asked for, which [`Declared::issuer`](crate::Declared::issuer) signs; what a
    /// client brings to the upgrade is looked at.
    Tokens,
    /// The tokens must name the issuer's audience.
    Audience,
    /// The issuer's key has a public half, which is all the server needs.
    PublicKey,
    /// Only pages of [`Declared::origin`](crate::Declared::origin) may connect.
    Origins,
    /// Grants and tokens may say how many clients topics have:
    /// [`Grant::clients_max`](crate::Grant::clients_max).
    ClientsMax,
}

impl Capability {
    /// The name, as in scenarios and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Advance => "advance",
            Self::Drain => "drain",
            Self::Grants => "grants",
            Self::Guests => "guests",
            Self::Hibernate => "hibernate",
            Self::Http => "http",
            Self::Nodes => "nodes",
            Self::NodeFaults => "node_faults",
            Self::BusFaults => "bus_faults",
            Self::Pause => "pause",
            Self::Private => "private",
            Self::RawFrames => "raw_frames",
            Self::Restart => "restart",
            Self::StrictFrames => "strict_frames",
            Self::CountAll => "count_all",
            Self::AnyPath => "any_path",
            Self::AnyOrigin => "any_origin",
            Self::Tokens => "tokens",
            Self::Audience => "audience",
            Self::PublicKey => "public_key",
            Self::Origins => "origins",
            Self::ClientsMax => "clients_max",
        }
    }

    /// Whether it acts on the whole server, so that a scenario with it runs alone.
    pub(crate) fn is_exclusive(self) -> bool {
        match self {
            Self::Advance
            | Self::BusFaults
            | Self::Drain
            | Self::Hibernate
            | Self::NodeFaults
            | Self::Restart => true,
            Self::Grants
            | Self::Guests
            | Self::Http
            | Self::Nodes
            | Self::Pause
            | Self::Private
            | Self::RawFrames
            | Self::StrictFrames
            | Self::CountAll
            | Self::AnyPath
            | Self::AnyOrigin
            | Self::Tokens
            | Self::Audience
            | Self::PublicKey
            | Self::Origins
            | Self::ClientsMax => false,
        }
    }
}

impl Scenario {
    /// Whether it may run beside others.
    pub(crate) fn runs_alone(&self) -> bool {
        self.alone
            || self.level.is_destructive()
            || self.needs.iter().any(|need| need.is_exclusive())
    }
}
