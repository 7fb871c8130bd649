//! The faults, and which scenario is there to catch each.

/// The faults a relay has: none or one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults(pub(crate) Option<Fault>);

impl Faults {
    pub(crate) fn has(self, fault: Fault) -> bool {
        self.0 == Some(fault)
    }
}

macro_rules! faults {
    ($($fault:ident => $scenario:literal,)*) => {
        /// One thing a relay does wrong.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(crate) enum Fault { $($fault,)* }

        /// Each fault with the scenario named for it.
        pub(crate) const ALL: &[(Fault, &str)] = &[$((Fault::$fault, $scenario),)*];
    };
}

faults! {
    // Subscribe and unsubscribe.
    SubscribeAnswered => "subscribe.no_answer",
    SubscribeAnnounced => "subscribe.not_announced",
    SubscribeLate => "subscribe.pipelined",
    SubscribeReplaces => "subscribe.adds",
    SubscribedTwiceCountsTwice => "subscribe.twice",
    UnsubscribeIgnored => "subscribe.unsubscribe",
    UnsubscribeEndsAll => "subscribe.unsubscribe_one",
    UnsubscribeEndsOthers => "subscribe.unsubscribe_own_only",
    OddEntriesSpoilTheRest => "subscribe.entries_no_strings",
    TopicsStringSubscribed => "robust.subscribe.topics_string",
    TopicsStringUnsubscribed => "robust.unsubscribe.topics_string",
    SingularTopicIgnored => "robust.singular_topic",
    SingularTopicDecides => "robust.singular_topic_and_topics",
    // Publish.
    EchoSuppressed => "publish.echo",
    PublishAnswered => "publish.from_outside",
    PublisherMustSubscribe => "publish.from_outside",
    DeliveredToAll => "publish.only_to_topic",
    DeliveredTwice => "publish.once",
    TopicsOfPublishUsed => "publish.topics_ignored",
    HistoryReplayed => "publish.no_history",
    PrefixMatches => "publish.prefix",
    WildcardsMatch => "publish.wildcards",
    EmptyTopicPublished => "publish.empty_topic",
    NumberTopicCoerced => "publish.topic_number",
    ArrayTopicCoerced => "publish.topic_array",
    ProtoIsSpecial => "publish.topic_proto",
    ConstructorIsSpecial => "publish.topic_constructor",
    TopicCaseFolded => "grammar.topic_case",
    TopicTrimmed => "grammar.topic_spaces",
    TopicNormalised => "grammar.topic_normalisation",
    EscapedTopicNotDecoded => "grammar.escaped_topic",
    EscapedNamesNotDecoded => "grammar.escaped_names",
    FirstDuplicateCounts => "grammar.last_topic",
    DuplicatesRelayed => "robust.counted_members_once",
    // The count.
    ClientsMissing => "publish.alone",
    ClientsAsString => "publish.alone",
    ClientsSpoofable => "publish.clients_replaced",
    EscapedClientsSpoofable => "publish.clients_escaped",
    CountsPublisherToo => "publish.from_outside",
    CountsOthersOnly => "publish.echo",
    CountStaleAfterUnsubscribe => "publish.clients_counts",
    CountStaleAfterClose => "closing.ends_subscriptions",
    CountStaleAfterAbort => "closing.abort",
    // What is relayed.
    UnknownMembersDropped => "publish.extra_members",
    NullMembersDropped => "publish.extra_members",
    NumbersReencoded => "robust.numbers_as_sent",
    LoneSurrogatesReplaced => "publish.lone_surrogates",
    BinaryIgnored => "transport.binary",
    BinaryAnsweredAsBinary => "transport.only_text",
    // Pings.
    PingIgnored => "ping.pong",
    PongWithExtraMembers => "ping.extra_members",
    PongWithSpace => "ping.pong",
    PongTwice => "ping.each",
    PongToAll => "ping.sender_only",
    PongFromClientAnswered => "ping.pong_from_client",
    // Grammar.
    TypeCaseFolded => "grammar.type_case",
    UnknownTypeAnswered => "grammar.type_unknown",
    NoObjectAnswered => "grammar.no_object",
    NoJsonAnswered => "robust.text.word",
    NoJsonEndsAll => "robust.text.word",
    InvalidUtf8Repaired => "robust.binary.invalid_utf8",
    ByteOrderMarkSkipped => "robust.text.byte_order_mark",
    DepthCountsStrings => "limits.brackets_in_strings",
    DepthOffByOne => "limits.depth_at_limit",
    DepthUnlimited => "limits.depth_over_limit",
    // Order.
    NewestFirst => "order.one_topic",
    OrderOnlyPerTopic => "order.two_topics",
    OrderDiffersBetweenReceivers => "order.same_for_all",
    LastPublishLostOnClose => "order.publish_then_close",
    PingsOvertake => "order.requests",
    // Ends.
    CloseCodeNotEchoed => "closing.echoes_code",
    CloseEndsOthers => "closing.others_stay",
    SubscriptionsOutliveConnection => "closing.reconnect",
    // Limits.
    MessageLimitOffByOne => "limits.message_at_limit",
    MessageLimitMissing => "limits.message_over_limit",
    TooLongTopicSpoilsTheRest => "limits.topic_over_limit",
    TopicsUnlimited => "limits.topics_at_limit",
    MessagesUnlimited => "limits.messages",
    MessagesNeverRefilled => "limits.messages_refill",
    MessagesBudgetShared => "limits.messages_of_others",
    PingsUnlimited => "limits.pings",
    PingsShareTheBudget => "limits.pings_apart",
    StrikesUnlimited => "limits.strikes",
    SlowReaderKept => "limits.slow_reader",
    NoJsonNotBorne => "limits.no_json_borne",
    NoJsonUnlimited => "limits.no_json_refused",
    NoJsonNotForgotten => "limits.no_json_in_a_row",
    OneCloseShutsTheDoor => "limits.one_close_is_one_peers",
    RefusedPeerCounted => "limits.refused_peer_is_gone",
    RefusedPeerRead => "limits.refused_peer_is_not_read",
    FanOutUnlimited => "limits.fan_out",
    FanOutNeverOverdrawn => "limits.fan_out_overdraft",
    // Time.
    VanishedPeerKept => "lifecycle.half_open",
    OnlyPongsAreLife => "lifecycle.message_is_life",
    PongsAreNoLife => "lifecycle.pong_is_life",
    IdlePeerClosed => "lifecycle.no_subscriptions",
    DrainStillAccepts => "lifecycle.drain",
    DrainSaysNothing => "lifecycle.drain",
    RestartRemembers => "lifecycle.restart",
    HibernationForgetsSubscriptions => "lifecycle.hibernate.subscriptions",
    HibernationRevivesUnsubscribed => "lifecycle.hibernate.unsubscribed",
    HibernationForgetsBudgets => "lifecycle.hibernate.budgets",
    // Several nodes.
    NodesServeApart => "cluster.publish",
    NodesCountApart => "cluster.publish",
    // Grants.
    GrantIsPrefix => "access.exact",
    GrantMatchesShorterTopics => "access.prefix_of_prefix",
    GrantOfPublishIgnored => "access.subscribe_only",
    GrantOfSubscribeIgnored => "access.publish_only",
    GrantRightsMixed => "access.apart",
    PublishJudgedBySubscribeRight => "access.apart",
    GrantCaseFolded => "access.case",
    GrantUnicodeNormalised => "access.unicode_forms",
    GrantPrefixNormalised => "access.prefix_of_unicode",
    GrantTrimmed => "access.spaces",
    GrantPrefixCaseFolded => "access.prefix_look_alikes",
    GrantIsPath => "access.no_paths",
    GrantTakesStars => "access.wildcards",
    GrantCoversProto => "access.proto",
    GrantNeverCoversProto => "access.proto_granted",
    GrantDecodesTwice => "access.escapes",
    GrantOfOneOpensAll => "access.one_of_two",
    FirstTopicJudged => "access.repeated_topic",
    FirstTopicsJudged => "access.repeated_topics",
    TopicsJudgedForTopic => "access.topic_beside_topics",
    TopicAloneNotJudged => "access.topic_alone",
    BinaryNotJudged => "access.binary",
    HibernationForgetsGrants => "access.hibernation",
    UngrantedTopicsCounted => "access.skipped_topics_cost_nothing",
    ExpiryIgnored => "access.expiry",
    ExpiryTooEarly => "access.before_expiry",
    // Tokens: where they are.
    BearerCaseMatters => "access.carrier.authorization",
    TokenOnlyAlone => "access.carrier.query",
    TokenEchoed => "access.carrier.protocol",
    NoTokenLetIn => "access.carrier.none",
    ChallengeMissing => "access.carrier.none",
    TokenTakenFromCookies => "access.carrier.elsewhere",
    EmptyTokenLetIn => "access.carrier.empty",
    FirstOfTwoTokensTaken => "access.carrier.several",
    SecondAuthorizationIgnored => "access.carrier.several",
    // What they give.
    TopicsGiveOneRight => "access.token.exact_and_prefix",
    RightsOfTokenIgnored => "access.token.rights_apart",
    NoTopicsAreAll => "access.token.no_rights",
    EscapesInTokenNotDecoded => "access.token.escapes",
    UnknownClaimsRefused => "access.token.unknown_claims",
    SubjectsUncounted => "access.token.peers_max",
    UncappedUncounted => "access.token.peers_max_of_some",
    SubjectUnread => "access.token.subject_form",
    TopicsOfStringTaken => "access.token.topics_form",
    // When they do.
    TokenExpiryIgnored => "access.token.expired",
    RefusalTellsToken => "access.token.expired",
    TokenWithoutExpiryTaken => "access.token.expiry_form",
    TokenStartIgnored => "access.token.not_yet",
    TokenStartRefused => "access.token.begun",
    TokenExpiryForgotten => "access.token.expires_in_connection",
    // Who signed them, and for whom.
    SignatureLengthChecked => "access.token.wrong_key",
    EmptySignatureTaken => "access.token.no_signature",
    SignatureIgnored => "access.token.forged",
    AlgorithmNoneTaken => "access.token.algorithm_none",
    AlgorithmIgnored => "access.token.algorithm",
    PublicKeyTakenAsSecret => "access.token.public_key_as_secret",
    CriticalIgnored => "access.token.critical",
    AudienceIgnored => "access.token.other_audience",
    AudienceOptional => "access.token.audience_look_alike",
    AudienceContained => "access.token.audience_look_alike",
    AudiencesRefused => "access.token.audiences",
    // How they are written.
    PaddingTrimmed => "access.token.no_token",
    TokenTrimmed => "access.token.odd_characters",
    NoObjectTaken => "access.token.no_objects",
    RepeatedClaimsTaken => "access.token.repeated_members",
    LongTokenRefused => "access.token.long",
    LongTokenTaken => "access.token.too_long",
    // Origins.
    OriginsAllRefused => "access.origin.allowed",
    OriginIgnored => "access.origin.other",
    OriginContained => "access.origin.look_alikes",
    OriginNeeded => "access.origin.none",
}
