//! What is answered to what, message by message.

mod forwarding;

use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{DNSClass, Name, RecordType};

use super::{Client, Do, Server};
use crate::settings::{Host, Range, Record, Settings, Zone};

fn record(owner: &str, kind: &str, values: &[&str]) -> Record {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Record { owner: owner.to_owned(), kind: kind.to_owned(), ttl: 300, values }
}

fn zone(name: &str, records: &[(&str, &str, &[&str])]) -> Zone {
    let records = records.iter().map(|(owner, kind, values)| record(owner, kind, values));
    Zone { name: name.to_owned(), forward_to: Vec::new(), records: records.collect() }
}

fn settings(zones: Vec<Zone>) -> Settings {
    Settings { view: "v".to_owned(), most_aliases: 16, zones, ..Settings::default() }
}

fn server(settings: Settings) -> Server {
    let mut number = 0_u16;
    let (server, problems) = Server::new(
        settings,
        Box::new(move || {
            number += 1;
            number
        }),
    );
    assert_eq!(problems, Vec::<String>::new());
    server
}

fn client(stream: bool) -> Client {
    Client { from: SocketAddr::from(([10, 0, 0, 5], 4000)), door: 7, stream }
}

fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(99, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    message.edns = Some(edns);
    message
}

fn send(server: &mut Server, message: &Message, stream: bool) -> Vec<Do> {
    let mut out = Vec::new();
    server.query(client(stream), &message.to_vec().unwrap(), 0, &mut out);
    out
}

/// The one answer to a message.
#[track_caller]
fn answer(server: &mut Server, message: &Message) -> Message {
    let out = send(server, message, false);
    let mut replies = out.iter().filter_map(|what| match what {
        Do::Reply(to, octets) if *to == client(false) => Some(octets),
        _ => None,
    });
    let (Some(reply), None) = (replies.next(), replies.next()) else { panic!("{out:?}") };
    let reply = Message::from_vec(reply).unwrap();
    assert_eq!(reply.metadata.id, message.metadata.id);
    assert_eq!(reply.metadata.message_type, MessageType::Response);
    reply
}

/// An answer in a few words: its code, its answers, and what stands for its authority.
#[track_caller]
fn ask(server: &mut Server, name: &str, kind: RecordType) -> String {
    words(&answer(server, &query(name, kind)))
}

fn words(reply: &Message) -> String {
    let records = |records: &[hickory_proto::rr::Record]| -> String {
        records.iter().map(|r| format!(" {} {} {}", r.name, r.record_type(), r.data)).collect()
    };
    let starts = reply.authorities.iter().map(|r| format!(" [{} {}]", r.record_type(), r.name));
    let code = crate::message::word(reply.metadata.response_code);
    format!("{code}{}{}", records(&reply.answers), starts.collect::<String>())
}

/// The extended error of an answer.
fn extended(reply: &Message) -> Option<(u16, String)> {
    match reply.edns.as_ref()?.option(EdnsCode::Unknown(15))? {
        EdnsOption::Unknown(15, octets) => {
            let code = u16::from_be_bytes([octets[0], octets[1]]);
            Some((code, String::from_utf8(octets[2..].to_vec()).unwrap()))
        }
        _ => None,
    }
}

/// The zone of RFC 4592, section 2.2.1.
fn wildcards() -> Zone {
    zone(
        "example",
        &[
            ("*.example", "TXT", &["wild"]),
            ("*.sub.example", "A", &["192.0.2.1"]),
            ("host1.example", "A", &["192.0.2.2"]),
            ("_ssh._tcp.host1.example", "SRV", &["0 0 22 host1"]),
        ],
    )
}

