//! Malformed frames (C2): each ends at most the connection it came on.

use super::build::words;
use super::hostile::{robust, survives};
use crate::{Scenario, Step};

const MALFORMED: &[u16] = &[1002];
const NO_TEXT: &[u16] = &[1007];
/// A frame too long to be read; some servers see a malformed length first.
const TOO_LONG: &[u16] = &[1009, 1002];

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = vec![
        bad("utf8", "a text that is not UTF-8", NO_TEXT, |s| {
            s.frame("x", 0x81, r#"{"a":"${hex:c328}"}"#)
        }),
        bad(
            "utf8_in_fragments",
            "a text in fragments that is not UTF-8",
            NO_TEXT,
            |s| {
                s.frame("x", 0x01, r#"{"a":"${hex:c3}"#)
                    .frame("x", 0x80, r#"${hex:28}"}"#)
            },
        ),
        bad("unmasked", "a frame without mask", MALFORMED, |s| {
            s.any_frame(
                "x",
                0x81,
                false,
                r#"{"type":"publish","topic":"${t}"}"#,
                None,
            )
        }),
        bad("reserved_bit_1", "the first reserved bit", MALFORMED, |s| {
            s.frame("x", 0xc1, "{}")
        }),
        bad("reserved_bit_3", "the third reserved bit", MALFORMED, |s| {
            s.frame("x", 0x91, "{}")
        }),
        bad("reserved_opcode", "a reserved opcode", MALFORMED, |s| {
            s.frame("x", 0x83, "{}")
        }),
        bad(
            "reserved_control_opcode",
            "a reserved control opcode",
            MALFORMED,
            |s| s.frame("x", 0x8b, ""),
        ),
        bad("fragmented_ping", "a ping in fragments", MALFORMED, |s| {
            s.frame("x", 0x09, "hi")
        }),
        bad("long_ping", "a ping of 126 bytes", MALFORMED, |s| {
            s.frame("x", 0x89, "${repeat:x:126}")
        }),
        bad("close_of_one_byte", "a close of one byte", MALFORMED, |s| {
            s.frame("x", 0x88, "${hex:03}")
        }),
        bad("close_code_999", "a close with code 999", MALFORMED, |s| {
            s.frame("x", 0x88, "${hex:03e7}")
        }),
        bad(
            "close_code_1005",
            "a close with code 1005",
            MALFORMED,
            |s| s.frame("x", 0x88, "${hex:03ed}"),
        ),
        bad(
            "close_reason_utf8",
            "a close whose reason is not UTF-8",
            &[1002, 1007],
            |s| s.frame("x", 0x88, "${hex:03e8c328}"),
        ),
        bad(
            "continuation_of_nothing",
            "a continuation of nothing",
            MALFORMED,
            |s| s.frame("x", 0x80, "{}"),
        ),
        bad(
            "text_inside_fragments",
            "a text inside a message in fragments",
            MALFORMED,
            |s| s.frame("x", 0x01, "{").frame("x", 0x81, "{}"),
        ),
        bad(
            "length_101_mib",
            "a header that announces 101 MiB",
            TOO_LONG,
            |s| s.any_frame("x", 0x82, true, "", Some((101_u64 << 20).into())),
        ),
        bad(
            "length_of_63_bits",
            "a header that announces 2^63 bytes",
            TOO_LONG,
            |s| s.any_frame("x", 0x81, true, "", Some((1_u64 << 63).into())),
        ),
    ];
    all.push(survives(
        robust(
            "robust.frame.half",
            "C2 S8",
            "half a frame and then a broken connection disturb nobody",
        ),
        |s| {
            s.any_frame(
                "x",
                0x81,
                true,
                r#"{"type":"publish","topic":"${t}"#,
                Some(100_u64.into()),
            )
            .abort("x")
        },
    ));
    all.push(survives(
        robust(
            "robust.frame.noise",
            "C2",
            "bytes that are not frames at all disturb nobody",
        ),
        |s| {
            let bytes = "GET / HTTP/1.1${hex:0d0a0d0a}".to_owned();
            s.step(Step::SendRaw {
                on: words("x"),
                bytes,
            })
            .needs([
                crate::Capability::RawFrames,
                crate::Capability::StrictFrames,
            ])
            .release("x")
        },
    ));
    all
}

fn bad(id: &str, what: &str, codes: &[u16], send: impl FnOnce(Scenario) -> Scenario) -> Scenario {
    let title = format!(
        "{what} ends that connection with {}, and no other",
        codes[0]
    );
    let requirements = if codes[0] == 1009 { "L1" } else { "C2" };
    survives(
        robust(&format!("robust.frame.{id}"), requirements, &title),
        |s| send(s).expect_closed("x", codes),
    )
    .needs([crate::Capability::StrictFrames])
}
