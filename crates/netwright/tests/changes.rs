//! Changes of a network through a real server with the embedded store, by the commands that people use.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it cannot go on"
)]

#[path = "harness/server.rs"]
mod server;
#[path = "harness/words.rs"]
mod words;

use std::path::{Path, PathBuf};

use server::Server;
use words::words;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

const NETWORK: &str = "examples/quickstart/network.yaml";
const MISTAKE: &str = "examples/quickstart/mistake.yaml";

#[test]
fn a_network_is_declared_proved_and_brought_back() {
    let mut server = Server::start();
    let (code, out, _) = server.ask(&["apply", NETWORK, "--dry-run"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.starts_with("would be accepted"), "{out}");
    let (code, out, err) = server.ask(&["apply", NETWORK, "--why", "NET-1"]);
    assert_eq!(code, 0, "{out}{err}");
    let first: u64 =
        out.split(['n', ',']).nth(2).unwrap_or_default().trim().parse().unwrap_or_default();
    assert!(out.starts_with("accepted: revision "), "{out}");

    let (code, out, _) = server.ask(&["apply", MISTAKE]);
    assert_eq!(code, 1, "{out}");
    assert!(out.starts_with("refused: the network stays at revision "), "{out}");
    assert!(
        out.contains("✗   db denies into db-1: no rule matches (default)  filters/db:1:1"),
        "{out}"
    );

    // What was acknowledged is there after the server was killed.
    server.kill();
    let server = Server::on(server.folder.clone());
    let (code, out, _) = server.ask(&["get"]);
    assert_eq!(code, 0);
    let file = server.folder.join("got.yaml");
    std::fs::write(&file, &out).unwrap();
    let (code, out, _) = server.ask(&["diff", NETWORK, file.to_str().unwrap()]);
    assert_eq!(
        (code, out.lines().next()),
        (0, Some("nothing breaks: no flow, intent or finding changes"))
    );

    let (code, out, _) = server.ask(&["apply", MISTAKE, "--force", "drill", "--format", "json"]);
    assert_eq!(code, 0, "{out}");
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&answer["outcome"], &answer["forced"]), (&"accepted".into(), &true.into()));
    let base = answer["base"].as_u64().unwrap();
    assert!(first == 0 || first == base);
    let (code, out, _) = server.ask(&["history", &answer["revision"].to_string()]);
    assert_eq!(code, 0);
    assert!(out.contains("forced: drill") && out.contains("\n  - "), "{out}");
    let (code, out, err) = server.ask(&["rollback", &base.to_string()]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("intents fixed\n  web-reaches-db"), "{out}");
    let (_, out, _) = server.ask(&["history"]);
    assert_eq!(out.lines().count(), 4, "{out}");
    assert!(out.contains("forced: drill") && out.contains("NET-1"), "{out}");
}