#[test]
fn names_are_answered_from_their_zone_and_what_is_not_there_is_told_with_its_start() {
    let mut server = server(settings(vec![wildcards()]));
    for (name, kind, wanted) in [
        ("host1.example.", RecordType::A, "NOERROR host1.example. A 192.0.2.2"),
        ("host1.example.", RecordType::AAAA, "NOERROR [SOA example.]"),
        ("a.sub.example.", RecordType::A, "NOERROR a.sub.example. A 192.0.2.1"),
        ("a.b.sub.example.", RecordType::A, "NOERROR a.b.sub.example. A 192.0.2.1"),
        ("host3.example.", RecordType::TXT, "NOERROR host3.example. TXT wild"),
        ("host3.example.", RecordType::A, "NOERROR [SOA example.]"),
        // Both exist because others lie below them: no wildcard stands for them.
        ("sub.example.", RecordType::TXT, "NOERROR [SOA example.]"),
        ("_tcp.host1.example.", RecordType::TXT, "NOERROR [SOA example.]"),
        // host1 exists and has no wildcard below it.
        ("a.host1.example.", RecordType::TXT, "NXDOMAIN [SOA example.]"),
        (
            "_ssh._tcp.host1.example.",
            RecordType::SRV,
            "NOERROR _ssh._tcp.host1.example. SRV 0 0 22 host1.example.",
        ),
        (
            "example.",
            RecordType::SOA,
            "NOERROR example. SOA example. hostmaster.example. 1 7200 900 1209600 60",
        ),
    ] {
        assert_eq!(ask(&mut server, name, kind), wanted, "{name} {kind}");
    }
    let reply = answer(&mut server, &query("host1.example.", RecordType::A));
    assert!(reply.metadata.authoritative && reply.metadata.recursion_available);
}

#[test]
fn the_question_comes_back_as_it_was_written() {
    let mut server = server(settings(vec![wildcards()]));
    let mut message = query("x.example.", RecordType::A);
    let name = Name::from_labels([&b"HoSt1"[..], b"eXaMpLe"]).unwrap();
    message.queries = vec![Query::query(name.clone(), RecordType::A)];
    let reply = answer(&mut server, &message);
    assert!(reply.queries[0].name().eq_case(&name), "{reply}");
    assert_eq!(reply.answers.len(), 1);
}

#[test]
fn aliases_are_followed_through_zones_and_their_end_is_the_answers() {
    let zones = vec![
        zone(
            "one",
            &[
                ("a.one", "CNAME", &["b.two."]),
                ("gone.one", "CNAME", &["nobody.two."]),
                ("out.one", "CNAME", &["www.elsewhere."]),
            ],
        ),
        zone("two", &[("b.two", "CNAME", &["c"]), ("c.two", "A", &["10.0.0.1", "10.0.0.2"])]),
    ];
    let mut server = server(settings(zones));
    assert_eq!(
        ask(&mut server, "a.one.", RecordType::A),
        "NOERROR a.one. CNAME b.two. b.two. CNAME c.two. c.two. A 10.0.0.1 c.two. A 10.0.0.2"
    );
    assert_eq!(ask(&mut server, "a.one.", RecordType::CNAME), "NOERROR a.one. CNAME b.two.");
    assert_eq!(
        ask(&mut server, "a.one.", RecordType::AAAA),
        "NOERROR a.one. CNAME b.two. b.two. CNAME c.two. [SOA two.]"
    );
    // RFC 6604: the code is that of the last name.
    assert_eq!(
        ask(&mut server, "gone.one.", RecordType::A),
        "NXDOMAIN gone.one. CNAME nobody.two. [SOA two.]"
    );
    let reply = answer(&mut server, &query("out.one.", RecordType::A));
    assert_eq!(words(&reply), "SERVFAIL");
    let (code, text) = extended(&reply).unwrap();
    assert_eq!((code, text.contains("www.elsewhere.")), (20, true), "{text}");
}

#[test]
fn a_circle_of_aliases_is_told_at_once_with_its_names() {
    let zones = vec![zone(
        "z",
        &[
            ("first.z", "CNAME", &["b"]),
            ("b.z", "CNAME", &["a"]),
            ("a.z", "CNAME", &["b"]),
            ("self.z", "CNAME", &["self"]),
            ("*.w.z", "CNAME", &["x.w"]),
        ],
    )];
    let mut server = server(settings(zones));
    let out = send(&mut server, &query("first.z.", RecordType::A), false);
    let said = "alias loop: first.z → b.z → a.z → b.z, asked by 10.0.0.5";
    assert!(out.contains(&Do::Say(said.to_owned())), "{out:?}");
    let reply = answer(&mut server, &query("first.z.", RecordType::A));
    assert_eq!(words(&reply), "SERVFAIL");
    let text = "these names stand for each other: first.z → b.z → a.z → b.z";
    assert_eq!(extended(&reply), Some((0, text.to_owned())));
    let reply = answer(&mut server, &query("self.z.", RecordType::A));
    assert!(extended(&reply).unwrap().1.ends_with(": self.z → self.z"));
    // By a wildcard: whoever is asked for, the circle is the same.
    for name in ["one.w.z.", "two.w.z."] {
        ask(&mut server, name, RecordType::A);
    }
    let text = server.metrics();
    for (chain, count) in [("a.z → b.z → a.z", 2), ("self.z → self.z", 1), ("x.w.z → x.w.z", 2)]
    {
        let line = format!("alias_loops_total{{view=\"v\",chain=\"{chain}\"}} {count}");
        assert!(text.contains(&line), "{line}\n{text}");
    }
    // The aliases themselves can be asked for.
    assert_eq!(ask(&mut server, "a.z.", RecordType::CNAME), "NOERROR a.z. CNAME b.z.");
}

