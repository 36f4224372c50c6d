use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::probe::names::Resolver;
use crate::probe::prober::{Prober, Trust};

async fn exporter(allowed: Allowed) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let clock = Arc::new(|| "2026-06-01T00:00:00Z".parse().unwrap());
    let prober = Prober::new(Trust::only(&[]).unwrap(), Resolver::default(), clock);
    tokio::spawn(serve(listener, prober, allowed, std::future::pending()));
    address
}

async fn get(from: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(from).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_probe_is_told_in_the_names_of_blackbox_exporter() {
    let local = Allowed::These(vec![Machines::parse("127.0.0.0/8").unwrap()]);
    let own = exporter(local).await;
    // The exporter is a web server itself.
    let good = get(own, &format!("/probe?target={own}/-/healthy&module=http_2xx")).await;
    for line in [
        "probe_success 1",
        "probe_http_status_code 200",
        "probe_http_version 1.1",
        "probe_ip_protocol 4",
        "probe_http_content_length 8",
    ] {
        assert!(good.contains(&format!("\n{line}\n")), "{line} in {good}");
    }
    for name in [
        "probe_duration_seconds ",
        "probe_dns_lookup_time_seconds ",
        "probe_http_duration_seconds{phase=\"connect\"} ",
    ] {
        assert!(good.contains(name), "{name} in {good}");
    }
    let bad = get(own, &format!("/probe?target={own}/nothing")).await;
    assert!(
        bad.contains("\nprobe_success 0\n") && bad.contains("\nprobe_http_status_code 404\n"),
        "{bad}"
    );
    assert!(bad.contains("netwright_probe_failure_info{kind=\"http_status\"} 1"), "{bad}");
    let tcp = get(own, "/probe?target=127.0.0.1:1&module=tcp_connect").await;
    assert!(tcp.contains("\nprobe_success 0\n"), "{tcp}");
    assert!(get(own, "/metrics").await.contains("netwright_exporter_probes_total 3"));
}

#[tokio::test]
async fn only_machines_that_it_was_told_are_asked() {
    let own = exporter(Allowed::These(vec![Machines::parse("*.example").unwrap()])).await;
    let answer = get(own, "/probe?target=127.0.0.1:80&module=tcp_connect").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    for wrong in [
        "/probe",
        "/probe?target=a:1&module=none",
        "/probe?target=tcp://a:1&module=http_2xx",
        "/probe?target=%ff",
    ] {
        let answer = get(own, wrong).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{wrong}: {answer}");
    }
}

#[test]
fn machines_are_names_domains_and_prefixes() {
    let hold = |pattern: &str, target: &str| {
        Allowed::These(vec![Machines::parse(pattern).unwrap()])
            .hold(&Target::parse(target).unwrap())
    };
    assert!(hold("db.example", "tcp://DB.example:1"));
    assert!(hold("*.example", "https://a.b.example/"));
    assert!(!hold("*.example", "https://badexample/"));
    assert!(!hold("*.example", "https://example/"));
    assert!(hold("10.0.0.0/8", "icmp://10.255.0.1") && !hold("10.0.0.0/8", "icmp://11.0.0.1"));
    assert!(hold("0.0.0.0/0", "icmp://11.0.0.1") && hold("fd00::/8", "icmp://[fd01::1]"));
    assert!(hold("10.0.0.2", "dns://a.example@10.0.0.2"));
    for wrong in ["", "10.0.0.0/33", "a b", "*."] {
        assert!(Machines::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_family_of_counters_has_its_name_in_openmetrics_and_gauges_keep_theirs() {
    let text = "# HELP a_total A\n# TYPE a_total counter\na_total 1\n# HELP b_total B\n# TYPE b_total gauge\nb_total 2\n";
    let open = "# HELP a A\n# TYPE a counter\na_total 1\n# HELP b_total B\n# TYPE b_total gauge\nb_total 2\n# EOF\n";
    assert_eq!(open_metrics(text), open);
}