#[test]
fn mistakes_have_their_places_in_the_file() {
    let server = Server::start();
    let file = server.folder.join("wrong.yaml");
    let text = std::fs::read_to_string(root().join(NETWORK)).unwrap();
    std::fs::write(&file, text.replace("filters: db,", "filters: bd,")).unwrap();
    let (code, out, err) = server.ask(&["apply", file.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("wrong.yaml:37:") && err.contains("did you mean"), "{err}");
}

#[test]
fn questions_are_asked_of_the_network_as_it_is() {
    let server = Server::start();
    let (code, _, err) = server.ask(&["apply", NETWORK]);
    assert_eq!(code, 0, "{err}");
    let get = |path: &str| -> serde_json::Value {
        let url = format!("{}{path}", server.url);
        let mut answer = ureq::get(&url).call().unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    };
    let trace = get("/api/v1/trace?from=web-1&to=db-1&service=tcp/5432");
    assert_eq!(trace["verdict"], "reachable");
    let trace = get("/api/v1/trace?from=db-1&to=web-1&service=tcp/22");
    assert_eq!(trace["verdict"], "blocked");
    assert!(trace["forward"].as_array().unwrap().iter().any(|hop| hop["passed"] == false));
    let reach = get("/api/v1/reach?from=internet&to=web-1");
    assert_eq!(reach["pairs"][0]["reachable"], "tcp dst 443", "{reach}");
    let filters = get("/api/v1/network/filters");
    assert_eq!(filters["objects"].as_array().unwrap().len(), 2);
}

/// Revisions as the guide shows them: other writes lie between those of the network.
const SHOWN: [&str; 4] = ["3", "5", "8", "13"];

/// Revisions of a text that are some, as the others. A number is one after these words, and at the beginning of a line.
fn renamed(text: &str, from: &[String], to: &[String]) -> String {
    const BEFORE: [&str; 3] = ["revision", "rollback", "to"];
    let line = |line: &str| {
        let mut before: Option<&str> = None;
        let words = line.split(' ').map(|word| {
            let is_one = before.is_none_or(|before| BEFORE.contains(&before));
            before = Some(word);
            let bare = word.trim_end_matches([':', ',']);
            let at = from.iter().position(|own| own == bare).filter(|_| is_one);
            let new = at.and_then(|at| to.get(at));
            new.map_or_else(|| word.to_owned(), |new| format!("{new}{}", &word[bare.len()..]))
        });
        words.collect::<Vec<_>>().join(" ")
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// A time is that of the run.
fn timeless(text: &str) -> String {
    let is_time = |word: &str| word.len() == 24 && word.ends_with('Z') && word.contains('T');
    let word = |word| if is_time(word) { "2026-11-21T14:04:16.042Z" } else { word };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// With `UPDATE_DOCUMENTS=1` the guide is written anew.
#[test]
fn the_guide_shows_what_the_program_prints() {
    let server = Server::start();
    let path = root().join("docs/guides/change-a-network.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let shown: Vec<String> = SHOWN.map(str::to_owned).to_vec();
    let mut revisions: Vec<String> = Vec::new();
    let (mut new, mut inside, mut count) = (String::new(), false, 0);
    for line in text.lines() {
        if inside && line != "```" && !line.starts_with("$ ") {
            continue;
        }
        inside = (inside && line != "```") || line == "```console server";
        new += line;
        new.push('\n');
        let Some(command) = line.strip_prefix("$ netwright ").filter(|_| inside) else { continue };
        let words = words(&renamed(command, &shown, &revisions));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (_, out, err) = server.ask(&words);
        let (_, history, _) = server.ask(&["history", "--format", "json"]);
        let history: serde_json::Value = serde_json::from_str(&history).unwrap();
        let all = history["changes"].as_array().unwrap();
        revisions = all.iter().map(|change| change["revision"].to_string()).collect();
        new += &timeless(&renamed(&format!("{out}{err}"), &revisions, &shown));
        count += 1;
    }
    assert!(count >= 6);
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(&path, new).unwrap();
    } else {
        assert_eq!(text, new);
    }
}

/// A watch of nothing but changes; it goes with the test.
struct Watching {
    child: std::process::Child,
    url: String,
}

impl Watching {
    fn start(folder: &Path) -> Self {
        use std::io::BufRead;

        std::fs::write(folder.join("nothing.yaml"), "provider: generic\n").unwrap();
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_netwright"))
            .args(["watch", "nothing.yaml", "--state", "state"])
            .current_dir(folder)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let out = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut lines = out.lines().map_while(Result::ok);
        let url = lines.find_map(|line| {
            Some(line.strip_prefix("answering at ")?.split(';').next()?.to_owned())
        });
        // Whatever else it says is read, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: url.unwrap() }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[test]
fn a_change_stays_when_fresh_starts_say_so_and_goes_back_when_one_says_otherwise() {
    let server = Server::start();
    let watching = Watching::start(&server.folder);
    let before = "examples/staging-egress/before.yaml";
    // What it breaks already is known, and is not what is tried here.
    server.told(&["apply", before, "--force", "as it was"]);
    let apply = |file: &str, starts: &dyn Fn()| {
        std::thread::scope(|scope| {
            let words = [
                "apply",
                file,
                "--force",
                "drill",
                "--wait=5",
                "--no-probe",
                "--watch",
                "30s",
                "--watcher",
                &watching.url,
            ];
            let server = &server;
            let applied = scope.spawn(move || server.ask(&words));
            let waits = || {
                server.ask(&["health", "--url", &watching.url]).1.contains("waits for fresh starts")
            };
            for _ in 0..200 {
                if waits() || applied.is_finished() {
                    break;
                }
                std::process::Command::new("sleep").arg("0.1").status().unwrap();
            }
            starts();
            applied.join().unwrap()
        })
    };
    let started =
        |words: &[&str]| server.ask(&[&["started", "--url", &watching.url], words].concat());
    // The change of the incident: it is the next cold start that dies of it.
    let why = "database=Database connection validation timeout exceeded (15s)";
    let (code, out, err) = apply("examples/staging-egress/after.yaml", &|| {
        let (code, out, _) = started(&["auth", "--failed", "--lacks", why]);
        assert_eq!(code, 1, "{out}");
    });
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        out.contains("broken: auth → database: Database connection validation timeout"),
        "{out}"
    );
    assert!(out.contains("rolled back: revision "), "{out}{err}");
    // One that cures, with a fresh start of each service.
    let (code, out, err) = apply("examples/staging-egress/works.yaml", &|| {
        for service in ["auth", "backend", "analytics"] {
            started(&[service]);
        }
    });
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("stays: every dependency was used by a fresh start"), "{out}");
}
