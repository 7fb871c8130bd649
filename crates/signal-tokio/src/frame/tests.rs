use std::ops::ControlFlow;

use signal_testwire::frame as client_frame;

use super::*;

/// Takes what comes before the end of a message.
fn unfinished(incoming: Incoming<'_>) -> ControlFlow<()> {
    assert_eq!(incoming, Incoming::Fragment);
    ControlFlow::Continue(())
}

/// Feeds `bytes` in pieces of `step` and lists what came out.
fn decode_in_steps(bytes: &[u8], step: usize, max: usize) -> (Vec<String>, Option<FrameError>) {
    let mut decoder = Decoder::default();
    let mut seen = Vec::new();
    for piece in bytes.chunks(step) {
        let result = decoder.decode(&mut piece.to_vec(), max, &mut |incoming| {
            seen.push(format!("{incoming:?}"));
            ControlFlow::Continue(())
        });
        if let Err(error) = result {
            return (seen, Some(error));
        }
    }
    (seen, None)
}

#[test]
fn frames_come_out_the_same_however_they_are_cut() {
    let long = "x".repeat(300);
    let bytes = [
        client_frame(0x81, b"hello"),
        client_frame(0x01, "gr\u{fc}".as_bytes()),
        client_frame(0x89, b"p"),
        client_frame(0x00, b"-"),
        client_frame(0x80, b"end"),
        client_frame(0x82, long.as_bytes()),
        client_frame(0x8a, b""),
        client_frame(0x88, b"\x03\xe8bye"),
    ]
    .concat();
    let expected = [
        "Text(\"hello\")".to_owned(),
        "Fragment".to_owned(),
        "Ping([112])".to_owned(),
        "Fragment".to_owned(),
        "Text(\"gr\u{fc}-end\")".to_owned(),
        format!("Binary({:?})", long.as_bytes()),
        "Pong([])".to_owned(),
        "Close(Some((1000, \"bye\")))".to_owned(),
    ];
    for step in 1..bytes.len() + 1 {
        assert_eq!(
            decode_in_steps(&bytes, step, 1_000),
            (expected.to_vec(), None),
            "steps of {step}"
        );
    }
}

#[test]
fn a_decoder_holds_nothing_between_two_messages() {
    assert_eq!(
        size_of::<Decoder>(),
        size_of::<usize>(),
        "each costs this much while it is idle"
    );
    let mut decoder = Decoder::default();
    let messages = [
        client_frame(0x81, &[b'x'; 500]),
        client_frame(0x01, b"be"),
        client_frame(0x80, b"gun"),
    ];
    for (number, message) in messages.iter().enumerate() {
        for piece in message.chunks(7) {
            let _ = decoder.decode(&mut piece.to_vec(), 1_000, &mut |_| {
                ControlFlow::Continue(())
            });
        }
        let is_begun = number == 1;
        assert_eq!(decoder.held_bytes() == 0, !is_begun, "after frame {number}");
    }
}

#[test]
fn an_unfinished_frame_takes_what_its_header_announces_and_no_more() {
    const MAX: usize = 65_536;
    let overhead = 14 + 128;
    for first_piece in [1, 7, 16_384] {
        let frame = client_frame(0x81, &vec![b'x'; MAX]);
        let mut decoder = Decoder::default();
        let all_but_one = &frame[..frame.len() - 1];
        let (head, rest) = all_but_one.split_at(first_piece);
        for piece in [head].into_iter().chain(rest.chunks(16_384)) {
            let decoded = decoder.decode(&mut piece.to_vec(), MAX, &mut unfinished);
            assert_eq!(decoded, Ok(()));
            let held = decoder.held_bytes();
            assert!(held <= MAX + overhead, "{held} after {first_piece}");
        }
    }
}

#[test]
fn an_unfinished_message_takes_no_more_than_a_message_may() {
    const MAX: usize = 65_536;
    for length in [1, 100, 3_000, 40_000] {
        let mut decoder = Decoder::default();
        let mut received = 0;
        while received + length < MAX {
            let first = if received == 0 { 0x01 } else { 0x00 };
            let mut frame = client_frame(first, &vec![b'x'; length]);
            let decoded = decoder.decode(&mut frame, MAX, &mut unfinished);
            assert_eq!(decoded, Ok(()));
            received += length;
            assert!(decoder.held_bytes() <= MAX + 128, "fragments of {length}");
        }
        // And the last one, of which the end is missing, has only what is left to it.
        let rest = client_frame(0x00, &vec![b'x'; MAX - received]);
        let mut rest = rest[..rest.len() - 1].to_vec();
        let decoded = decoder.decode(&mut rest, MAX, &mut unfinished);
        assert_eq!(decoded, Ok(()));
        let held = decoder.held_bytes();
        assert!(
            held <= MAX + MAX / 4 + 256,
            "{held} with fragments of {length}"
        );
    }
}

