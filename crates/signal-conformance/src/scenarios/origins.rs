//! Pages that may connect, and those that may not.

use super::access::access;
use crate::{Capability, Scenario};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        access(
            "access.origin.allowed",
            "U14",
            "a page of an origin on the list may connect",
        )
        .needs([Capability::Origins])
        .from("a", "${origin}")
        .subscribe("a", "${t}")
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
        refused(
            "access.origin.other",
            "U14",
            "a page of another origin is refused",
            &["https://elsewhere.example", "http://localhost", "null"],
        ),
        refused(
            "access.origin.look_alikes",
            "U14",
            "an origin that only looks like one on the list is refused",
            &[
                "ftp://${origin_host}",
                "${origin}.elsewhere.example",
                "${origin}1",
                "${origin}@elsewhere.example",
                "${origin} https://elsewhere.example",
                "https://elsewhere.example ${origin}",
                "https://elsewhere.example/${origin}",
                "https://elsewhere-${origin_host}",
                "${origin_host}",
            ],
        ),
        access(
            "access.origin.path",
            "U15",
            "a slash behind an origin, which programs send, does not matter",
        )
        .needs([Capability::Origins])
        .from("a", "${origin}/")
        .expect_open("a"),
        refused(
            "access.origin.two",
            "U14 U15",
            "a second origin behind one on the list is not a path",
            &[
                "${origin}/, https://elsewhere.example",
                "${origin}/ https://elsewhere.example",
            ],
        ),
        access(
            "access.origin.none",
            "U14",
            "a client that sends no origin is not a page, and is let in",
        )
        .needs([Capability::Origins])
        .connect("a")
        .expect_open("a"),
    ]
}

/// Pages of each of these origins are refused.
fn refused(id: &str, requirements: &str, title: &str, origins: &[&str]) -> Scenario {
    let scenario = access(id, requirements, title).needs([Capability::Origins]);
    origins.iter().fold(scenario, |s, origin| {
        s.expect_refused(&[403], None, |connect| {
            connect.origin = Some((*origin).to_owned());
        })
    })
}

impl Scenario {
    /// Connects from a page of an origin.
    fn from(self, on: &str, origin: &str) -> Self {
        self.connect_with(on, |connect| connect.origin = Some(origin.to_owned()))
    }
}
