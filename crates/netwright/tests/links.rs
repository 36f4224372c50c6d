//! Links that do something to packets, from the command: what is said of them, what is shown, and that a proof over them is still one.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::process::Output;

use serde_json::Value;

mod harness;

use harness::ways;

const NETWORK: &str = "
vpcs: { net: { cidr: 10.0.0.0/16, subnets: { s: { cidr: 10.0.1.0/24, link: { latency: 2ms } } } } }
instances:
  a: { subnet: s, address: 10.0.1.10, link: { latency: 5ms, there: { loss: 2%, duplicate: 1% } } }
  b: { subnet: s, address: 10.0.1.11 }
";

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn links_do_what_is_described_and_what_is_said_until_that_is_taken_back() {
    for way in ways("links") {
        let file = way.file(NETWORK);
        let up = way.lab(&["up", &file]);
        assert!(up.status.success(), "{}", errors(&up));
        let all = json(&way.lab(&["link", "--format", "json"]));
        let a = &all["links"][0];
        assert_eq!(
            (&a["name"], &a["from"], &a["to"]),
            (&Value::from("instance/a"), &Value::from("instance/a"), &Value::from("vpc/net"),)
        );
        assert_eq!((&a["there"]["latency_us"], &a["there"]["loss"]), (&5_000.into(), &0.02.into()));
        assert_eq!((&a["back"]["loss"], &a["changed"]), (&0.0.into(), &false.into()));
        // What a machine does not say its subnet does.
        assert_eq!(all["links"][1]["back"]["latency_us"], 2_000);

        let said =
            way.lab(&["link", "b", "--latency", "0", "--rate", "10mbit", "--direction", "there"]);
        assert!(text(&said).contains("rate 10Mbit/s"), "{}{}", text(&said), errors(&said));
        assert!(text(&said).contains("--clear"), "{}", text(&said));
        // An edit of something else leaves it.
        let edited =
            way.file(&NETWORK.replace("address: 10.0.1.10,", "address: 10.0.1.10, tags: [t],"));
        assert!(way.lab(&["apply", &edited]).status.success());
        let b = json(&way.lab(&["link", "b", "--format", "json"]));
        assert_eq!(b["links"][0]["there"]["rate_bits"], 10_000_000);
        assert!(way.lab(&["check"]).status.success());
        let cleared = json(&way.lab(&["link", "b", "--clear", "--format", "json"]));
        assert_eq!(cleared["links"][0]["there"]["rate_bits"], Value::Null);
        assert_eq!(cleared["links"][0]["there"]["latency_us"], 2_000);

        for (words, wanted) in [
            (&["link", "instance/bb", "--loss", "1%"][..], "no link instance/bb"),
            (&["link", "b", "--latency", "1ms", "--jitter", "5ms"][..], "over the latency"),
            (&["link", "b", "--loss", "5"][..], "did you mean 5%?"),
        ] {
            let refused = way.lab(words);
            assert_eq!(refused.status.code(), Some(2), "{words:?}");
            assert!(errors(&refused).contains(wanted), "{words:?} {}", errors(&refused));
        }
    }
}

#[test]
fn a_proof_over_links_that_lose_packets_finds_what_it_finds_without_and_says_that_it_asked_again() {
    for way in ways("lossy") {
        let prove = |network: &str| {
            let file = way.file(network);
            way.command(&["prove", &file, "--format", "json"]).output().unwrap()
        };
        let lossy = prove(NETWORK);
        assert_eq!(lossy.status.code(), Some(0), "{}{}", text(&lossy), errors(&lossy));
        let plain = prove(&NETWORK.replace(", there: { loss: 2%, duplicate: 1% }", ""));
        let (lossy, plain) = (json(&lossy), json(&plain));
        assert!(lossy["asked_at_most"].as_u64().unwrap() > 1);
        assert_eq!(lossy["lossy_links"][0], "instance/a");
        assert_eq!(plain["asked_at_most"], 1);
        let facts = |proof: &Value| -> Vec<Value> {
            let questions = proof["questions"].as_array().unwrap().iter();
            let keys = ["from", "to", "protocol", "port", "verdict", "answered", "largest_seen"];
            questions.map(|one| keys.map(|key| one[key].clone()).to_vec().into()).collect()
        };
        assert_eq!(facts(&lossy), facts(&plain));
    }
}
