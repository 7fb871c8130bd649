/// A rule that a world breaks on purpose, so that a check can be seen to notice.
///
/// A simulation that never fails proves nothing by itself. Set one of these as
/// [`Config::fault`](crate::Config::fault) or [`Plan::fault`](crate::Plan::fault) and the world
/// misbehaves now and then, as a host with that bug would.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Fault {
    /// A receiver gets a publish twice.
    Duplicate,
    /// A receiver does not get a publish.
    Lose,
    /// `clients` is one too many.
    Miscount,
    /// Values are rewritten: the publish is not relayed as it was sent.
    Reencode,
    /// A peer that is not subscribed gets a publish.
    Misdeliver,
    /// The answer to a ping goes to another peer.
    MisdirectPong,
    /// A queue hands two messages out in the wrong order.
    SwapInQueue,
    /// A message overtakes another on its way to the relay.
    OvertakeUp,
    /// The host does not tell the room that a connection has ended.
    KeepGhost,
    /// A full queue grows instead of ending its peer.
    GrowQueue,
    /// A full queue drops what does not fit instead of ending its peer.
    DropWhenFull,
    /// A queue is taken to be full when it is half full.
    ShrinkQueue,
    /// Deadlines pass and nothing is done.
    MissDeadlines,
    /// Deadlines are acted on, but pings are not sent.
    SwallowPings,
    /// Pongs are not passed on.
    SwallowPongs,
    /// The room says that a peer is closed, and the host leaves it connected.
    LeaveOpen,
    /// A peer does not survive hibernation.
    ForgetPeer,
    /// Subscriptions do not survive hibernation.
    ForgetTopics,
    /// Budgets are full again after hibernation.
    ForgetBudgets,
    /// Limits are twice what they should be.
    LaxLimits,
    /// Limits are half of what they should be.
    StrictLimits,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Duplicate,
        Self::Lose,
        Self::Miscount,
        Self::Reencode,
        Self::Misdeliver,
        Self::MisdirectPong,
        Self::SwapInQueue,
        Self::OvertakeUp,
        Self::KeepGhost,
        Self::GrowQueue,
        Self::DropWhenFull,
        Self::ShrinkQueue,
        Self::MissDeadlines,
        Self::SwallowPings,
        Self::SwallowPongs,
        Self::LeaveOpen,
        Self::ForgetPeer,
        Self::ForgetTopics,
        Self::ForgetBudgets,
        Self::LaxLimits,
        Self::StrictLimits,
    ];
}
