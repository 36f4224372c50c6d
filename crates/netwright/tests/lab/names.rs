//! Names in a lab, as programs inside ask for them: `getent`, which every system has, and `dig` or `kdig` where they are installed.

use std::path::Path;
use std::time::{Duration, Instant};

use super::harness::{Stays, Way, text, ways};

const ZONES: &str = "vpcs:
  one: { provider: aws, cidr: 10.0.0.0/16, subnets: { s: { cidr: 10.0.1.0/24 } } }
  two: { cidr: 10.1.0.0/16, subnets: { t: { cidr: 10.1.0.0/24 } } }
instances:
  web: { subnet: s, address: 10.0.1.10 }
  db: { subnet: s, address: 10.0.1.20 }
  far: { subnet: t, address: 10.1.0.10 }
externals:
  pay: { address: 198.51.100.7, host: api.pay.example }
dns_zones:
  outer: { name: shop.example, records: [{ name: api, value: 198.51.100.9 }] }
  inner: { name: shop.example, vpcs: one, records: [{ name: api, value: 10.0.1.10 }] }
  internal:
    vpcs: one
    records:
      - { name: db, value: 10.0.1.20 }
      - { name: '*.apps', value: db }
      - { name: six, type: AAAA, value: 'fd00::6' }
      - { name: a, value: b }
      - { name: b, value: a }
      - { name: text, type: TXT, value: TEXT }
  partner: { name: partner.example, vpcs: one, forward_to: 10.0.1.20 }
";

/// The addresses that the system's resolver finds; or the status that `getent` ends with.
fn getent(way: &Way, instance: &str, name: &str) -> Result<Vec<String>, Option<i32>> {
    let ran = way.lab(&["exec", instance, "getent", "ahosts", name]);
    let mut found: Vec<String> = text(&ran.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect();
    found.sort();
    found.dedup();
    if ran.status.success() { Ok(found) } else { Err(ran.status.code()) }
}

/// A program that asks name servers, where one is installed.
fn asks() -> Option<&'static str> {
    ["/usr/bin/kdig", "/usr/bin/dig"].into_iter().find(|program| Path::new(program).exists())
}

fn found(addresses: &[&str]) -> Result<Vec<String>, Option<i32>> {
    Ok(addresses.iter().map(|address| (*address).to_owned()).collect())
}

/// What `getent` ends with where there is no such name.
const NOBODY: Result<Vec<String>, Option<i32>> = Err(Some(2));

#[test]
fn machines_find_the_names_that_their_vpc_sees() {
    for way in ways("names") {
        let file = way.file(&ZONES.replace("TEXT", &"x".repeat(1400)));
        let up = way.lab(&["up", &file]);
        assert!(up.status.success(), "{up:?}");
        for (instance, name, wanted) in [
            ("web", "db.internal", found(&["10.0.1.20"])),
            ("web", "x.apps.internal", found(&["10.0.1.20"])),
            ("web", "DB.Internal", found(&["10.0.1.20"])),
            ("web", "nobody.internal", NOBODY),
            ("web", "a.internal", NOBODY),
            ("far", "db.internal", NOBODY),
            // Two zones of one name: each sees its own.
            ("web", "api.shop.example", found(&["10.0.1.10"])),
            ("far", "api.shop.example", found(&["198.51.100.9"])),
            ("far", "api.pay.example", found(&["198.51.100.7"])),
            ("external/pay", "api.shop.example", found(&["198.51.100.9"])),
            // A machine knows its own name; nobody knows those of the machine that the lab runs on.
            ("web", "web", found(&["10.0.1.10"])),
        ] {
            assert_eq!(getent(&way, instance, name), wanted, "{instance} {name}");
        }
        let files = way.lab(&["exec", "far", "cat", "/etc/resolv.conf"]);
        assert_eq!(text(&files.stdout), "nameserver 169.254.169.253\n");
        let logs = text(&way.lab(&["logs", "vpc/one"]).stdout);
        assert!(logs.contains("alias loop: a.internal → b.internal → a.internal"), "{logs}");
        if let Some(program) = asks() {
            messages(&way, program);
        }
    }
}

/// What is said to questions that `getent` does not ask.
fn messages(way: &Way, program: &str) {
    let ask = |words: &[&str]| {
        let all = [&["exec", "web", program][..], words].concat();
        text(&way.lab(&all).stdout)
    };
    let circle = ask(&["+edns", "a.internal"]);
    assert!(circle.contains("SERVFAIL"), "{circle}");
    assert!(circle.contains("these names stand for each other"), "{circle}");
    let nobody = ask(&["nobody.internal"]);
    assert!(nobody.contains("NXDOMAIN") && nobody.contains("SOA"), "{nobody}");
    let none = ask(&["db.internal", "AAAA"]);
    assert!(none.contains("NOERROR") && none.contains("SOA"), "{none}");
    assert!(ask(&["six.internal", "AAAA"]).contains("fd00::6"));
    // Too long for a datagram: the program asks again over TCP.
    let long = ask(&["+edns", "text.internal", "TXT"]);
    assert!(long.contains("TCP") && long.contains(&"x".repeat(250)), "{long}");
    assert!(ask(&["@169.254.169.253", "db.internal"]).contains("10.0.1.20"));
    let counters = way.lab(&["exec", "vpc/one", "bash", "-c", COUNTERS]);
    let counters = text(&counters.stdout);
    let wanted = "alias_loops_total{view=\"one\",chain=\"a.internal → b.internal → a.internal\"}";
    assert!(counters.contains(wanted), "{counters}");
}

