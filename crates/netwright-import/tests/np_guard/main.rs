//! All pairs of real AWS and IBM Cloud exports against the verdicts of another analyser, and the pairs that it explains.
//!
//! Its results are exhaustive: a pair that it does not list has no connectivity. They are compared as exact sets, in its
//! universe: TCP and UDP with ports from 1, ICMP, IPv4, and outside addresses that it calls public.
//!
//! Where the two look at different things, the comparison follows it: it does not ask whether servers run (`subject::load`); a
//! balancer opens connections to its members only, an endpoint gateway none to the Internet, and equal addresses of a balancer
//! are shown as one (`compare`); between subnets only filters of subnets count, and gateways to the Internet.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test that reports")]

mod balancers;
mod compare;
mod explain;
mod golden;
mod lint;
mod subject;

use std::collections::BTreeMap;
use std::path::PathBuf;

use compare::{Comparison, Difference};
use explain::{Explained, changed, explained};
use golden::{analyses, data, expected};
use netwright_verify::prover::path::{End, Origin};
use subject::{Subject, load, network, subnets_only};

/// Differences that stay, as file, source and destination.
struct Exception {
    golden: &'static str,
    from: &'static str,
    to: &'static str,
    /// Who is right, and why.
    #[expect(dead_code, reason = "for the reader")]
    reason: &'static str,
}

/// These exports hold no route tables. It takes a subnet for private where new machines get no public address
/// (`MapPublicIpOnLaunch`); the importer takes every subnet to have a route to the VPC's internet gateway, lists that as a gap, and
/// the machine that stands for the subnet has a public address. The export decides between neither.
const PRIVATE_BY_DEFAULT: &str = "no route tables in the export: two assumptions";

const EXCEPTIONS: [Exception; 5] = [
    Exception {
        golden: "aws_sg_1_all_vpcs_subnetsBased_withPGW.txt",
        from: "vpc0/vpc0+application[10.240.20.4]",
        to: "Public Internet 1.0.0.0…",
        reason: PRIVATE_BY_DEFAULT,
    },
    Exception {
        golden: "aws_sg_1_all_vpcs_subnetsBased_withPGW.txt",
        from: "vpc0/vpc0+db[10.240.30.4]",
        to: "Public Internet 1.0.0.0…",
        reason: PRIVATE_BY_DEFAULT,
    },
    Exception {
        golden: "basic_config_with_sg_all_vpcs_subnetsBased_withPGW.txt",
        from: "vpc1/vpc1+subnet2[10.0.20.4]",
        to: "Public Internet 1.0.0.0…",
        reason: PRIVATE_BY_DEFAULT,
    },
    Exception {
        golden: "sg_testing1_new_dup_subnets_names_all_vpcs_subnetsBased_withPGW_with_grouping.txt",
        from: "test-vpc1-ky/test-vpc1-ky+subnet1-ky-2[10.240.20.4]",
        to: "Public Internet 1.0.0.0…",
        reason: "two subnets of one name: the line means the first, which has the public gateway",
    },
    Exception {
        golden: "sg_testing_3_with_empty_remote_all_vpcs_.txt",
        from: "test-vpc-ky/be-ky[10.240.128.5]",
        to: "test-vpc-ky/opa-ky[10.240.128.4]",
        reason: "a rule's remote was renamed by hand and keeps the CRN of a group that exists: it goes by the name, we by the CRN",
    },
];

/// Differences that no exception names, and exceptions that no difference used.
fn judge(differences: &[Difference]) {
    let mut used = [false; EXCEPTIONS.len()];
    let mut open = Vec::new();
    for one in differences {
        let known = EXCEPTIONS.iter().position(|exception| {
            (exception.golden, exception.from, exception.to)
                == (one.golden.as_str(), one.from.as_str(), one.to.as_str())
        });
        match known {
            Some(at) => used[at] = true,
            None => open.push(format!("{}: {} => {}: {}", one.golden, one.from, one.to, one.what)),
        }
    }
    assert!(open.is_empty(), "{} differ:\n{}", open.len(), open.join("\n"));
    for (exception, used) in EXCEPTIONS.iter().zip(used) {
        assert!(
            used,
            "{} => {} of {} differs no more",
            exception.from, exception.to, exception.golden
        );
    }
}

