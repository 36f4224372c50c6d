//! TLS: the chain, its names, its ends of validity and what is wrong with it, in one handshake.
//!
//! The verifier of a probe judges a chain as any client does, notes what it found, and lets the handshake go on, so that a peer with a bad
//! certificate is seen whole. Nothing is sent to such a peer after the handshake: [`handshake`] ends with what is wrong.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use super::outcome::{CertificateSeen, Failure, Kind, PhaseName, TlsSeen, Verdict};
use super::prober::{Clock, Prober};
use super::target::Host;
use super::trail::{Asked, Trail};

/// Most certificates of a chain, and names of a certificate, that are kept.
const MOST: usize = 64;

/// The authorities that are trusted.
#[derive(Clone, Debug)]
pub struct Trust {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    /// The authorities that this machine trusts, and these.
    ///
    /// # Errors
    ///
    /// One of these is no certificate.
    pub fn of_machine(more: &[CertificateDer<'static>]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        // What the machine has and cannot be used is not trusted, as elsewhere.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self::with(roots, more)
    }

    /// These authorities alone.
    ///
    /// # Errors
    ///
    /// One of them is no certificate.
    pub fn only(roots: &[CertificateDer<'static>]) -> Result<Self, String> {
        Self::with(RootCertStore::empty(), roots)
    }

    fn with(mut roots: RootCertStore, more: &[CertificateDer<'static>]) -> Result<Self, String> {
        for certificate in more {
            roots
                .add(certificate.clone())
                .map_err(|error| format!("an authority's certificate cannot be used: {error}"))?;
        }
        Ok(Self {
            roots: Arc::new(roots),
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        })
    }

    /// Certificates of a PEM text.
    ///
    /// # Errors
    ///
    /// There is none in it, or one cannot be read.
    pub fn read(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
        use rustls::pki_types::pem::PemObject;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let read = read.map_err(|error| format!("no certificates in PEM: {error}"))?;
        if read.is_empty() { Err("no certificates in PEM".to_owned()) } else { Ok(read) }
    }

    /// A client's configuration that lets in only peers whose chain is good; for many connections.
    pub(crate) fn strict(&self) -> Result<Arc<ClientConfig>, String> {
        let config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        Ok(Arc::new(config.with_root_certificates(self.roots.clone()).with_no_client_auth()))
    }
}

/// What was noted of a chain while the handshake went on.
#[derive(Debug, Default)]
struct Noted {
    chain: Vec<CertificateDer<'static>>,
    wrong: Option<Error>,
}

/// A verifier that notes what it finds.
#[derive(Debug)]
struct Notes {
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    now: UnixTime,
    noted: Arc<Mutex<Noted>>,
}

impl Notes {
    fn note(&self, wrong: Option<Error>) {
        if let Ok(mut noted) = self.noted.lock()
            && noted.wrong.is_none()
        {
            noted.wrong = wrong;
        }
    }
}

impl ServerCertVerifier for Notes {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = match &self.inner {
            Some(inner) => inner.verify_server_cert(own, others, name, ocsp, self.now).map(drop),
            // Nothing is trusted at all.
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        self.note(judged.err());
        if let Ok(mut noted) = self.noted.lock() {
            let all = std::iter::once(own).chain(others).take(MOST);
            noted.chain = all.map(|certificate| certificate.clone().into_owned()).collect();
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            own,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            own,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The name that a certificate is to be for.
pub(crate) fn server_name(host: &Host) -> Asked<ServerName<'static>> {
    match host {
        Host::Address(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Name(name) => ServerName::try_from(name.clone())
            .map_err(|_| Verdict::unknown(format!("`{name}` cannot be the name of a certificate"))),
    }
}

/// A handshake; what is seen is noted in the trail also when it fails.
pub(crate) async fn handshake(
    prober: &Prober,
    stream: TcpStream,
    name: &Host,
    valid_for: Option<Duration>,
    trail: &mut Trail,
) -> Asked<TlsStream<TcpStream>> {
    trail.begin(PhaseName::Tls);
    let noted = Arc::new(Mutex::new(Noted::default()));
    let config = config(&prober.trust, &prober.clock, noted.clone())?;
    let connected = TlsConnector::from(config).connect(server_name(name)?, stream).await;
    trail.end();
    let noted = noted.lock().map(|mut noted| std::mem::take(&mut *noted)).unwrap_or_default();
    let version = connected.as_ref().ok().and_then(|stream| stream.get_ref().1.protocol_version());
    let version = version.and_then(|version| version.as_str()).unwrap_or_default().to_owned();
    let now = (prober.clock)();
    let wrong = noted.wrong.as_ref().map(|error| certificate(error, &noted.chain, name));
    if !noted.chain.is_empty() {
        let chain: Vec<CertificateSeen> = noted.chain.iter().filter_map(|own| seen(own)).collect();
        let earliest_expiry = chain.iter().map(|own| own.not_after).min();
        trail.seen.tls =
            Some(Box::new(TlsSeen { version, chain, earliest_expiry, wrong: wrong.clone() }));
    }
    let stream = connected.map_err(|error| failed(&error))?;
    if let Some(wrong) = wrong {
        return Err(Verdict::Failed(wrong));
    }
    let earliest = trail.seen.tls.as_ref().and_then(|tls| tls.earliest_expiry);
    match (valid_for, earliest) {
        (Some(valid_for), Some(end)) => expires_soon(now, end, valid_for).map_or(Ok(stream), Err),
        _ => Ok(stream),
    }
}

fn expires_soon(now: Timestamp, end: Timestamp, valid_for: Duration) -> Option<Verdict> {
    let left = end.duration_since(now);
    let wanted = SignedDuration::try_from(valid_for).unwrap_or(SignedDuration::MAX);
    (left < wanted).then(|| {
        Verdict::failed(
            Kind::TlsExpiresSoon,
            format!("a certificate ends {end}, in {} days", left.as_hours() / 24),
        )
    })
}

fn config(trust: &Trust, clock: &Clock, noted: Arc<Mutex<Noted>>) -> Asked<Arc<ClientConfig>> {
    let builder =
        WebPkiServerVerifier::builder_with_provider(trust.roots.clone(), trust.provider.clone());
    let since = u64::try_from(clock().as_second()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(since));
    // Without any authority there is no such verifier: then nobody is trusted.
    let notes = Notes { inner: builder.build().ok(), provider: trust.provider.clone(), now, noted };
    let config = ClientConfig::builder_with_provider(trust.provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Verdict::unknown(format!("this machine cannot speak TLS: {error}")))?;
    let mut config =
        config.dangerous().with_custom_certificate_verifier(Arc::new(notes)).with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// What is wrong with a chain.
fn certificate(error: &Error, chain: &[CertificateDer<'static>], name: &Host) -> Failure {
    let failure = |kind, text: String| Failure { kind, text };
    let Error::InvalidCertificate(wrong) = error else {
        return failure(Kind::TlsBadCertificate, error.to_string());
    };
    let parsed: Vec<X509Certificate<'_>> = chain
        .iter()
        .filter_map(|own| X509Certificate::from_der(own).ok().map(|(_, own)| own))
        .collect();
    match wrong {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            let end = chain.iter().filter_map(|own| seen(own)).map(|own| own.not_after).min();
            let end = end.map(|end| format!(" on {end}")).unwrap_or_default();
            failure(Kind::TlsExpired, format!("the certificate ended{end}"))
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            let begin = chain.iter().filter_map(|own| seen(own)).map(|own| own.not_before).max();
            let begin = begin.map(|begin| format!(" before {begin}")).unwrap_or_default();
            failure(Kind::TlsNotYetValid, format!("the certificate is not valid{begin}"))
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let own = chain.first().and_then(|own| seen(own)).map(|own| own.names.join(", "));
            let own = own.filter(|own| !own.is_empty()).unwrap_or_else(|| "no name".to_owned());
            failure(Kind::TlsWrongName, format!("the certificate is for {own}, not for {name}"))
        }
        CertificateError::UnknownIssuer => unknown_issuer(&parsed),
        other if parsed.first().is_some_and(signed_itself) => failure(
            Kind::TlsSelfSigned,
            format!(
                "the certificate was signed with its own key, and is not trusted ({})",
                words(other)
            ),
        ),
        other => failure(
            Kind::TlsBadCertificate,
            format!("the certificate cannot be used: {}", words(other)),
        ),
    }
}

fn words(wrong: &CertificateError) -> String {
    Error::InvalidCertificate(wrong.clone())
        .to_string()
        .trim_start_matches("invalid peer certificate: ")
        .to_owned()
}

fn signed_itself(own: &X509Certificate<'_>) -> bool {
    own.subject() == own.issuer()
}

/// Why a chain reaches no authority. One that ends with a certificate which says where its issuer's is to be had was sent in part: authorities
/// are installed, intermediates are sent.
fn unknown_issuer(chain: &[X509Certificate<'_>]) -> Failure {
    let failure = |kind, text: String| Failure { kind, text };
    let (Some(own), Some(last)) = (chain.first(), chain.last()) else {
        return failure(
            Kind::TlsUnknownIssuer,
            "the chain reaches no authority that is trusted".to_owned(),
        );
    };
    let issuer = last.issuer();
    if chain.len() == 1 && signed_itself(own) {
        return failure(
            Kind::TlsSelfSigned,
            "the certificate was signed with its own key, and is not trusted".to_owned(),
        );
    }
    if !signed_itself(last) && issuer_elsewhere(last) {
        return failure(
            Kind::TlsMissingIntermediate,
            format!(
                "the certificate of {issuer} was not sent, which signed that of {}",
                last.subject()
            ),
        );
    }
    failure(Kind::TlsUnknownIssuer, format!("{issuer} is no authority that is trusted"))
}

/// Whether a certificate says where that of its issuer is (RFC 5280, section 4.2.2.1), as those of public authorities do.
fn issuer_elsewhere(own: &X509Certificate<'_>) -> bool {
    own.extensions().iter().any(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => {
            let issuers = x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;
            access.accessdescs.iter().any(|one| one.access_method == issuers)
        }
        _ => false,
    })
}

/// What a certificate says; nothing where it cannot be read.
fn seen(own: &CertificateDer<'_>) -> Option<CertificateSeen> {
    let (_, own) = X509Certificate::from_der(own).ok()?;
    let time = |seconds| Timestamp::from_second(seconds).ok();
    let mut names = Vec::new();
    if let Ok(Some(all)) = own.subject_alternative_name() {
        for name in all.value.general_names.iter().take(MOST) {
            match name {
                GeneralName::DNSName(name) => names.push((*name).to_owned()),
                GeneralName::IPAddress(octets) => names.extend(address(octets)),
                _ => {}
            }
        }
    }
    Some(CertificateSeen {
        subject: own.subject().to_string(),
        issuer: own.issuer().to_string(),
        names,
        not_before: time(own.validity().not_before.timestamp())?,
        not_after: time(own.validity().not_after.timestamp())?,
        serial: own.raw_serial_as_string(),
    })
}

fn address(octets: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(octets).ok().map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
}

/// How a handshake failed that did not end.
pub(crate) fn failed(error: &std::io::Error) -> Verdict {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::AlertReceived(alert)) => {
            let alert = snake(&format!("{alert:?}"));
            Verdict::failed(
                Kind::TlsAlert { alert: alert.clone() },
                format!("the peer ended the handshake: {alert}"),
            )
        }
        Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }) => {
            Verdict::failed(Kind::TlsNotSpoken, "what the peer says is not TLS")
        }
        Some(other) => Verdict::failed(Kind::TlsFailed, format!("the handshake failed: {other}")),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => Verdict::failed(
            Kind::ConnectionClosed,
            "the peer closed the connection during the handshake",
        ),
        None => super::connect::meaning(error, "the peer"),
    }
}

/// `HandshakeFailure` as `handshake_failure`.
fn snake(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