#[test]
fn so_many_aliases_are_followed_and_no_more() {
    let records: Vec<Record> = (0..20)
        .map(|n| record(&format!("n{n}.z"), "CNAME", &[format!("n{}", n + 1).as_str()]))
        .chain([record("n20.z", "A", &["10.0.0.1"])])
        .collect();
    let zone = Zone { name: "z".to_owned(), forward_to: Vec::new(), records };
    let mut server = server(settings(vec![zone]));
    assert!(ask(&mut server, "n5.z.", RecordType::A).ends_with("n20.z. A 10.0.0.1"));
    let reply = answer(&mut server, &query("n4.z.", RecordType::A));
    assert_eq!(words(&reply), "SERVFAIL");
    assert!(extended(&reply).unwrap().1.contains("more than 16 aliases"));
}

#[test]
fn an_answer_that_does_not_fit_into_a_datagram_says_so_and_comes_over_tcp() {
    let many: Vec<String> = (0..100).map(|n| format!("10.0.1.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut server = server(settings(vec![zone("z", &[("many.z", "A", &many)])]));
    let message = query("many.z.", RecordType::A);
    let reply = answer(&mut server, &message);
    assert!(reply.metadata.truncation && reply.answers.is_empty() && reply.edns.is_some());
    let out = send(&mut server, &message, true);
    let [Do::Reply(_, octets)] = out.as_slice() else { panic!("{out:?}") };
    let whole = Message::from_vec(octets).unwrap();
    assert_eq!((whole.answers.len(), whole.metadata.truncation), (100, false));
    // Who speaks no EDNS takes 512 octets; who does, at most what no path cuts.
    let few: Vec<&str> = many[..40].to_vec();
    let mut server = self::server(settings(vec![zone("z", &[("few.z", "A", &few)])]));
    let mut message = query("few.z.", RecordType::A);
    assert_eq!(answer(&mut server, &message).answers.len(), 40);
    message.edns.as_mut().unwrap().set_max_payload(512);
    assert!(answer(&mut server, &message).metadata.truncation);
    message.edns = None;
    let reply = answer(&mut server, &message);
    assert!(reply.metadata.truncation && reply.edns.is_none());
}

#[test]
fn what_is_no_query_is_not_answered_and_what_is_a_wrong_one_is_told() {
    let mut server = server(settings(vec![wildcards()]));
    let mut out = Vec::new();
    let mut response = query("host1.example.", RecordType::A);
    response.metadata.message_type = MessageType::Response;
    for noise in [&[][..], &[1, 2, 3], &[0; 11], &response.to_vec().unwrap()] {
        server.query(client(false), noise, 0, &mut out);
    }
    assert_eq!(out, []);
    let code = |server: &mut Server, change: &dyn Fn(&mut Message)| {
        let mut message = query("host1.example.", RecordType::A);
        change(&mut message);
        answer(server, &message).metadata.response_code
    };
    for (what, change, wanted) in [
        (
            "NOTIFY",
            &(|m: &mut Message| m.metadata.op_code = OpCode::Notify) as &dyn Fn(&mut Message),
            ResponseCode::NotImp,
        ),
        ("no question", &|m| m.queries.clear(), ResponseCode::FormErr),
        ("two questions", &|m| m.queries.push(m.queries[0].clone()), ResponseCode::FormErr),
        (
            "class CH",
            &|m| {
                m.queries[0].set_query_class(DNSClass::CH);
            },
            ResponseCode::Refused,
        ),
        (
            "AXFR",
            &|m| {
                m.queries[0].set_query_type(RecordType::AXFR);
            },
            ResponseCode::Refused,
        ),
        (
            "EDNS version 1",
            &|m| {
                m.edns.as_mut().unwrap().set_version(1);
            },
            ResponseCode::BADVERS,
        ),
    ] {
        // 16 is two codes: which, the message's kind says.
        assert_eq!(u16::from(code(&mut server, change)), u16::from(wanted), "{what}");
    }
    // Its header can be read, what follows cannot.
    let mut cut = query("host1.example.", RecordType::A).to_vec().unwrap();
    cut.truncate(20);
    server.query(client(false), &cut, 0, &mut out);
    let [Do::Reply(_, octets)] = out.as_slice() else { panic!("{out:?}") };
    let reply = Message::from_vec(octets).unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::FormErr);
    assert_eq!(reply.metadata.id, 99);
    // RFC 8482.
    let everything = ask(&mut server, "host1.example.", RecordType::ANY);
    assert!(everything.starts_with("NOERROR host1.example. HINFO "), "{everything}");
}

#[test]
fn strangers_are_refused_and_who_asks_too_often_is_not_answered() {
    let range = |text: &str| Range { address: text.parse().unwrap(), length: 24 };
    let own = Settings { clients: vec![range("10.0.1.0")], ..settings(vec![wildcards()]) };
    let mut server = server(own);
    let reply = answer(&mut server, &query("host1.example.", RecordType::A));
    assert_eq!(words(&reply), "REFUSED");
    assert_eq!(extended(&reply).unwrap().0, 18);
    let limited = Settings {
        clients: vec![range("10.0.0.0")],
        queries_per_second: 3,
        ..settings(vec![wildcards()])
    };
    let mut server = self::server(limited);
    let message = query("host1.example.", RecordType::A);
    let answered = (0..10).filter(|_| !send(&mut server, &message, false).is_empty()).count();
    assert_eq!(answered, 3);
    assert!(server.metrics().contains("netwright_dns_limited_total{view=\"v\"} 7"));
}

#[test]
fn names_of_no_zone_have_the_addresses_that_are_said_and_others_are_nobodys() {
    let host = |name: &str, addresses: &[&str]| Host {
        name: name.to_owned(),
        addresses: addresses.iter().map(|a| a.parse::<IpAddr>().unwrap()).collect(),
    };
    let hosts = vec![host("api.stripe.com", &["198.51.100.7"]), host("silent.example", &[])];
    let mut server = server(Settings { hosts, ..settings(Vec::new()) });
    let a = RecordType::A;
    assert_eq!(ask(&mut server, "API.stripe.com.", a), "NOERROR API.stripe.com. A 198.51.100.7");
    assert_eq!(
        ask(&mut server, "api.stripe.com.", RecordType::AAAA),
        "NOERROR [SOA api.stripe.com.]"
    );
    for name in ["x.api.stripe.com.", "stripe.com.", "silent.example.", "."] {
        assert_eq!(ask(&mut server, name, a), "SERVFAIL", "{name}");
    }
    // Names that no query leaves a machine for.
    assert_eq!(ask(&mut server, "localhost.", a), "NOERROR localhost. A 127.0.0.1");
    let ptr = RecordType::PTR;
    for (name, start) in [
        ("x.invalid.", "invalid."),
        ("5.0.0.10.in-addr.arpa.", "10.in-addr.arpa."),
        ("1.0.20.172.in-addr.arpa.", "20.172.in-addr.arpa."),
    ] {
        assert_eq!(ask(&mut server, name, ptr), format!("NXDOMAIN [SOA {start}]"));
    }
    assert_eq!(ask(&mut server, "1.0.40.172.in-addr.arpa.", ptr), "SERVFAIL");
}

#[test]
fn a_described_reverse_zone_goes_before_the_empty_one() {
    let records: &[(&str, &str, &[&str])] = &[("5.0.0.10.in-addr.arpa", "PTR", &["web.example."])];
    let mut server = server(settings(vec![zone("in-addr.arpa", records)]));
    assert_eq!(
        ask(&mut server, "5.0.0.10.in-addr.arpa.", RecordType::PTR),
        "NOERROR 5.0.0.10.in-addr.arpa. PTR web.example."
    );
    let other = ask(&mut server, "6.0.0.10.in-addr.arpa.", RecordType::PTR);
    assert_eq!(other, "NXDOMAIN [SOA in-addr.arpa.]");
}

#[test]
fn a_server_in_trouble_is_silent_wrong_or_late_for_whom_and_what_it_concerns_only() {
    use crate::settings::{Trouble, Wrong};
    let host = |name: &str| Host { name: name.to_owned(), addresses: vec![[10, 0, 0, 9].into()] };
    let trouble = |name: &str, what: Wrong| Trouble {
        names: vec![name.to_owned()],
        clients: vec![Range { address: [10, 0, 0, 0].into(), length: 24 }],
        what,
        lasts: None,
    };
    let troubles = vec![
        trouble("silent.test", Wrong::Silent),
        trouble("fails.test", Wrong::Failure),
        trouble("gone.test", Wrong::NoName),
        trouble("wrong.test", Wrong::Addresses(vec![[192, 0, 2, 1].into()])),
        trouble("late.test", Wrong::Late(300)),
    ];
    let hosts = ["silent.test", "sub.silent.test", "fails.test", "gone.test", "late.test"]
        .into_iter()
        .chain(["wrong.test", "notsilent.test"])
        .map(host)
        .collect();
    let mut server = server(Settings { hosts, troubles, ..settings(Vec::new()) });
    let mut say = |name: &str| {
        let out = send(&mut server, &query(name, RecordType::A), false);
        out.first().map(|what| match what {
            Do::Reply(_, octets) => {
                let message = Message::from_vec(octets).unwrap();
                let first = message.answers.first().map(|record| record.data.to_string());
                format!("{:?} {first:?}", message.metadata.response_code)
            }
            other => format!("{other:?}"),
        })
    };
    assert_eq!(say("silent.test."), None);
    assert_eq!(say("sub.silent.test."), None);
    assert_eq!(say("notsilent.test.").unwrap(), "NoError Some(\"10.0.0.9\")");
    assert_eq!(say("fails.test.").unwrap(), "ServFail None");
    assert_eq!(say("gone.test.").unwrap(), "NXDomain None");
    assert_eq!(say("wrong.test.").unwrap(), "NoError Some(\"192.0.2.1\")");
    assert_eq!(say("late.test."), None);
    assert_eq!(server.next_due(), Some(300));
    let mut out = Vec::new();
    server.tick(299, &mut out);
    assert_eq!(out, []);
    server.tick(300, &mut out);
    assert!(matches!(out.as_slice(), [Do::Reply(..)]), "{out:?}");
    let far = Client { from: SocketAddr::from(([10, 9, 0, 5], 4000)), door: 7, stream: false };
    let mut out = Vec::new();
    server.query(far, &query("silent.test.", RecordType::A).to_vec().unwrap(), 0, &mut out);
    assert!(matches!(out.as_slice(), [Do::Reply(..)]), "whom it does not concern is answered");
}

#[test]
fn trouble_that_nobody_renews_is_over_by_the_servers_own_clock() {
    use crate::settings::{Trouble, Wrong};
    let trouble = |lasts| Trouble {
        names: Vec::new(),
        clients: Vec::new(),
        what: Wrong::Silent,
        lasts: Some(lasts),
    };
    let hosts = vec![Host { name: "web.test".to_owned(), addresses: vec![[10, 0, 0, 9].into()] }];
    let told = |lasts| Settings {
        hosts: hosts.clone(),
        troubles: vec![trouble(lasts)],
        ..settings(Vec::new())
    };
    let mut server = server(told(1_000));
    let answers = |server: &mut Server, now| {
        let mut out = Vec::new();
        server.tick(now, &mut out);
        let asked = query("web.test", RecordType::A).to_vec().unwrap();
        server.query(client(false), &asked, now, &mut out);
        out.len()
    };
    assert_eq!(server.next_due(), Some(1_000));
    assert_eq!(answers(&mut server, 999), 0);
    // Told again, it lasts anew; told by nobody, it ends.
    assert_eq!(server.adopt(told(2_000), 1_000), Vec::<String>::new());
    assert_eq!(answers(&mut server, 2_999), 0);
    assert!(server.metrics().contains("netwright_dns_troubles{view=\"v\"} 1"));
    assert_eq!(answers(&mut server, 3_000), 1);
    let told = server.metrics();
    assert!(told.contains("netwright_dns_troubles{view=\"v\"} 0"), "{told}");
    assert!(told.contains("netwright_dns_wronged_total{view=\"v\"} 2"), "{told}");
}
