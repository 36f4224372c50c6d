//! TLS of requests: the authorities that this machine trusts (`SSL_CERT_FILE` names others), and no others.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::request::bare;

/// What connections over TLS are begun with.
#[derive(Debug, Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// The authorities of this machine, which are read once: activities are done again and again.
    pub(super) fn of_machine() -> Result<Self, String> {
        static MACHINE: OnceLock<Result<Tls, String>> = OnceLock::new();
        let read = || {
            let mut roots = RootCertStore::empty();
            // What the machine has and cannot be used is not trusted, as elsewhere.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Self::trusting(roots)
        };
        MACHINE.get_or_init(read).clone()
    }

    pub(super) fn trusting(roots: RootCertStore) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
    }

    /// Shakes hands with a host. The time-outs of the connection hold for each step of it.
    pub(super) fn begin(&self, host: &str, mut stream: TcpStream) -> Result<Stream, String> {
        let name = ServerName::try_from(bare(host).to_owned())
            .map_err(|_| format!("{host} is no name that a certificate can have"))?;
        let mut session =
            ClientConnection::new(self.0.clone(), name).map_err(|error| error.to_string())?;
        while session.is_handshaking() {
            session.complete_io(&mut stream).map_err(|error| format!("TLS: {error}"))?;
        }
        Ok(Stream::Secure(Box::new(StreamOwned::new(session, stream))))
    }
}

/// A connection, with TLS or without.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// What it goes over: time-outs are set there.
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Secure(stream) => &stream.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(part),
            Self::Secure(stream) => stream.read(part),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(part),
            Self::Secure(stream) => stream.write(part),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secure(stream) => stream.flush(),
        }
    }
}
