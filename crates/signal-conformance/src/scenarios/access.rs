//! Section 10: access.

use super::build::{publish, published, scenario};
use super::limits::many_topics;
use crate::{Capability, Grant, Level, Scenario};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        access(
            "access.exact",
            "A1 S7",
            "a grant for one topic serves that topic and no other",
        )
        .connect_granted("a", "${t}", "${t}")
        .subscribe("a", "${t}-other ${t} ${t}2")
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1)
        .connect("b")
        .send("b", &publish("${t}-other", r#""data":2"#))
        .send("b", &publish("${t}2", r#""data":3"#))
        .expect_nothing("a"),
        access(
            "access.prefix",
            "A1 S7",
            "a grant by prefix serves the topics that begin so, the prefix itself included",
        )
        .connect_granted("a", "${t}/*", "")
        .subscribe("a", "${t}/ ${t}/1 ${t} ${t}-1")
        .connect("b")
        .send("b", &publish("${t}/", r#""data":1"#))
        .send("b", &publish("${t}/1", r#""data":2"#))
        .send("b", &publish("${t}", r#""data":3"#))
        .send("b", &publish("${t}-1", r#""data":4"#))
        .expect("a", &published("${t}/", r#""data":1"#, 1))
        .expect("a", &published("${t}/1", r#""data":2"#, 1))
        .expect_nothing("a"),
        access(
            "access.prefix_of_prefix",
            "A1 S7",
            "a topic shorter than the prefix is not granted",
        )
        .connect_granted("a", "${t}/room/*", "")
        .subscribe("a", "${t}/roo ${t}/room ${t}/r")
        .connect("b")
        .send("b", &publish("${t}/roo", r#""data":1"#))
        .send("b", &publish("${t}/room", r#""data":2"#))
        .send("b", &publish("${t}/r", r#""data":3"#))
        .expect_nothing("a"),
        access(
            "access.all",
            "A1",
            "a grant for everything serves everything",
        )
        .connect_granted("a", "*", "*")
        .subscribe("a", "${t}")
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
        access(
            "access.none",
            "A1 A2 K1",
            "a peer without any right is answered pings, and served nothing else",
        )
        .connect_granted("a", "", "")
        .room("b")
        .subscribe("a", "${t}")
        .publish("a", r#""data":1"#)
        .expect_nothing("a b")
        .publish("b", r#""data":2"#)
        .expect_publish("b", r#""data":2"#, 1),
        access(
            "access.subscribe_only",
            "A2",
            "a peer that may only subscribe receives, and publishes without effect or answer",
        )
        .connect_granted("a", "${t}", "")
        .room("b")
        .subscribe("a", "${t}")
        .publish("a", r#""data":1"#)
        .publish("b", r#""data":2"#)
        .expect_publish("a b", r#""data":2"#, 2),
        access(
            "access.publish_only",
            "A1 S7",
            "a peer that may only publish is heard, and receives nothing",
        )
        .connect_granted("a", "", "${t}")
        .room("b")
        .subscribe("a", "${t}")
        .publish("a", r#""data":1"#)
        .expect_publish("b", r#""data":1"#, 1)
        .expect_nothing("a"),
        access(
            "access.apart",
            "A1",
            "rights to subscribe and to publish are apart",
        )
        .connect_granted("a", "${t}-in", "${t}-out")
        .connect("b")
        .subscribe("a b", "${t}-in ${t}-out")
        .send("a", &publish("${t}-in", r#""data":1"#))
        .send("a", &publish("${t}-out", r#""data":2"#))
        .expect("b", &published("${t}-out", r#""data":2"#, 1))
        .send("b", &publish("${t}-in", r#""data":3"#))
        .expect("a b", &published("${t}-in", r#""data":3"#, 2)),
        access(
            "access.case",
            "A1 G4",
            "grants are compared as topics are: by code point, after escapes are decoded",
        )
        .connect_granted("a", "${t}-Room", "*")
        .send(
            "a",
            r#"{"type":"subscribe","topics":["${t}-room","${t}-\u0052oom"]}"#,
        )
        .send("a", &publish("${t}-room", r#""data":1"#))
        .send("a", &publish("${t}-Room", r#""data":2"#))
        .expect("a", &published("${t}-Room", r#""data":2"#, 1)),
        access(
            "access.skipped_topics_cost_nothing",
            "A1 L5",
            "topics without a grant do not count as the peer's topics",
        )
        .connect_granted("a", "${t}", "${t}")
        .then(many_topics)
        .subscribe("a", "${t}")
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
        access(
            "access.expiry",
            "A3 C3",
            "when the grant expires the peer is in no count, and is closed with 4401",
        )
        .connect_until(60_000)
        .room("b")
        .subscribe("a", "${t}")
        .publish("b", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2)
        .advance("61000")
        .publish("b", r#""data":2"#)
        .expect_publish("b", r#""data":2"#, 1)
        .expect_refused_peer("a", 4401),
        access(
            "access.before_expiry",
            "A3",
            "until the grant expires nothing is different",
        )
        .connect_until(60_000)
        .subscribe("a", "${t}")
        // Not to the last second: a relay whose clock runs faster for a test has little time left
        // then.
        .advance("40000")
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
    ]
}

pub(super) fn access(id: &str, requirements: &str, title: &str) -> Scenario {
    scenario(Level::Access, id, requirements, title)
}

impl Scenario {
    /// Connects `a` with a grant for `${t}` that ends.
    fn connect_until(self, expires_in_ms: u64) -> Self {
        let topics = vec!["${t}".to_owned()];
        let grant = Grant {
            subscribe: topics.clone(),
            publish: topics,
            expires_in_ms: Some(expires_in_ms),
            ..Grant::default()
        };
        self.connect_with("a", |connect| connect.grant = Some(grant))
            .needs([Capability::Grants])
    }
}
