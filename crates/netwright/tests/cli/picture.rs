//! Pictures of `trace` and `reach`.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::folder::SHOP;
use crate::run::on;

/// Names that would leave their text or their quotes, were they not escaped.
fn hostile() -> String {
    SHOP.replace("web-1", "'web\"<script>&'")
}

#[test]
fn a_flow_is_drawn_with_its_verdict_and_what_blocks_it() {
    let words = ["trace", "network.yaml", "web-1", "db-1", "--port", "tcp/22", "--format", "svg"];
    let ran = on(SHOP, &words).ends(1);
    assert!(ran.out.starts_with("<svg ") && ran.out.ends_with("</svg>\n"), "{}", ran.out);
    assert!(ran.out.contains("<title>blocked: web-1 → db-1</title>"), "{}", ran.out);
    assert!(ran.out.contains("✗ data denies into db-1"), "{}", ran.out);
}

#[test]
fn who_reaches_whom_is_drawn_with_names_and_ports() {
    let ran = on(SHOP, &["reach", "network.yaml", "--format", "svg"]).ends(0);
    assert!(ran.out.contains("tcp 5432") && ran.out.contains("db-1"), "{}", ran.out);
}

#[test]
fn names_of_the_users_file_stay_text_in_a_picture() {
    let svg = on(&hostile(), &["reach", "network.yaml", "--format", "svg"]).ends(0);
    assert!(!svg.out.contains("<script>"), "{}", svg.out);
    assert!(svg.out.contains("&lt;script&gt;"), "{}", svg.out);
    let dot = on(&hostile(), &["reach", "network.yaml", "--format", "dot"]).ends(0);
    assert!(dot.out.contains("web\\\"<script>"), "{}", dot.out);
}

#[test]
#[expect(clippy::print_stderr, reason = "a test says what it skips")]
fn graphviz_reads_what_is_written_for_it() {
    if Command::new("dot").arg("-V").output().is_err() {
        eprintln!("skipped: graphviz is missing; on Debian, apt-get install graphviz");
        return;
    }
    for words in [
        &["reach", "network.yaml", "--format", "dot"][..],
        &["trace", "network.yaml", "db-1", "internet", "--port", "tcp/443", "--format", "dot"],
    ] {
        let graph = on(&hostile(), words).out;
        let mut dot = Command::new("dot")
            .arg("-Tcanon")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("graphviz starts");
        let mut input = dot.stdin.take().expect("its input");
        input.write_all(graph.as_bytes()).expect("the graph is passed on");
        drop(input);
        assert!(dot.wait().expect("graphviz ends").success(), "{graph}");
    }
}
