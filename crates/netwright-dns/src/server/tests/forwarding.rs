//! What other servers are asked, and what becomes of what they say.

use super::*;
use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::{A, CNAME, SOA};

const FIRST: &str = "192.0.2.53:53";
const SECOND: &str = "192.0.2.54:53";

fn forwarded() -> Server {
    let far = Zone {
        name: "far".to_owned(),
        forward_to: vec![FIRST.parse().unwrap(), SECOND.parse().unwrap()],
        records: Vec::new(),
    };
    let near =
        zone("near", &[("www.near", "CNAME", &["www.far."]), ("db.near", "A", &["10.0.0.9"])]);
    server(settings(vec![far, near]))
}

/// The query that is sent to another server: its number, the server, and the message.
#[track_caller]
fn sent(out: &[Do]) -> (u64, SocketAddr, bool, Message) {
    let mut asked = out.iter().filter_map(|what| match what {
        Do::Ask { number, to, stream, octets } => Some((*number, *to, *stream, octets)),
        _ => None,
    });
    let (Some((number, to, stream, octets)), None) = (asked.next(), asked.next()) else {
        panic!("{out:?}")
    };
    (number, to, stream, Message::from_vec(octets).unwrap())
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn a(owner: &str, last: u8) -> hickory_proto::rr::Record {
    hickory_proto::rr::Record::from_rdata(name(owner), 100, RData::A(A::new(192, 0, 2, last)))
}

fn alias(owner: &str, to: &str) -> hickory_proto::rr::Record {
    hickory_proto::rr::Record::from_rdata(name(owner), 100, RData::CNAME(CNAME(name(to))))
}

/// An answer to a query.
fn reply(to: &Message, change: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut message = Message::response(to.metadata.id, OpCode::Query);
    message.queries.clone_from(&to.queries);
    change(&mut message);
    message.to_vec().unwrap()
}

#[track_caller]
fn replied(out: &[Do]) -> Message {
    let octets = out.iter().find_map(|what| match what {
        Do::Reply(_, octets) => Some(octets),
        _ => None,
    });
    Message::from_vec(octets.unwrap_or_else(|| panic!("{out:?}"))).unwrap()
}

#[test]
fn a_forwarded_name_is_asked_for_once_and_then_remembered_as_long_as_it_may_be() {
    let mut server = forwarded();
    let question = query("www.near.", RecordType::A);
    let out = send(&mut server, &question, false);
    let (number, to, stream, asked) = sent(&out);
    assert_eq!((to, stream), (FIRST.parse().unwrap(), false));
    assert_eq!(*asked.queries[0].name(), name("www.far."));
    assert!(asked.metadata.recursion_desired && asked.edns.is_some());
    // Another who asks for the same waits for the same.
    assert_eq!(send(&mut server, &query("www.far.", RecordType::A), false), []);
    let mut out = Vec::new();
    server.told(number, &reply(&asked, |m| m.answers.push(a("www.far.", 1))), 10, &mut out);
    let replies = out.iter().filter(|what| matches!(what, Do::Reply(..))).count();
    assert_eq!(replies, 2, "{out:?}");
    let first = replied(&out);
    assert_eq!(words(&first), "NOERROR www.near. CNAME www.far. www.far. A 192.0.2.1");
    assert!(first.metadata.authoritative, "the name that was asked for is this server's own");
    let mut later = Vec::new();
    server.query(client(false), &question.to_vec().unwrap(), 60_010, &mut later);
    let ttls: Vec<u32> = replied(&later).answers.iter().map(|record| record.ttl).collect();
    assert_eq!(ttls, [300, 40]);
    let mut forgotten = Vec::new();
    server.query(client(false), &question.to_vec().unwrap(), 100_011, &mut forgotten);
    sent(&forgotten);
}

#[test]
fn that_something_is_not_there_is_remembered_as_long_as_the_zones_start_says() {
    let start = SOA::new(name("far."), name("far."), 1, 1, 1, 1, 30);
    let start = hickory_proto::rr::Record::from_rdata(name("far."), 3600, RData::SOA(start));
    for (with_start, remembered) in [(true, true), (false, false)] {
        let mut server = forwarded();
        let question = query("gone.far.", RecordType::A);
        let (number, _, _, asked) = sent(&send(&mut server, &question, false));
        let mut out = Vec::new();
        let said = reply(&asked, |m| {
            m.metadata.response_code = ResponseCode::NXDomain;
            m.authorities.extend(with_start.then(|| start.clone()));
        });
        server.told(number, &said, 0, &mut out);
        assert_eq!(replied(&out).metadata.response_code, ResponseCode::NXDomain);
        for (now, asks_again) in [(29_999, !remembered), (30_000, true)] {
            let mut out = Vec::new();
            server.query(client(false), &question.to_vec().unwrap(), now, &mut out);
            let asks = out.iter().any(|what| matches!(what, Do::Ask { .. }));
            assert_eq!(asks, asks_again, "{with_start} {now}");
            if asks {
                break;
            }
        }
    }
}

#[test]
fn servers_that_do_not_answer_are_asked_by_turns_and_then_it_is_told() {
    let mut server = forwarded();
    let question = query("www.far.", RecordType::A);
    let (_, to, _, _) = sent(&send(&mut server, &question, false));
    let mut servers = vec![to];
    let (now, end) = loop {
        let now = server.next_due().unwrap();
        let mut out = Vec::new();
        server.tick(now, &mut out);
        if out.iter().any(|what| matches!(what, Do::Reply(..))) {
            break (now, out);
        }
        servers.push(sent(&out).1);
    };
    assert_eq!(now, 4000, "before a client gives up, which takes 5 seconds");
    let (first, second) = (FIRST.parse().unwrap(), SECOND.parse().unwrap());
    assert_eq!(servers, [first, second, first, second]);
    let failed = replied(&end);
    assert_eq!(words(&failed), "SERVFAIL");
    let (code, text) = extended(&failed).unwrap();
    assert_eq!((code, text.as_str()), (22, "www.far.: 192.0.2.54 does not answer"));
    assert_eq!(server.next_due(), None);
    // Remembered for a while, and told as what it is.
    let mut out = Vec::new();
    server.query(client(false), &question.to_vec().unwrap(), now + 4999, &mut out);
    assert_eq!(extended(&replied(&out)).unwrap().0, 13);
    out.clear();
    server.query(client(false), &question.to_vec().unwrap(), now + 5001, &mut out);
    sent(&out);
}

#[test]
fn a_server_that_fails_is_left_for_the_next_and_a_cut_answer_is_asked_for_over_tcp() {
    let mut server = forwarded();
    let (number, _, _, asked) = sent(&send(&mut server, &query("www.far.", RecordType::A), false));
    let mut out = Vec::new();
    let failed = reply(&asked, |m| m.metadata.response_code = ResponseCode::ServFail);
    server.told(number, &failed, 0, &mut out);
    let (number, to, _, asked) = sent(&out);
    assert_eq!(to, SECOND.parse().unwrap());
    out.clear();
    server.told(number, &reply(&asked, |m| m.metadata.truncation = true), 0, &mut out);
    let (number, to, stream, asked) = sent(&out);
    assert_eq!((to, stream), (SECOND.parse().unwrap(), true));
    out.clear();
    server.told(number, &reply(&asked, |m| m.answers.push(a("www.far.", 3))), 0, &mut out);
    assert_eq!(words(&replied(&out)), "NOERROR www.far. A 192.0.2.3");
}

#[test]
fn an_answer_to_another_question_is_not_believed() {
    let mut server = forwarded();
    let (number, _, _, asked) = sent(&send(&mut server, &query("www.far.", RecordType::A), false));
    let right = reply(&asked, |m| m.answers.push(a("www.far.", 1)));
    let wrong_number = reply(&asked, |m| m.metadata.id ^= 1);
    let wrong_name = reply(&asked, |m| {
        m.queries = vec![Query::query(name("mmm.far."), RecordType::A)];
    });
    let mut out = Vec::new();
    for wrong in [&wrong_number[..], &wrong_name, &asked.to_vec().unwrap(), b"noise"] {
        server.told(number, wrong, 0, &mut out);
        assert_eq!(out, []);
    }
    server.told(number + 1, &right, 0, &mut out);
    assert_eq!(out, []);
    // Records of other names are no part of the answer.
    let more = reply(&asked, |m| m.answers.extend([a("bank.example.", 66), a("www.far.", 1)]));
    server.told(number, &more, 0, &mut out);
    assert_eq!(words(&replied(&out)), "NOERROR www.far. A 192.0.2.1");
}

#[test]
fn an_alias_that_leads_back_is_followed_here_and_a_circle_over_two_servers_is_found() {
    for (to, wanted) in [
        ("db.near.", "NOERROR www.far. CNAME db.near. db.near. A 10.0.0.9"),
        ("www.near.", "SERVFAIL"),
    ] {
        let mut server = forwarded();
        let question = query("www.far.", RecordType::A);
        let (number, _, _, asked) = sent(&send(&mut server, &question, false));
        let mut out = Vec::new();
        server.told(number, &reply(&asked, |m| m.answers.push(alias("www.far.", to))), 0, &mut out);
        let reply = replied(&out);
        assert_eq!(words(&reply), wanted);
        if wanted == "SERVFAIL" {
            let text = extended(&reply).unwrap().1;
            assert!(text.ends_with("www.far → www.near → www.far"), "{text}");
        }
    }
}

#[test]
fn a_delegated_part_is_asked_at_the_addresses_of_its_servers() {
    let records: &[(&str, &str, &[&str])] = &[
        ("sub.z", "NS", &["ns.sub", "ns.elsewhere."]),
        ("ns.sub.z", "A", &["192.0.2.53"]),
        ("lost.z", "NS", &["ns.elsewhere."]),
    ];
    let mut server = server(settings(vec![zone("z", records)]));
    let mut question = query("a.b.sub.z.", RecordType::A);
    let (_, to, _, asked) = sent(&send(&mut server, &question, false));
    assert_eq!(to, FIRST.parse().unwrap());
    assert_eq!(*asked.queries[0].name(), name("a.b.sub.z."));
    let lost = answer(&mut server, &query("a.lost.z.", RecordType::A));
    assert_eq!((words(&lost).as_str(), extended(&lost).unwrap().0), ("SERVFAIL", 22));
    // Who does not want others to be asked is told whom to ask.
    question.metadata.recursion_desired = false;
    let referral = answer(&mut server, &question);
    assert_eq!(words(&referral), "NOERROR [NS sub.z.] [NS sub.z.]");
    assert!(!referral.metadata.authoritative);
}

#[test]
fn so_many_questions_wait_and_no_more() {
    let mut server = forwarded();
    let mut waiting = 0;
    for number in 0..1000 {
        let question = query(&format!("n{number}.far."), RecordType::A);
        let out = send(&mut server, &question, false);
        if out.iter().any(|what| matches!(what, Do::Ask { .. })) {
            waiting += 1;
        } else {
            assert_eq!(words(&replied(&out)), "SERVFAIL");
        }
    }
    assert_eq!(waiting, 256);
    let same = query("n0.far.", RecordType::A);
    let told = (0..1000).filter(|_| !send(&mut server, &same, false).is_empty()).count();
    assert_eq!(told, 1000 - 63, "64 wait for one query");
}
