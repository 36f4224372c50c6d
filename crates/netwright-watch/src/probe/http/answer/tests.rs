use proptest::prelude::*;

use super::*;

fn whole(text: &[u8], step: usize) -> Result<Answer, Wrong> {
    let mut decoder = Decoder::new(Body::Keep(1 << 16));
    for part in text.chunks(step.max(1)) {
        let used = decoder.feed(part)?;
        if decoder.done() {
            break;
        }
        assert_eq!(used, part.len(), "all of an answer that goes on is taken");
    }
    if !decoder.done() {
        decoder.end()?;
    }
    Ok(decoder.answer())
}

#[test]
fn bodies_end_by_length_by_parts_or_with_the_connection() {
    let cases: [(&str, &str); 5] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX: y\r\n\r\n",
            "hello",
        ),
        ("HTTP/1.0 200 OK\r\n\r\nhello", "hello"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "hello"),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", ""),
    ];
    for (text, body) in cases {
        for step in [1, 2, 7, text.len()] {
            let answer = whole(text.as_bytes(), step).unwrap();
            assert_eq!(answer.body, body.as_bytes(), "{text} by {step}");
        }
    }
}

#[test]
fn what_is_no_answer_is_told_apart() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(HEAD));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(LINES + 1));
    let cases: [(&str, Wrong); 8] = [
        ("SSH-2.0-OpenSSH_9.2\r\n", Wrong::Head("another version than 1.0 and 1.1")),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", Wrong::Length),
        ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", Wrong::Length),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", Wrong::Ended),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", Wrong::Part),
        ("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n", Wrong::TooLarge(1 << 16)),
        (&long, Wrong::LongHead),
        (&many, Wrong::LongHead),
    ];
    for (text, wrong) in cases {
        let found = whole(text.as_bytes(), 1_000).unwrap_err();
        match wrong {
            Wrong::Head(_) => assert!(matches!(found, Wrong::Head(_)), "{text}: {found:?}"),
            wrong => assert_eq!(found, wrong, "{}", &text[..text.len().min(80)]),
        }
    }
}

proptest! {
    #[test]
    fn no_octets_make_it_panic_or_hold_more_than_its_bounds(
        head in prop::sample::select(vec!["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"]),
        rest in prop::collection::vec(any::<u8>(), 0..2_000),
        step in 1_usize..300,
    ) {
        let octets = [head.as_bytes(), &rest].concat();
        let mut decoder = Decoder::new(Body::Keep(500));
        for part in octets.chunks(step) {
            match decoder.feed(part) {
                Ok(used) => prop_assert!(used <= part.len()),
                Err(_) => break,
            }
            prop_assert!(decoder.line.len() <= HEAD && decoder.answer.body.len() <= 500);
        }
    }

    #[test]
    fn how_an_answer_is_cut_decides_nothing(body in prop::collection::vec(any::<u8>(), 0..300), step in 1_usize..50, part in 1_usize..90) {
        let mut text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for piece in body.chunks(part) {
            text.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            text.extend_from_slice(piece);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"0\r\n\r\n");
        prop_assert_eq!(whole(&text, step).unwrap().body, body);
    }
}
