//! What probes of databases share: a stream that gives no more than a bound, with TLS where it is asked for.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connect;
use super::prober::Prober;
use super::target::{Database, Host};
use super::tls;
use super::trail::{Asked, Trail};

/// Most octets that a probe reads from a database.
const MOST: u64 = 1 << 20;

/// What octets come from and go to.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A stream that ends with an error after [`MOST`] octets.
pub(crate) struct Bounded {
    inner: Box<dyn Stream>,
    left: u64,
}

impl Bounded {
    /// A stream, over TLS where the target has it so.
    pub(crate) async fn over(
        prober: &Prober,
        target: &Database,
        stream: TcpStream,
        trail: &mut Trail,
    ) -> Asked<Self> {
        let inner: Box<dyn Stream> = match &target.tls {
            None => Box::new(stream),
            Some(name) => {
                let name = name.clone().map_or_else(|| target.to.host.clone(), Host::Name);
                Box::new(tls::handshake(prober, stream, &name, None, trail).await?)
            }
        };
        Ok(Self { inner, left: MOST })
    }
}

/// A connection to a database.
pub(crate) async fn connected(
    prober: &Prober,
    target: &Database,
    bind: Option<IpAddr>,
    end: Instant,
    trail: &mut Trail,
) -> Asked<TcpStream> {
    let to = prober.address(&target.to.host, target.to.port, end, trail).await?;
    connect::connect(to, bind, trail).await
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            let text = format!("it says more than the {MOST} octets that are read");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.left = self.left.saturating_sub((buffer.filled().len() - before) as u64);
        polled
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