/// Reads the counters with nothing but a shell.
const COUNTERS: &str =
    "exec 3<>/dev/tcp/127.0.0.1/9153; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";

#[test]
fn a_forwarded_zone_is_asked_at_its_server_and_its_end_is_told() {
    for way in ways("forward") {
        let settings = r#"{"view":"upstream","listen":["10.0.1.20:53"],"metrics":null,"clients":[],
            "queries_per_second":0,"most_aliases":16,"hosts":[],"leave":{"from":[],"mark":null},
            "zones":[{"name":"partner.example","forward_to":[],"records":[
            {"owner":"www.partner.example","kind":"A","ttl":300,"values":["203.0.113.80"]}]}]}"#;
        std::fs::write(way.folder.join("upstream.json"), settings).unwrap();
        let run = format!("{} lab part dns < upstream.json", way.program.display());
        let db = "db: { subnet: s, address: 10.0.1.20";
        let file = way.file(&ZONES.replace("TEXT", "short").replace(
            db,
            &format!("{db}, exec: {{ name: upstream, run: '{run}', ready: {{ port: udp/53 }} }}"),
        ));
        let up = way.lab(&["up", &file]);
        assert!(up.status.success(), "{up:?}");
        assert_eq!(getent(&way, "web", "www.partner.example"), found(&["203.0.113.80"]));
        assert_eq!(getent(&way, "web", "nobody.partner.example"), NOBODY);
        // Without its server a name that is remembered is there, and another is not.
        way.file(&ZONES.replace("TEXT", "short"));
        let change = way.lab(&["apply", &file]);
        assert!(change.status.success(), "{change:?}");
        assert_eq!(getent(&way, "web", "www.partner.example"), found(&["203.0.113.80"]));
        assert_eq!(getent(&way, "web", "new.partner.example"), NOBODY);
        let logs = text(&way.lab(&["logs", "vpc/one"]).stdout);
        assert!(logs.contains("no server answers: 10.0.1.20"), "{logs}");
    }
}

#[test]
fn edits_of_zones_and_a_server_that_dies_stop_nothing_else() {
    for way in ways("zones") {
        let exec =
            "db: { subnet: s, address: 10.0.1.20, exec: { name: stays, run: 'exec sleep 1000' }";
        let description =
            ZONES.replace("TEXT", "short").replace("db: { subnet: s, address: 10.0.1.20", exec);
        let file = way.file(&description);
        let up = Stays::start(way.command(&["lab", "up", "--watch", "--name", &way.lab, &file]));
        up.until("tasks are up");
        assert_eq!(getent(&way, "web", "db.internal"), found(&["10.0.1.20"]));
        way.file(&description.replace("name: db, value: 10.0.1.20", "name: db, value: 10.0.1.21"));
        let told = up.until(" applied in ");
        let dns = told.iter().filter(|line| line.contains("dns")).count();
        assert_eq!((told.len(), dns), (2, 1), "the one name server is told anew: {told:#?}");
        let start = Instant::now();
        while getent(&way, "web", "db.internal") != found(&["10.0.1.21"]) {
            assert!(start.elapsed() < Duration::from_secs(60), "it takes the new zone");
        }
        let stays = |way: &Way| {
            let ps = way.ps();
            let tasks = ps["tasks"].as_array().unwrap().clone();
            let named = |name: &str, space: &str| {
                let mut found =
                    tasks.iter().filter(|t| t["name"] == name && t["namespace"] == space);
                found.next().unwrap_or_else(|| panic!("{ps}")).clone()
            };
            (named("stays", "instance/db"), named("dns", "vpc/one"))
        };
        let (command, server) = stays(&way);
        assert_eq!((&command["restarts"], &server["restarts"]), (&0.into(), &0.into()));
        assert!(text(&way.lab(&["logs", "vpc/one"]).stdout).contains("was given other settings"));
        let ps = way.ps();
        let spaces = ps["namespaces"].as_array().unwrap();
        let router = spaces.iter().find(|space| space["name"] == "vpc/one").unwrap();
        let process = router["processes"][0]["pid"].to_string();
        assert!(way.lab(&["exec", "web", "kill", "-KILL", &process]).status.success());
        let start = Instant::now();
        while getent(&way, "web", "db.internal") != found(&["10.0.1.21"]) {
            assert!(start.elapsed() < Duration::from_secs(60), "it is started again");
        }
        let (command, server) = stays(&way);
        assert_eq!((&command["restarts"], &server["restarts"]), (&0.into(), &1.into()));
    }
}
