//! Section 5: publish.

use super::build::{publish, published, stock, words};
use crate::Capability::Private;
use crate::Scenario;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = vec![
        stock("publish.echo", "P1 P4", "a subscriber that publishes receives its own message, as the others do")
            .room("a b")
            .publish("a", r#""data":"hello""#)
            .expect_publish("a b", r#""data":"hello""#, 2),
        stock("publish.alone", "P1 P4", "a subscriber alone in its topic receives its own message, and counts one")
            .room("a")
            .publish("a", r#""data":1"#)
            .expect_publish("a", r#""data":1"#, 1),
        stock("publish.from_outside", "P1 P4", "a publisher need not subscribe; it is not counted and receives nothing")
            .room("a b")
            .connect("c")
            .publish("c", r#""data":1"#)
            .expect_publish("a b", r#""data":1"#, 2)
            .expect_nothing("c"),
        stock("publish.only_to_topic", "P1", "subscribers of other topics receive nothing")
            .room("a")
            .connect("b")
            .subscribe("b", "${t}-other")
            .publish("a", r#""data":1"#)
            .expect_publish("a", r#""data":1"#, 1)
            .expect_nothing("b"),
        stock("publish.prefix", "P1", "a topic that begins or ends with another one is another topic")
            .connect("a b c")
            .subscribe("a", "${t}")
            .subscribe("b", "${t}-longer")
            .subscribe("c", "x${t}")
            .publish("a", r#""data":1"#)
            .expect_publish("a", r#""data":1"#, 1)
            .expect_nothing("b c")
            .send("b", &publish("${t}-longer", r#""data":2"#))
            .expect("b", &published("${t}-longer", r#""data":2"#, 1))
            .expect_nothing("a c"),
        stock("publish.wildcards", "P1", "characters that are patterns elsewhere are ordinary in topics")
            .connect("a b")
            .subscribe("a", "${t}* ${t}/# ${t}.> ${t}/+ ${t}?")
            .subscribe("b", "${t}/one")
            .send("b", &publish("${t}/one", r#""data":1"#))
            .expect("b", &published("${t}/one", r#""data":1"#, 1))
            .expect_nothing("a")
            .send("b", &publish("${t}*", r#""data":2"#))
            .expect("a", &published("${t}*", r#""data":2"#, 1)),
        stock("publish.once", "P1", "each publish comes once to each subscriber, whatever else it subscribes")
            .connect("a b")
            .subscribe("a b", "${t} ${t}-1 ${t}-2")
            .publish("a", r#""data":1"#)
            .expect_publish("a b", r#""data":1"#, 2)
            .expect_nothing("a b"),
        stock("publish.nobody", "P3", "a publish that nobody subscribed to has no effect and no answer")
            .connect("a")
            .publish("a", r#""data":1"#)
            .expect_nothing("a"),
        stock("publish.no_history", "P3 N1", "what was published before a subscribe is not delivered after it")
            .room("a")
            .connect("b")
            .publish("a", r#""data":1"#)
            .expect_with("a", &publish("${t}", r#""data":1"#), |expect| expect.ignoring = words("clients"))
            .subscribe("b", "${t}")
            .expect_nothing("b"),
        stock("publish.without_data", "P5", "a publish needs no member but type and topic")
            .room("a b")
            .send("a", r#"{"type":"publish","topic":"${t}"}"#)
            .expect("a b", r#"{"type":"publish","topic":"${t}","clients":2}"#),
        stock("publish.clients_replaced", "P4", "what the publisher writes into clients is replaced")
            .room("a b")
            .publish("a", r#""clients":99,"data":1"#)
            .expect_publish("b a", r#""data":1"#, 2)
            .publish("a", r#""clients":{"a":[]}"#)
            .expect("a b", r#"{"type":"publish","topic":"${t}","clients":2}"#),
        stock("publish.clients_escaped", "P4 G4 G5", "an escaped or repeated clients is replaced as well")
            .room("a b")
            .publish("a", r#""cli\u0065nts":99,"data":1,"clients":98,"clients":null"#)
            .expect_publish("a b", r#""data":1"#, 2),
        stock("publish.clients_counts", "P4 O4", "clients follows each subscribe and unsubscribe")
            .room("a")
            .publish("a", r#""data":1"#)
            .expect_publish("a", r#""data":1"#, 1)
            .room("b c")
            .publish("a", r#""data":2"#)
            .expect_publish("a b c", r#""data":2"#, 3)
            .unsubscribe("b", "${t}")
            .publish("a", r#""data":3"#)
            .expect_publish("a c", r#""data":3"#, 2)
            .expect_nothing("b"),
        stock("publish.extra_members", "P5", "members the protocol does not know are relayed as sent")
            .room("a b")
            .publish("a", r#""from":"me","to":null,"x":[1,{"y":false}],"":0,"10":1,"2":[2],"data":{}"#)
            .expect_publish("a b", r#""from":"me","to":null,"x":[1,{"y":false}],"":0,"10":1,"2":[2],"data":{}"#, 2),
        stock("publish.data_of_any_kind", "P5 P6", "data may be any JSON value")
            .room("a b")
            .then(|s| {
                let values = ["null", "true", "0", "-1.5", r#""""#, r#""B0FFUy1HQ00M==""#, "[]", "{}", r#"[[{"a":[null]}]]"#];
                values.into_iter().fold(s, |s, value| {
                    let data = format!("\"data\":{value}");
                    s.publish("a", &data).expect_publish("a b", &data, 2)
                })
            }),
        stock("publish.data_looks_like_requests", "P6", "requests inside data are data")
            .room("a b")
            .publish("a", r#""data":{"type":"unsubscribe","topics":["${t}"],"topic":"no","clients":7}"#)
            .expect_publish("a b", r#""data":{"type":"unsubscribe","topics":["${t}"],"topic":"no","clients":7}"#, 2)
            .publish("a", r#""topics":["${t}-other"]"#)
            .expect_publish("a b", r#""topics":["${t}-other"]"#, 2),
        stock("publish.data_holds_messages", "P6 P5", "messages inside data are data, as JSON and as strings of JSON")
            .room("a b")
            .then(|s| {
                let values = [
                    r#"{"type":"ping"}"#,
                    r#"[{"type":"publish","topic":"${t}","data":2},{"type":"unsubscribe","topics":["${t}"]}]"#,
                    r#""{\"type\":\"ping\"}""#,
                    r#""[1,2]""#,
                    r#""5""#,
                    r#""null""#,
                    r#""\"quoted\"""#,
                ];
                values.into_iter().fold(s, |s, value| {
                    let data = format!("\"data\":{value}");
                    s.publish("a", &data).expect_publish("a b", &data, 2)
                })
            })
            .send("a", r#"{"data":{"type":"unsubscribe","topics":["${t}"]},"topic":"${t}","type":"publish"}"#)
            .expect("a b", r#"{"type":"publish","topic":"${t}","clients":2,"data":{"type":"unsubscribe","topics":["${t}"]}}"#),
        stock("publish.clients_of_any_kind", "P4", "whatever the publisher writes into clients is replaced, of whatever type")
            .room("a b")
            .then(|s| {
                let values = ["null", "\"9\"", "[]", "[9]", "true", "-1", "{\"valueOf\":9}", "{\"__proto__\":9}"];
                values.into_iter().fold(s, |s, value| {
                    s.publish("a", &format!(r#""clients":{value},"data":1"#))
                        .expect_publish("a b", r#""data":1"#, 2)
                })
            }),
        stock("publish.data_of_javascript", "G6 P5", "data may look like a list, a promise or a prototype and is relayed as it is")
            .room("a b")
            .then(|s| {
                let values = [
                    r#"{"0":"a","length":1}"#,
                    r#"{"then":1,"toJSON":"x","valueOf":null}"#,
                    r#"{"__proto__":[],"constructor":{"prototype":{}}}"#,
                    r#"{"type":"Buffer","data":[1,2]}"#,
                    r#"{"$date":"2020-01-01"}"#,
                    r#"[null,[],{},"",0,false]"#,
                    r#""__proto__""#,
                    r#""<b>Tom & 'Jerry'</b> \"</script>&amp;%20+""#,
                ];
                values.into_iter().fold(s, |s, value| {
                    let data = format!("\"data\":{value}");
                    s.publish("a", &data).expect_publish("a b", &data, 2)
                })
            }),
        stock("publish.odd_members", "P5 G6", "members with unusual names are relayed as sent")
            .room("a b")
            .publish("a", r#""_id":1,"$set":2,"@type":"x","a.b":3," ":4,"é":5,"__v":0,"__proto__":{"z":1},"Type":"ping","TOPIC":"no","client":9,"from":"x","sender":null,"channel":"no""#)
            .expect_publish("a b", r#""_id":1,"$set":2,"@type":"x","a.b":3," ":4,"é":5,"__v":0,"__proto__":{"z":1},"Type":"ping","TOPIC":"no","client":9,"from":"x","sender":null,"channel":"no""#, 2),
        stock("publish.string", "P5 P6", "data may be a string, as of a stock client with a password")
            .room("a b")
            .publish("a", r#""data":"Lz8x+Q==""#)
            .expect_publish("a b", r#""data":"Lz8x+Q==""#, 2),
        stock("publish.strings", "P5", "escapes, control characters and all of Unicode survive in strings")
            .room("a b")
            .publish("a", r#""data":"\u00e9 \/ \b\f\n\r\t \u0001 \u0000 \u007f \u2028 \"\\ é 日本 😀 \ud83d\ude00 e\u0301""#)
            .expect_publish("a b", r#""data":"é / \b\f\n\r\t \u0001 \u0000 \u007f \u2028 \"\\ é 日本 😀 😀 e\u0301""#, 2),
        stock("publish.lone_surrogates", "G9 P5", "lone surrogates outside of topics are relayed")
            .room("a b")
            .publish("a", r#""data":"\ud800 x \udfff""#)
            .expect_publish("a b", r#""data":"\ud800 x \udfff""#, 2),
        stock("publish.numbers", "P5", "numbers that JavaScript can hold arrive with the same value")
            .room("a b")
            .publish("a", r#""data":[0,-0,1.0,1e2,0.1e-7,-3.25,9007199254740991,1e21,5e-324]"#)
            .expect_publish("a b", r#""data":[0,0,1,100,1e-8,-3.25,9007199254740991,1000000000000000000000,5e-324]"#, 2),
        stock("publish.names_of_javascript", "G6 P5", "members named like parts of JavaScript objects are members")
            .room("a b")
            .publish("a", r#""constructor":1,"toString":"x","toJSON":2,"hasOwnProperty":null,"data":{"__proto__":{"a":1}}"#)
            .expect_publish("a b", r#""constructor":1,"toString":"x","toJSON":2,"hasOwnProperty":null,"data":{"__proto__":{"a":1}}"#, 2),
        stock("publish.member_proto", "G6 P2", "a topic inside a member __proto__ is not inherited")
            .room("a")
            .connect("b")
            .send("b", r#"{"type":"publish","__proto__":{"topic":"${t}"},"data":1}"#)
            .expect_nothing("a b"),
        stock("publish.topic_proto", "G6 P1", "__proto__ is a topic like any other")
            .needs([Private])
            .connect("a b")
            .subscribe("a b", "__proto__")
            .send("a", &publish("__proto__", r#""data":1"#))
            .expect("a b", &published("__proto__", r#""data":1"#, 2))
            // Others use the topic too, and a server need not notice at once that a peer has gone.
            .unsubscribe("a b", "__proto__"),
        stock("publish.topic_digits", "G6 P1", "topics that look like numbers or literals are names")
            .needs([Private])
            .connect("a b")
            .subscribe("a b", "10 -1 NaN false")
            .then(|s| {
                ["10", "-1", "NaN", "false"].into_iter().fold(s, |s, topic| {
                    s.send("a", &publish(topic, r#""data":1"#)).expect("a b", &published(topic, r#""data":1"#, 2))
                })
            })
            .unsubscribe("a b", "10 -1 NaN false"),
        stock("publish.topic_constructor", "G6 P3", "a topic named constructor has no subscribers until somebody subscribes")
            .needs([Private])
            .connect("a b")
            .send("a", &publish("constructor", r#""data":1"#))
            .send("a", &publish("toString", r#""data":1"#))
            .expect_nothing("a")
            .subscribe("b", "constructor")
            .send("a", &publish("constructor", r#""data":2"#))
            .expect("b", &published("constructor", r#""data":2"#, 1))
            .unsubscribe("b", "constructor"),
        stock("publish.empty_topic", "P2 S6", "the empty topic can be subscribed but never published to")
            .needs([Private])
            .connect("a")
            .subscribe("a", r#""""#)
            .send("a", r#"{"type":"publish","topic":"","data":1}"#)
            .expect_nothing("a"),
        stock("publish.long_data", "P5", "60,000 bytes of data are relayed whole")
            .room("a b")
            .publish("a", r#""data":"${repeat:x:60000}""#)
            .expect_publish("a b", r#""data":"${repeat:x:60000}""#, 2),
        stock("publish.many_subscribers", "P1 P4", "twenty subscribers all receive it, and count twenty")
            .room("a b c d e f g h i j k l m n o p q r s t")
            .publish("a", r#""data":1"#)
            .expect_publish("a b c d e f g h i j k l m n o p q r s t", r#""data":1"#, 20),
        stock("publish.announce_and_signal", "P1 P5", "two clients exchange what y-webrtc's client sends")
            .room("a b")
            .publish("a", r#""data":{"type":"announce","from":"5e1f"}"#)
            .expect_publish("a b", r#""data":{"type":"announce","from":"5e1f"}"#, 2)
            .publish("b", r#""data":{"to":"5e1f","from":"77aa","type":"signal","token":1732312345678.25,"signal":{"type":"offer","sdp":"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n"}}"#)
            .expect_publish("a b", r#""data":{"to":"5e1f","from":"77aa","type":"signal","token":1732312345678.25,"signal":{"type":"offer","sdp":"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n"}}"#, 2),
    ];
    all.extend(topics_that_are_none());
    all
}

/// `topic` that is missing or no string: nothing happens, even if its text is a topic somebody
/// subscribed to.
fn topics_that_are_none() -> Vec<Scenario> {
    let case = |id: &str, member: &str, title: &str| {
        stock(id, "P2", title)
            .needs([Private])
            .connect("a")
            .send(
                "a",
                r#"{"type":"subscribe","topics":["0","5","true","null","undefined","[object Object]","${t}"]}"#,
            )
            .send("a", &format!(r#"{{"type":"publish"{member},"data":1}}"#))
            .expect_nothing("a")
    };
    vec![
        case(
            "publish.topic_missing",
            "",
            "a publish without topic has no effect",
        ),
        case(
            "publish.topic_null",
            r#","topic":null"#,
            "null is not a topic",
        ),
        case(
            "publish.topic_number",
            r#","topic":5"#,
            "a number is not a topic, not even as its digits",
        ),
        case("publish.topic_zero", r#","topic":0"#, "zero is not a topic"),
        case(
            "publish.topic_bool",
            r#","topic":true"#,
            "true is not a topic",
        ),
        case(
            "publish.topic_object",
            r#","topic":{"topic":"${t}"}"#,
            "an object is not a topic",
        ),
        case(
            "publish.topic_array",
            r#","topic":["${t}"]"#,
            "an array is not a topic, not even with a single string",
        ),
        case(
            "publish.topics_ignored",
            r#","topics":["${t}"]"#,
            "topics says nothing in a publish",
        ),
    ]
}
