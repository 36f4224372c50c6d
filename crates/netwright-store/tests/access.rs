//! etcd with TLS and with users: who is let in, who is not, and that nobody waits for ever.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it cannot go on"
)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use netwright_store::{AnyStore, Error, Keys, Op, OpenOptions, Range, Revision, Store, Txn, open};
use netwright_testbed::{Certificates, Folder, Server, is_there};

/// The longest that a refusal may take.
const SOON: Duration = Duration::from_secs(60);

fn put(key: &str) -> Txn {
    Txn::of(vec![Op::put(key.to_owned(), "x")])
}

/// What comes of a first request.
async fn first(address: &str, options: &OpenOptions) -> Result<(), Error> {
    let begun = Instant::now();
    let store = open(address, options).await?;
    let answer = store.txn(put("netwright/a")).await.map(drop);
    assert!(begun.elapsed() < SOON, "{answer:?} after {:?}", begun.elapsed());
    answer
}

/// A store that answers.
async fn answering(address: &str, options: &OpenOptions) -> AnyStore {
    let mut last = None;
    for _ in 0..200 {
        let store = open(address, options).await.unwrap();
        match store.range(Range::of(Keys::one("netwright/a"))).await {
            Ok(_) => return store,
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{last:?}");
}

fn with_authority(certificates: &Certificates) -> OpenOptions {
    OpenOptions { authority: Some(certificates.file("ca.pem")), ..OpenOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_trusts_who_the_authority_signed_and_nobody_else() {
    if !is_there() {
        return;
    }
    let (Some(ours), Some(strange)) = (Certificates::make(), Certificates::make()) else { return };
    let server = Server::with_tls(&ours, false);
    let address = format!("etcds://{}", server.address());
    let store = answering(&address, &with_authority(&ours)).await;
    let at = store.txn(put("netwright/a")).await.unwrap().revision;
    let mut watch = store.watch(Keys::prefix("netwright/"), at).await.unwrap();
    assert_eq!(watch.next().await.unwrap().revision, at);

    let told = first(&address, &with_authority(&strange)).await.unwrap_err();
    assert!(matches!(&told, Error::Denied(why) if why.contains("not trusted")), "{told:?}");
    let options =
        OpenOptions { server_name: Some("elsewhere.example".to_owned()), ..with_authority(&ours) };
    let told = first(&address, &options).await.unwrap_err();
    assert!(matches!(&told, Error::Denied(why) if why.contains("not trusted")), "{told:?}");
    let named = OpenOptions { server_name: Some("localhost".to_owned()), ..with_authority(&ours) };
    first(&address, &named).await.unwrap();

    // In the clear, and the other way round.
    let clear = format!("etcd://{}", server.address());
    let told = first(&clear, &OpenOptions::default()).await.unwrap_err();
    assert!(told.may_pass(), "{told:?}");
    let plain = Server::start();
    let address = format!("etcds://{}", plain.address());
    let told = first(&address, &with_authority(&ours)).await.unwrap_err();
    assert!(told.may_pass(), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_asks_for_certificates_lets_in_who_has_one() {
    if !is_there() {
        return;
    }
    let (Some(ours), Some(strange)) = (Certificates::make(), Certificates::make()) else { return };
    let server = Server::with_tls(&ours, true);
    let address = format!("etcds://{}", server.address());
    let with = |own: &Certificates| OpenOptions {
        certificate: Some(own.file("client.pem")),
        key: Some(own.file("client.key")),
        ..with_authority(&ours)
    };
    answering(&address, &with(&ours)).await;
    for options in [with_authority(&ours), with(&strange)] {
        let told = first(&address, &options).await.unwrap_err();
        assert!(matches!(&told, Error::Denied(_)), "{told:?}");
    }
}

/// A server with users: `root`, and `net`, who may write what begins with `netwright/`.
struct Guarded {
    server: Server,
    folder: Folder,
}

impl Guarded {
    async fn start() -> Self {
        let guarded = Self { server: Server::start(), folder: Folder::new() };
        answering(&guarded.address(), &OpenOptions::default()).await;
        // From `netwright/` to before `netwright0`, in base64.
        let all = r#""key":"bmV0d3JpZ2h0Lw==","range_end":"bmV0d3JpZ2h0MA==""#;
        for (path, body) in [
            ("user/add", r#"{"name":"root","password":"root-secret"}"#.to_owned()),
            ("user/grant", r#"{"user":"root","role":"root"}"#.to_owned()),
            ("role/add", r#"{"name":"net"}"#.to_owned()),
            ("role/grant", format!(r#"{{"name":"net","perm":{{"permType":2,{all}}}}}"#)),
            ("user/add", r#"{"name":"net","password":"net-secret"}"#.to_owned()),
            ("user/grant", r#"{"user":"net","role":"net"}"#.to_owned()),
            ("enable", "{}".to_owned()),
        ] {
            guarded.administer(path, &body, "");
        }
        guarded
    }

    fn administer(&self, path: &str, body: &str, token: &str) -> String {
        let answer = self.server.post(&format!("/v3/auth/{path}"), body, token);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        answer
    }

    /// Does something as `root`.
    fn as_root(&self, path: &str, body: &str) {
        let words = r#"{"name":"root","password":"root-secret"}"#;
        let answer = self.administer("authenticate", words, "");
        let token = answer.split_once("\"token\":\"").unwrap().1.split_once('"').unwrap().0;
        self.administer(path, body, token);
    }

    fn address(&self) -> String {
        format!("etcd://{}", self.server.address())
    }

    fn user(&self, name: &str, password: &str) -> OpenOptions {
        let file: PathBuf = self.folder.path().join(password);
        std::fs::write(&file, format!("{password}\n")).unwrap();
        let (user, password_file) = (Some(name.to_owned()), Some(file));
        OpenOptions { user, password_file, ..OpenOptions::default() }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_does_what_it_may_and_others_are_denied() {
    if !is_there() {
        return;
    }
    let guarded = Guarded::start().await;
    let address = guarded.address();
    let store = answering(&address, &guarded.user("net", "net-secret")).await;
    store.txn(put("netwright/a")).await.unwrap();
    store.status().await.unwrap();
    let lease = store.grant(Duration::from_secs(60)).await.unwrap();
    store.keep_alive(lease).await.unwrap();
    store.revoke(lease).await.unwrap();
    for refused in [
        store.txn(put("elsewhere/a")).await.map(drop),
        store.range(Range::of(Keys::all())).await.map(drop),
        first(&address, &guarded.user("net", "guessed")).await,
        first(&address, &guarded.user("nobody", "net-secret")).await,
        first(&address, &OpenOptions::default()).await,
    ] {
        let told = refused.unwrap_err();
        assert!(matches!(&told, Error::Denied(_)), "{told:?}");
        assert!(!format!("{told:?} {told}").contains("secret"), "{told}");
    }
    let mut watch = store.watch(Keys::all(), Revision(2)).await.unwrap();
    let told = tokio::time::timeout(SOON, watch.next()).await.unwrap().unwrap_err();
    assert!(matches!(&told, Error::Denied(_)), "{told:?}");
    // A user is given, and etcd has none.
    let plain = Server::start();
    let without = format!("etcd://{}", plain.address());
    answering(&without, &OpenOptions::default()).await;
    let told = first(&without, &guarded.user("net", "net-secret")).await.unwrap_err();
    assert!(matches!(&told, Error::Denied(why) if why.contains("not enabled")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_stays_over_restarts_of_etcd_and_changes_of_rights_until_it_is_revoked() {
    if !is_there() {
        return;
    }
    let mut guarded = Guarded::start().await;
    let store = answering(&guarded.address(), &guarded.user("net", "net-secret")).await;
    let from = store.status().await.unwrap().revision.next();
    let mut watch = store.watch(Keys::prefix("netwright/"), from).await.unwrap();
    // Its token is forgotten with the process.
    guarded.server.kill();
    guarded.server.start_again();
    let mut at = None;
    for _ in 0..200 {
        match store.txn(put("netwright/a")).await {
            Ok(done) => {
                at = Some(done.revision);
                break;
            }
            Err(error) => assert!(error.may_pass(), "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = tokio::time::timeout(Duration::from_secs(20), watch.next()).await.unwrap();
    assert!(told.unwrap().revision <= at.unwrap());
    guarded.as_root("role/add", r#"{"name":"other"}"#);
    store.txn(put("netwright/b")).await.unwrap();

    guarded.as_root("user/delete", r#"{"name":"net"}"#);
    let begun = Instant::now();
    let told = store.txn(put("netwright/c")).await.unwrap_err();
    assert!(matches!(&told, Error::Denied(_)), "{told:?}");
    let told = store.range(Range::of(Keys::one("netwright/a"))).await.unwrap_err();
    assert!(matches!(&told, Error::Denied(_)), "{told:?}");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_paused_or_away_holds_nobody_up() {
    if !is_there() {
        return;
    }
    let mut server = Server::start();
    let address = format!("etcd://{}", server.address());
    let patience = Duration::from_secs(2);
    let options = OpenOptions { patience, ..OpenOptions::default() };
    let store = answering(&address, &options).await;
    server.pause();
    let begun = Instant::now();
    let told = store.txn(put("netwright/a")).await.unwrap_err();
    assert!(matches!(&told, Error::OutcomeUnknown(_)), "{told:?}");
    let told = store.range(Range::of(Keys::one("netwright/a"))).await.unwrap_err();
    assert!(matches!(&told, Error::Unavailable(_)), "{told:?}");
    assert!(begun.elapsed() < 10 * patience, "{:?}", begun.elapsed());
    server.resume();
    answering(&address, &options).await;
    server.kill();
    let begun = Instant::now();
    for _ in 0..2 {
        // A write over a connection that has just broken may have arrived.
        let told = store.txn(put("netwright/a")).await.unwrap_err();
        assert!(told.may_pass(), "{told:?}");
    }
    let told = store.txn(put("netwright/a")).await.unwrap_err();
    assert!(matches!(&told, Error::Unavailable(_)), "{told:?}");
    assert!(begun.elapsed() < 10 * patience, "{:?}", begun.elapsed());
}
