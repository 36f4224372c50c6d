//! Receivers over TLS: believed by an authority of one's own, and by nobody else.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::{counts, notification, sink};
use crate::alert::sink::{Authorities, Kind, Mail, Target};

/// A receiver whose certificate is for `localhost`, and who signed it; it says each line of `answers` after something came.
async fn receiver(answers: &'static [&'static str], speaks_first: bool) -> (u16, Authorities) {
    begins(&[], answers, speaks_first).await
}

/// The same, which says each line of `clear` after the first before TLS begins, and the first at once.
async fn begins(
    clear: &'static [&'static str],
    answers: &'static [&'static str],
    speaks_first: bool,
) -> (u16, Authorities) {
    let (authority, leaf) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut own = CertificateParams::new(Vec::new()).unwrap();
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root: CertificateDer<'static> = own.self_signed(&authority).unwrap().der().clone();
    let issuer = Issuer::from_params(&own, &authority);
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&leaf, &issuer).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut part = [0; 8_192];
            for (at, answer) in clear.iter().enumerate() {
                if at > 0 {
                    let _read = stream.read(&mut part).await;
                }
                let _gone = stream.write_all(answer.as_bytes()).await;
            }
            // Who does not believe the certificate ends the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            for (at, answer) in answers.iter().enumerate() {
                if at > 0 || !speaks_first {
                    let _read = stream.read(&mut part).await;
                }
                let _gone = stream.write_all(answer.as_bytes()).await;
                let _gone = stream.flush().await;
            }
            let _ends = stream.shutdown().await;
        }
    });
    (port, Arc::from(vec![root]))
}

#[tokio::test]
async fn a_webhook_over_tls_is_believed_by_ones_own_authority_and_for_its_own_name_alone() {
    let (port, authority) = receiver(&["HTTP/1.1 200 OK\r\n\r\n"], false).await;
    let target = |host: &str| Target::parse(&format!("https://{host}:{port}/alerts")).unwrap();
    let believed = sink(Kind::Webhook(target("localhost")).with_authorities(&authority));
    believed.send(&notification());
    counts(&believed, (1, 0, 0)).await;
    let stranger = sink(Kind::Webhook(target("localhost")));
    stranger.send(&notification());
    counts(&stranger, (0, 1, 0)).await;
    let misnamed = sink(Kind::Webhook(target("127.0.0.1")).with_authorities(&authority));
    misnamed.send(&notification());
    counts(&misnamed, (0, 1, 0)).await;
}

#[tokio::test]
async fn mail_goes_over_tls_from_the_first_octet_on() {
    let answers = &[
        "220 relay\r\n",
        "250 relay\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "354 go on\r\n",
        "250 taken\r\n",
        "221 bye\r\n",
    ];
    let (port, authority) = receiver(answers, true).await;
    let mail =
        || Mail::new(&format!("smtps://localhost:{port}"), "a@b", &["c@d".to_owned()]).unwrap();
    let believed = sink(Kind::Mail(mail()).with_authorities(&authority));
    believed.send(&notification());
    counts(&believed, (1, 0, 0)).await;
    let stranger = sink(Kind::Mail(mail()));
    stranger.send(&notification());
    counts(&stranger, (0, 1, 0)).await;
}

#[tokio::test]
async fn after_starttls_mail_is_secret_and_without_it_nothing_is_sent() {
    const SECRET: &[&str] = &[
        "250 relay\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "354 go on\r\n",
        "250 taken\r\n",
        "221 bye\r\n",
    ];
    let of = |port: u16| {
        let relay = format!("smtp+starttls://localhost:{port}");
        Mail::new(&relay, "a@b", &["c@d".to_owned()]).unwrap()
    };
    let clear = &["220 relay\r\n", "250-relay\r\n250 STARTTLS\r\n", "220 begin\r\n"];
    let (port, authority) = begins(clear, SECRET, false).await;
    let believed = sink(Kind::Mail(of(port)).with_authorities(&authority));
    believed.send(&notification());
    counts(&believed, (1, 0, 0)).await;
    let stranger = sink(Kind::Mail(of(port)));
    stranger.send(&notification());
    counts(&stranger, (0, 1, 0)).await;
    // One that has none, and one before which somebody on the way puts words of his own.
    for third in ["502 none here\r\n", "220 begin\r\n250 ok\r\n"] {
        let clear: &'static [&'static str] =
            Box::leak(Box::new(["220 relay\r\n", "250 relay\r\n", third]));
        let (port, authority) = begins(clear, SECRET, false).await;
        let refused = sink(Kind::Mail(of(port)).with_authorities(&authority));
        refused.send(&notification());
        counts(&refused, (0, 1, 0)).await;
    }
}
