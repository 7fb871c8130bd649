//! Clients at random on the nodes of one service.

use std::time::Duration;

use crate::json::Value;
use crate::{Level, Scenario};

/// Promised on one node only: the order of a whole topic, and that of several topics.
const ONE_NODE: [&str; 2] = ["O2", "O3"];

/// Where the clients of a scenario are.
pub(super) struct Spread {
    seed: u64,
    nodes: usize,
    settle: Duration,
    place: Place,
}

/// How the clients of a scenario are placed.
enum Place {
    /// As the scenario says.
    Said,
    /// All on one node, whose number this makes.
    Together(u64),
    /// Each on a node of its own choice.
    Apart(u64),
}

impl Spread {
    pub(super) fn new(seed: u64, nodes: usize, settle: Duration) -> Self {
        Self {
            seed,
            nodes,
            settle,
            place: Place::Said,
        }
    }

    pub(super) fn begin(&mut self, scenario: &Scenario) {
        let number = mix(self.seed, &scenario.id);
        let mut requirements = scenario.requirements.iter();
        self.place = if scenario.level == Level::Cluster {
            Place::Said
        } else if requirements.any(|requirement| ONE_NODE.contains(&requirement.as_str())) {
            Place::Together(number)
        } else {
            Place::Apart(number)
        };
    }

    /// The node of a client.
    pub(super) fn node(&self, client: &str, said: usize) -> usize {
        let number = match self.place {
            Place::Said => return said,
            Place::Together(number) => number,
            Place::Apart(number) => mix(number, client),
        };
        usize::try_from(number % self.nodes as u64).unwrap_or_default()
    }

    pub(super) async fn settle(&self) {
        tokio::time::sleep(self.settle).await;
    }
}

/// Whether after a message the nodes have a client to count anew.
pub(super) fn changes_topics(text: &str) -> bool {
    Value::parse(text).is_some_and(|message| {
        let kind = message.member("type");
        kind.is_some_and(|kind| kind.is_string("subscribe") || kind.is_string("unsubscribe"))
    })
}

/// The topic that a message publishes to. Of two such topics each may be at home on another node.
pub(super) fn published_to(text: &str) -> Option<String> {
    let message = Value::parse(text)?;
    let is_publish = message.member("type")?.is_string("publish");
    let topic = message.member("topic").filter(|_| is_publish)?;
    Some(format!("{topic:?}"))
}

/// A number that looks random and is the same in every version of every machine (`SplitMix64`).
fn mix(seed: u64, text: &str) -> u64 {
    text.bytes()
        .fold(step(seed), |number, byte| step(number ^ u64::from(byte)))
}

fn step(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_on_all_nodes_and_again_on_the_same() {
        let places = |seed| {
            let mut spread = Spread::new(seed, 3, Duration::ZERO);
            let suite = crate::Suite::all().level(Level::Stock);
            let mut places = Vec::new();
            for scenario in &suite.scenarios {
                spread.begin(scenario);
                places.push(["a", "b", "c"].map(|name| spread.node(name, 0)));
            }
            places
        };
        assert_eq!(places(7), places(7));
        assert_ne!(places(7), places(8));
        for node in 0..3 {
            assert!(places(7).iter().any(|[a, b, _]| *a == node && a != b));
        }
    }

    #[test]
    fn where_order_is_promised_on_one_node_only_clients_share_one() {
        let suite = crate::Suite::all().matching(&["order.same_for_all"]);
        let mut spread = Spread::new(7, 3, Duration::ZERO);
        spread.begin(&suite.scenarios[0]);
        assert_eq!(spread.node("a", 0), spread.node("b", 0));
    }
}
