//! Any messages to a name server, from clients and from other servers: what is answered fits, can be read, and answers what was asked.
#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use netwright_dns::server::{Client, Do, Server};
use netwright_dns::settings::{Record, Settings, Zone};

fn record(owner: &str, kind: &str, value: &str) -> Record {
    let values = vec![value.to_owned()];
    Record { owner: owner.to_owned(), kind: kind.to_owned(), ttl: 60, values }
}

fn server() -> Server {
    let records = vec![
        record("a", "CNAME", "b"),
        record("b", "CNAME", "a"),
        record("*.w", "CNAME", "x.w"),
        record("t", "TXT", &"x".repeat(2000)),
        record("d", "NS", "n"),
        record("n", "A", "192.0.2.1"),
        record("f", "CNAME", "g.y."),
    ];
    let zone = |name: &str, forward_to: Vec<SocketAddr>, records: Vec<Record>| Zone {
        name: name.to_owned(),
        forward_to,
        records: records
            .into_iter()
            .map(|record| Record { owner: format!("{}.{name}", record.owner), ..record })
            .collect(),
    };
    let far = vec![SocketAddr::from(([192, 0, 2, 53], 53))];
    let settings = Settings {
        view: "v".to_owned(),
        most_aliases: 16,
        zones: vec![zone("z", Vec::new(), records), zone("y", far, Vec::new())],
        ..Settings::default()
    };
    Server::new(settings, Box::new(|| 7)).0
}

fuzz_target!(|data: &[u8]| {
    let mut server = server();
    let (mut rest, mut now, mut asked) = (data, 0, Vec::new());
    // Each message: who sends it, its length, its octets.
    while let [kind, length, after @ ..] = rest {
        let length = usize::from(*length).min(after.len());
        let (message, after) = after.split_at(length);
        rest = after;
        now += u64::from(*kind);
        let mut out = Vec::new();
        let client = Client {
            from: SocketAddr::from(([10, 0, 0, *kind], 9)),
            door: 0,
            stream: kind & 1 == 1,
        };
        match kind >> 6 {
            0 | 1 => server.query(client, message, now, &mut out),
            2 => server.told(asked.pop().unwrap_or(0), message, now, &mut out),
            _ => server.tick(now, &mut out),
        }
        for what in out {
            match what {
                Do::Reply(to, octets) => {
                    assert!(octets.len() >= 12 && octets[2] & 0x80 != 0, "a response");
                    assert!(to.stream || octets.len() <= 1232);
                    if to == client && kind >> 6 < 2 {
                        assert_eq!(octets[..2], message[..2], "it answers what was asked");
                    }
                }
                Do::Ask { number, .. } => asked.push(number),
                Do::Forget(_) | Do::Say(_) => {}
            }
        }
    }
});