#[test]
fn all_pairs_agree() {
    let Some(data) = data() else { return };
    let expected = expected(&data);
    let (mut compared, mut files, mut differences) = (0, 0, Vec::new());
    for analysis in analyses(&data, &expected) {
        let mut description = load(&analysis.input);
        if analysis.subnets {
            description = subnets_only(description);
        }
        let network = network(description);
        let mut subject = Subject::of(&network);
        let mut comparison = Comparison::of(&mut subject, &analysis.golden);
        comparison.run(&analysis);
        compared += comparison.compared;
        files += 1;
        differences.extend(comparison.differences);
    }
    judge(&differences);
    assert!(
        files == 49 && compared > 8_300,
        "only {compared} pairs of {files} files were compared"
    );
}

/// Compares single pairs. Returns how many there were.
fn compare(pairs: Vec<Explained>) -> usize {
    let mut by_input: BTreeMap<(PathBuf, bool), Vec<Explained>> = BTreeMap::new();
    for one in pairs {
        by_input.entry((one.input.clone(), one.subnets)).or_default().push(one);
    }
    let (mut compared, mut differences) = (0, Vec::new());
    for ((input, subnets), pairs) in by_input {
        let description = load(&input);
        let network = network(if subnets { subnets_only(description) } else { description });
        let mut subject = Subject::of(&network);
        for pair in pairs {
            let mut comparison = Comparison::of(&mut subject, &pair.golden);
            comparison.explained(&pair);
            compared += comparison.compared;
            let own = comparison.differences.into_iter();
            differences
                .extend(own.map(|d| format!("{}: {} => {}: {}", d.golden, d.from, d.to, d.what)));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    compared
}

#[test]
fn explained_pairs_agree() {
    let Some(data) = data() else { return };
    let compared = compare(explained(&data, &expected(&data)));
    assert!(compared > 80, "only {compared} pairs were compared");
}

#[test]
fn changed_pairs_agree_before_and_after() {
    let Some(data) = data() else { return };
    let compared = compare(changed(&data, &expected(&data)));
    assert!(compared >= 18, "only {compared} pairs were compared");
}

/// A VPC advertises routes of the user's to a transit gateway and sends what comes to an appliance, by a routing table for incoming
/// packets. The other analyser knows no such routes and says that nothing passes; we cannot say what happens.
#[test]
fn what_advertised_routes_carry_is_unknown() {
    let Some(data) = data() else { return };
    let network = network(load(&data.join("ibmvpc/input/input_hub_n_spoke_1.json")));
    let subject = Subject::of(&network);
    let find = |address: &str| {
        let address: std::net::IpAddr = address.parse().unwrap();
        subject.points().into_iter().find(|point| point.1 == address).unwrap()
    };
    let (spoke, enterprise) = (find("10.1.0.4"), find("192.168.0.4"));
    let path = subject.prover.path(Origin::Interface(spoke.0), spoke.1, enterprise.1);
    assert!(matches!(path.end, End::Unknown(_)), "{:?}", path.end);
}

#[test]
fn what_the_other_analyser_finds_wrong_is_found_or_excepted() {
    let Some(data) = data() else { return };
    let (mut compared, mut missing, mut excepted) = (0, Vec::new(), BTreeMap::new());
    for case in golden::items(&expected(&data), "lint") {
        let (lines, own) = lint::compare(&data, case, &mut excepted);
        compared += lines;
        missing.extend(own);
    }
    assert!(missing.is_empty(), "{} are missing:\n{}", missing.len(), missing.join("\n"));
    assert!(compared >= 50, "only {compared} lines were compared");
    assert_eq!(excepted.len(), 3, "an exception that nothing uses: {excepted:?}");
}
