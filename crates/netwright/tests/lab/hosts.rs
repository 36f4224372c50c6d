//! Labs that are spread over several hosts.

use crate::harness::{text, ways};

/// Machines behind one router that send everything and accept echoes and one port.
const NETWORK: &str = "vpcs: { v: { mtu: 9001, subnets: { s: { cidr: 10.0.0.0/24 } } } }
filters: { f: { rules: [ { direction: egress }, { direction: ingress, protocol: tcp, port: 80 }, { direction: ingress, protocol: icmp } ] } }
instances:
";

fn network(machines: usize) -> String {
    let machine = |n| format!("  m{n}: {{ subnet: s, address: 10.0.0.{}, filters: f }}\n", n + 10);
    NETWORK.to_owned() + &(0..machines).map(machine).collect::<String>()
}

#[test]
fn a_lab_of_several_hosts_does_what_is_predicted_of_one_and_a_host_that_is_cut_off_is_missed() {
    for way in ways("hosts") {
        let file = way.file(&network(6));
        let up = way.lab(&["up", &file, "--hosts", "3"]);
        assert_eq!(up.status.code(), Some(0), "{up:?}");
        let ps = way.ps();
        let home = |name: &str| {
            let rows = ps["namespaces"].as_array().unwrap();
            // What is outside is on no host.
            let row = rows.iter().find(|row| row["name"] == name);
            row.and_then(|row| row["host"].as_str()).unwrap_or("-").to_owned()
        };
        let router = home("vpc/v");
        let machines: Vec<String> = (0..6).map(|n| format!("instance/m{n}")).collect();
        let far = machines.iter().find(|name| home(name) != router).unwrap();
        let cut = home(far);
        assert_eq!(text(&way.lab(&["check"]).stdout), "");

        let proved = way.command(&["prove", &file, "--lab", &way.lab]).output().unwrap();
        let said = text(&proved.stdout);
        assert_eq!(proved.status.code(), Some(0), "{said}");
        assert!(said.contains(" 9001\n"), "the largest packet of the VPC goes whole: {said}");

        // What is lost between hosts is missed, and nothing else is.
        let ran = way.lab(&["link", &cut, "--loss", "100%"]);
        assert!(ran.status.success(), "{ran:?}");
        let proved =
            way.command(&["prove", &file, "--lab", &way.lab, "--format", "json"]).output().unwrap();
        assert_eq!(proved.status.code(), Some(1), "{proved:?}");
        let document: serde_json::Value = serde_json::from_slice(&proved.stdout).unwrap();
        for asked in document["questions"].as_array().unwrap() {
            let ends = [&asked["from"], &asked["to"]];
            let away =
                ends.iter().any(|end| home(&format!("instance/{}", end.as_str().unwrap())) == cut);
            if asked["agrees"] == false {
                assert!(away, "{asked}");
            }
        }
        let ran = way.lab(&["link", &cut, "--clear"]);
        assert!(ran.status.success(), "{ran:?}");

        // A machine more moves none.
        let file = way.file(&network(7));
        let applied = way.lab(&["apply", &file]);
        assert_eq!(applied.status.code(), Some(0), "{applied:?}");
        let said = text(&applied.stdout);
        assert!(said.contains("instance/m6 is new") && !said.contains("removed"), "{said}");
        let now = way.ps();
        for row in ps["namespaces"].as_array().unwrap() {
            let rows = now["namespaces"].as_array().unwrap();
            let same = rows.iter().find(|other| other["name"] == row["name"]).unwrap();
            assert_eq!(same["host"], row["host"], "{row}");
        }
        let proved = way.command(&["prove", &file, "--lab", &way.lab]).output().unwrap();
        assert_eq!(proved.status.code(), Some(0), "{}", text(&proved.stdout));
        assert_eq!(text(&way.lab(&["check"]).stdout), "");
    }
}
