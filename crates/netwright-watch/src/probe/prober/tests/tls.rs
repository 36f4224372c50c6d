//! TLS peers: good, expired, of another name, signed by themselves, not valid yet, without an intermediate, of an unknown authority, slow, and
//! none at all.

use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

/// Authority Information Access with one place of the issuer's certificate, as public authorities write it.
fn issuer_place() -> CustomExtension {
    let place = b"http://ca.test/i.cer";
    let caissuers: [u8; 10] = [0x06, 0x08, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
    let mut inner = caissuers.to_vec();
    inner.extend_from_slice(&[0x86, u8::try_from(place.len()).unwrap()]);
    inner.extend_from_slice(place);
    let mut one = vec![0x30, u8::try_from(inner.len()).unwrap()];
    one.extend_from_slice(&inner);
    let mut all = vec![0x30, u8::try_from(one.len()).unwrap()];
    all.extend_from_slice(&one);
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], all)
}

fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    (params, KeyPair::generate().unwrap())
}

fn leaf(name: &str, from: i32, to: i32) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    params.custom_extensions = vec![issuer_place()];
    (params, KeyPair::generate().unwrap())
}

/// A peer with a chain and its key.
async fn tls(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> SocketAddr {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    peer(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut octets = [0; 1_024];
            let _asked = stream.read(&mut octets).await;
            let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            let _ends = stream.shutdown().await;
        }
    })
    .await
}

/// How a peer is.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    years: (i32, i32),
    /// Signed by the authority that is trusted, by its intermediate, by nobody else, or by a stranger.
    signer: &'static str,
    kind: &'static str,
}

#[tokio::test]
async fn d8_each_way_in_which_a_certificate_is_wrong_is_told_and_all_of_it_is_seen_in_one_handshake()
 {
    let (root, root_key) = authority("root");
    let root_certificate = root.self_signed(&root_key).unwrap().der().clone();
    let root = Issuer::from_params(&root, &root_key);
    let (middle, middle_key) = authority("middle");
    let middle_certificate = middle.signed_by(&middle_key, &root).unwrap().der().clone();
    let middle = Issuer::from_params(&middle, &middle_key);
    let (other, other_key) = authority("other");
    let other_certificate = other.self_signed(&other_key).unwrap().der().clone();
    let other = Issuer::from_params(&other, &other_key);
    let prober =
        Prober::new(Trust::only(&[root_certificate]).unwrap(), Resolver::default(), clock());
    let cases = [
        Case { name: "localhost", years: (2025, 2027), signer: "root", kind: "passed" },
        Case { name: "localhost", years: (2025, 2027), signer: "middle", kind: "passed" },
        Case { name: "localhost", years: (2024, 2026), signer: "root", kind: "tls_expired" },
        Case { name: "localhost", years: (2027, 2028), signer: "root", kind: "tls_not_yet_valid" },
        Case {
            name: "elsewhere.test",
            years: (2025, 2027),
            signer: "root",
            kind: "tls_wrong_name",
        },
        Case { name: "localhost", years: (2025, 2027), signer: "itself", kind: "tls_self_signed" },
        Case {
            name: "localhost",
            years: (2025, 2027),
            signer: "other",
            kind: "tls_unknown_issuer",
        },
        Case {
            name: "localhost",
            years: (2025, 2027),
            signer: "middle, not sent",
            kind: "tls_missing_intermediate",
        },
    ];
    for case in cases {
        let (params, key) = leaf(case.name, case.years.0, case.years.1);
        let chain = match case.signer {
            "root" => vec![params.signed_by(&key, &root).unwrap().der().clone()],
            "middle" => vec![
                params.signed_by(&key, &middle).unwrap().der().clone(),
                middle_certificate.clone(),
            ],
            "middle, not sent" => vec![params.signed_by(&key, &middle).unwrap().der().clone()],
            "other" => vec![
                params.signed_by(&key, &other).unwrap().der().clone(),
                other_certificate.clone(),
            ],
            _ => vec![params.self_signed(&key).unwrap().der().clone()],
        };
        let address = tls(chain, &key).await;
        let outcome = prober.ask(&spec(&format!("tls://{address}?name=localhost")), 1).await;
        let found = outcome.failure().map_or(outcome.verdict.word(), |failure| failure.kind.name());
        assert_eq!(found, case.kind, "{}: {outcome:?}", case.signer);
        let seen = outcome.seen.tls.as_ref().unwrap();
        assert_eq!(seen.version, "TLSv1_3", "the handshake was gone through");
        assert_eq!(seen.chain[0].names, [case.name]);
        let end = format!("{}-01-01T00:00:00Z", case.years.1);
        assert_eq!(seen.earliest_expiry.unwrap().to_string(), end);
        assert_eq!(
            seen.wrong.as_ref().map(|wrong| wrong.kind.name()).unwrap_or("passed"),
            case.kind
        );
    }
}

#[tokio::test]
async fn a_certificate_that_ends_soon_fails_where_it_is_to_last_and_https_asks_only_good_peers() {
    let (root, root_key) = authority("root");
    let root_certificate = root.self_signed(&root_key).unwrap().der().clone();
    let root = Issuer::from_params(&root, &root_key);
    let (params, key) = leaf("localhost", 2025, 2027);
    let address = tls(vec![params.signed_by(&key, &root).unwrap().der().clone()], &key).await;
    let good = Prober::new(Trust::only(&[root_certificate]).unwrap(), Resolver::default(), clock());
    let outcome =
        good.ask(&spec(&format!("tls://{address}?name=localhost&valid_for=400d")), 1).await;
    assert_eq!(outcome.failure().unwrap().kind, Kind::TlsExpiresSoon);
    let mut web = spec(&format!("https://{address}/"));
    if let Target::Http(http) = &mut web.target {
        http.name = Some("localhost".to_owned());
    }
    let outcome = good.ask(&web, 1).await;
    assert!(outcome.passed(), "{outcome:?}");
    assert!(outcome.phase(PhaseName::Tls).is_some() && outcome.seen.http.is_some());
    let outcome = prober(Vec::new()).ask(&web, 1).await;
    assert!(outcome.failure().is_some() && outcome.seen.http.is_none(), "{outcome:?}");
}