#[test]
fn a_length_above_the_limit_is_refused_on_the_header_alone() {
    let hundred_mebibytes = [0x82, 0xff, 0, 0, 0, 0, 0x06, 0x40, 0, 0];
    assert_eq!(
        decode_in_steps(&hundred_mebibytes, 10, 65_536).1,
        Some(FrameError::TooBig)
    );
    let exact = client_frame(0x81, &[b'x'; 1_000]);
    assert_eq!(decode_in_steps(&exact, 4_096, 1_000).1, None);
    assert_eq!(
        decode_in_steps(&exact, 4_096, 999).1,
        Some(FrameError::TooBig)
    );
}

#[test]
fn fragments_count_together_against_the_limit() {
    let bytes = [
        client_frame(0x01, &[b'x'; 600]),
        client_frame(0x80, &[b'x'; 600]),
    ]
    .concat();
    assert_eq!(
        decode_in_steps(&bytes, 4_096, 1_199).1,
        Some(FrameError::TooBig)
    );
    assert_eq!(decode_in_steps(&bytes, 4_096, 1_200).1, None);
}

#[test]
fn each_broken_frame_has_its_error() {
    let unmasked = vec![0x81, 0x01, b'x'];
    let cases = [
        ("unmasked", unmasked, FrameError::Protocol),
        (
            "reserved bit",
            client_frame(0xc1, b"x"),
            FrameError::Protocol,
        ),
        (
            "reserved opcode",
            client_frame(0x83, b"x"),
            FrameError::Protocol,
        ),
        (
            "fragmented ping",
            client_frame(0x09, b"x"),
            FrameError::Protocol,
        ),
        (
            "long ping",
            client_frame(0x89, &[0; 126]),
            FrameError::Protocol,
        ),
        (
            "stray continuation",
            client_frame(0x80, b"x"),
            FrameError::Protocol,
        ),
        (
            "text within fragments",
            [client_frame(0x01, b"x"), client_frame(0x81, b"x")].concat(),
            FrameError::Protocol,
        ),
        (
            "close of one byte",
            client_frame(0x88, b"\x03"),
            FrameError::Protocol,
        ),
        (
            "close code 1005",
            client_frame(0x88, b"\x03\xed"),
            FrameError::Protocol,
        ),
        (
            "close code 999",
            client_frame(0x88, b"\x03\xe7"),
            FrameError::Protocol,
        ),
        (
            "close reason",
            client_frame(0x88, b"\x03\xe8\xff"),
            FrameError::InvalidUtf8,
        ),
        ("text", client_frame(0x81, b"\xff"), FrameError::InvalidUtf8),
        (
            "first fragment",
            client_frame(0x01, b"\xff"),
            FrameError::InvalidUtf8,
        ),
        (
            "cut character",
            client_frame(0x81, b"\xc3"),
            FrameError::InvalidUtf8,
        ),
        (
            "negative length",
            vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
            FrameError::Protocol,
        ),
        (
            "125 in two bytes",
            vec![0x81, 0xfe, 0, 125],
            FrameError::Protocol,
        ),
        (
            "65,535 in eight bytes",
            vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            FrameError::Protocol,
        ),
    ];
    for (name, bytes, error) in cases {
        assert_eq!(
            decode_in_steps(&bytes, 4_096, 1_000).1,
            Some(error),
            "{name}"
        );
        assert_eq!(
            decode_in_steps(&bytes, 1, 1_000).1,
            Some(error),
            "{name}, byte by byte"
        );
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut decoder = Decoder::default();
        for _ in 0..4 {
            let mut bytes: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..)).collect();
            // Masked data frames often enough to get past the header.
            if let (true, [first, second, ..]) = (random.bool(), bytes.as_mut_slice()) {
                *first &= 0x8f;
                *second |= 0x80;
            }
            if decoder
                .decode(&mut bytes, 200, &mut |_| ControlFlow::Continue(()))
                .is_err()
            {
                break;
            }
        }
    }
}

#[test]
fn an_encoded_frame_splits_into_what_it_was_made_of() {
    for length in [0, 1, 125, 126, 65_535, 65_536] {
        let payload = vec![b'x'; length];
        let (opcode, split) = split(&encode(Opcode::Text, &payload).freeze()).expect("a frame");
        assert_eq!((opcode, split.as_ref()), (Opcode::Text, payload.as_slice()));
    }
}
