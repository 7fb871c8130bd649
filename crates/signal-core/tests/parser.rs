//! The parser against serde_json, on generated documents and on damaged ones.

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use signal_core::{Ignored, Outcome, Output};
use support::{ANN, BOB, CAT, Still, targets};

/// A JSON text and, unless it holds what `Value` cannot, the value that serde_json reads in it.
fn json(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        number(),
        string(),
    ];
    leaf.prop_recursive(depth, 48, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(", "))),
            vec((string(), inner), 0..6).prop_map(|members| object(&members)),
        ]
    })
    .boxed()
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("JSON has none", |value| value.is_finite())
            .prop_map(|value| format!("{value:e}")),
        prop::sample::select(vec![
            "-0",
            "1.0",
            "0.1e-7",
            "1E+2",
            "12345678901234567890",
            "9007199254740993"
        ])
        .prop_map(str::to_owned),
    ]
}

/// A string with its quotes, whose characters are escaped now and then.
fn string() -> impl Strategy<Value = String> {
    vec((any::<char>(), any::<u8>()), 0..12).prop_map(|characters| {
        let body: String = characters
            .into_iter()
            .map(|(c, dice)| written(c, dice))
            .collect();
        format!("\"{body}\"")
    })
}

fn written(character: char, dice: u8) -> String {
    let must = matches!(character, '"' | '\\' | '\0'..='\u{1f}');
    if must || dice < 40 {
        let mut units = [0; 2];
        character
            .encode_utf16(&mut units)
            .iter()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect()
    } else {
        character.to_string()
    }
}

/// The members of a message: interpreted names in various spellings, and others.
fn member() -> impl Strategy<Value = (String, String)> {
    let name = prop_oneof![
        4 => prop::sample::select(vec![
            "\"type\"", "\"ty\\u0070e\"", "\"topic\"", "\"t\\u006Fpic\"", "\"topics\"", "\"clients\"",
            "\"\\u0063lients\"", "\"Type\"", "\"topic \"", "\"__proto__\"",
        ]).prop_map(str::to_owned),
        2 => string(),
    ];
    let value = prop_oneof![
        4 => prop::sample::select(vec![
            "\"publish\"", "\"p\\u0075blish\"", "\"ping\"", "\"t\"", "\"\\u0074\"", "\"other\"", "[\"t\"]",
        ]).prop_map(str::to_owned),
        3 => json(3),
    ];
    (name, value)
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{name} :{value}"))
        .collect();
    format!("{{ {} }}", members.join(" , "))
}

/// What a relay must do, by serde_json's reading of the text: `Value` keeps the last of repeated
/// members, as we must.
fn expected(text: &str) -> Option<Map<String, Value>> {
    let Ok(Value::Object(mut message)) = serde_json::from_str(text) else {
        return None;
    };
    let to_t = message.get("type")? == "publish" && message.get("topic")? == "t";
    message.insert("clients".to_owned(), 2.into());
    to_t.then_some(message)
}

fn relayed(out: &[Output]) -> Option<Map<String, Value>> {
    let [Output::Send { to, message }] = out else {
        return None;
    };
    assert_eq!(to, &[ANN, BOB]);
    Some(serde_json::from_str(message.as_str()).expect("what is relayed is an object"))
}

/// How often each interpreted name stands at the top level of `text`.
fn repeats(text: &str) -> Vec<usize> {
    struct Names(Vec<String>);
    impl<'de> serde::Deserialize<'de> for Names {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Names;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<Names, A::Error> {
                    let mut names = Vec::new();
                    while let Some((name, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                        names.push(name);
                    }
                    Ok(Names(names))
                }
            }
            deserializer.deserialize_map(Visitor)
        }
    }
    let Names(names) = serde_json::from_str(text).expect("it is an object");
    ["type", "topic", "topics", "clients"]
        .map(|known| names.iter().filter(|name| *name == known).count())
        .to_vec()
}

#[test]
fn a_character_means_the_same_wherever_it_stands_in_a_string() {
    for character in '\0'..='\u{ff}' {
        // The parser reads strings in blocks of 32 bytes, then of 8.
        for (before, after) in (0..40).flat_map(|before| [(before, 0), (before, 40)]) {
            let text = format!(
                "{{\"data\":\"{:~<before$}{character}{:é<after$}\"}}",
                "", ""
            );
            let is_json = serde_json::from_str::<&RawValue>(&text).is_ok();
            let (_, outcome) = Still::new().send_at(0, CAT, &text);
            let expected = if is_json {
                Ignored::Meaningless
            } else {
                Ignored::NotJson
            };
            assert_eq!(outcome, Outcome::Ignored(expected), "{text:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_message_is_read_as_serde_json_reads_it(mut members in vec(member(), 0..8), publish in any::<bool>()) {
        if publish {
            members.push(("\"type\"".to_owned(), "\"publish\"".to_owned()));
            members.push(("\"topic\"".to_owned(), "\"t\"".to_owned()));
        }
        let text = object(&members);
        let out = Still::new().send(CAT, &text);
        if let [Output::Send { message, to }] = out.as_slice() {
            // A pong goes to Cat.
            if to != &[CAT] {
                prop_assert!(repeats(message.as_str()).iter().all(|count| *count <= 1), "{}", message.as_str());
            }
        }
        let pong = matches!(out.as_slice(), [Output::Send { to, .. }] if to == &[CAT]);
        if !pong {
            prop_assert_eq!(relayed(&out), expected(&text), "{}", text);
        }
    }

    #[test]
    fn a_damaged_document_is_judged_as_serde_json_judges_it(
        members in vec(member(), 0..6),
        place in any::<prop::sample::Index>(),
        insert in prop::sample::select(vec!["", "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", "e", ".", "\u{1}", " ", "\\u", "é"]),
        remove in 0..3usize,
    ) {
        let mut characters: Vec<char> = object(&members).chars().collect();
        let place = place.index(characters.len());
        let end = (place + remove).min(characters.len());
        characters.splice(place..end, insert.chars());
        let text: String = characters.into_iter().collect();

        let is_json = serde_json::from_str::<&RawValue>(&text).is_ok() && targets::depth(&text) <= 128;
        let (_, outcome) = Still::new().send_at(0, CAT, &text);
        prop_assert_eq!(outcome != Outcome::Ignored(Ignored::NotJson), is_json, "{}", text);
    }

    #[test]
    fn any_text_is_borne(text in ".{0,200}") {
        targets::wire(text.as_bytes());
        prop_assert!(targets::is_same_either_way(&text));
    }
}
