//! One member of etcd: the connection to it, and who we are there.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::User;
use super::failure::{Asked, connecting, is_token_old};
use super::wire::{self, WatchRequest, WatchResponse};
use crate::error::Error;

/// Octets of the largest answer that is read.
const LARGEST: usize = 256 << 20;

/// How long a member that could not be connected to is not tried again.
const AWAY: Duration = Duration::from_millis(300);

/// How often TLS may come about and end before an answer until that is taken for a refusal, and the time between.
const REFUSALS: u32 = 3;
const AGAIN: Duration = Duration::from_millis(50);

/// How long a member that failed is asked only where no other is left.
const LEFT: Duration = Duration::from_secs(1);

type Token = MetadataValue<Ascii>;

enum Link {
    None,
    Up(Channel),
    Away { until: Instant, why: Error },
}

pub(super) struct Member {
    /// Its address, for people.
    pub(super) name: String,
    endpoint: Endpoint,
    patience: Duration,
    user: Option<User>,
    /// The connection, and how often there was a new one.
    link: tokio::sync::Mutex<(Link, u64)>,
    token: tokio::sync::Mutex<Option<Token>>,
    left: Mutex<Option<Instant>>,
}

impl Member {
    pub(super) fn new(
        name: &str,
        endpoint: Endpoint,
        user: Option<User>,
        patience: Duration,
    ) -> Self {
        Self {
            name: name.to_owned(),
            endpoint,
            patience,
            user,
            link: tokio::sync::Mutex::new((Link::None, 0)),
            token: tokio::sync::Mutex::default(),
            left: Mutex::default(),
        }
    }

    /// It failed: others are asked first for a while.
    pub(super) fn leave(&self) {
        let until = Instant::now() + LEFT;
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    pub(super) fn is_left(&self, now: Instant) -> bool {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| now < until)
    }

    /// Whether it could not be connected to.
    pub(super) async fn is_away(&self) -> bool {
        matches!(self.link.lock().await.0, Link::Away { .. })
    }

    /// The connection. Who comes while it is being made waits for it.
    async fn channel(&self) -> Result<(Channel, u64), Error> {
        let mut link = self.link.lock().await;
        match &link.0 {
            Link::Up(channel) => return Ok((channel.clone(), link.1)),
            Link::Away { until, why } if Instant::now() < *until => return Err(why.clone()),
            _ => {}
        }
        let why = match timeout(self.patience, self.connect()).await {
            Ok(Ok(channel)) => {
                *link = (Link::Up(channel.clone()), link.1 + 1);
                return Ok((channel, link.1));
            }
            Ok(Err(error)) => error,
            Err(_) => Error::Unavailable(format!("{}: no connection in time", self.name)),
        };
        link.0 = Link::Away { until: Instant::now() + AWAY, why: why.clone() };
        Err(why)
    }

    /// A new connection that an answer has come over: with TLS, who is refused hears it after the connection is made, and what was sent until then
    /// would count as perhaps done.
    async fn connect(&self) -> Result<Channel, Error> {
        let mut why = String::new();
        for _ in 0..REFUSALS {
            let channel = self.endpoint.connect().await;
            let channel = channel.map_err(|error| connecting(&error, &self.name))?;
            let asked: Result<wire::StatusResponse, Status> =
                call(channel.clone(), None, wire::STATUS, wire::Nothing {}).await;
            match asked {
                Err(status) if std::error::Error::source(&status).is_some() => {
                    let error = connecting(&status, &self.name);
                    if !self.name.starts_with("https") || !error.may_pass() {
                        return Err(error);
                    }
                    // The reason is lost where the connection ends before it is read.
                    why = error.reason();
                    tokio::time::sleep(AGAIN).await;
                }
                // Whatever else etcd says: it says something.
                _ => return Ok(channel),
            }
        }
        Err(Error::Denied(format!(
            "{why}: it agrees to TLS, and ends it before any answer: does it ask for a certificate of ours?"
        )))
    }

    /// A connection broke: what comes next makes a new one.
    async fn broken(&self, number: u64) {
        let mut link = self.link.lock().await;
        if link.1 == number && matches!(link.0, Link::Up(_)) {
            link.0 = Link::None;
        }
    }

    /// The token that says who we are. One that etcd did not take is replaced.
    async fn token(&self, channel: &Channel, old: Option<&Token>) -> Result<Option<Token>, Error> {
        let Some(User { name, password }) = &self.user else { return Ok(None) };
        let mut known = self.token.lock().await;
        if let Some(token) = known.as_ref().filter(|token| Some(*token) != old) {
            return Ok(Some(token.clone()));
        }
        let request = wire::AuthenticateRequest { name: name.clone(), password: password.clone() };
        let answer: Result<wire::AuthenticateResponse, Status> =
            call(channel.clone(), None, wire::AUTHENTICATE, request).await;
        let answer = answer.map_err(|status| Asked::READ.failed(&status))?;
        let damaged = |_| Error::Damaged("etcd gives a token that cannot be sent".to_owned());
        let mut token: Token = answer.token.parse().map_err(damaged)?;
        token.set_sensitive(true);
        *known = Some(token.clone());
        Ok(Some(token))
    }

    /// Sends something and takes what comes of it; once more where etcd wants to know anew who we are.
    async fn send<T, F>(
        &self,
        asked: Asked,
        send: impl Fn(Channel, Option<Token>) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let (channel, number) = self.channel().await?;
        let token = self.token(&channel, None).await?;
        let status = match send(channel.clone(), token.clone()).await {
            Err(status) if self.user.is_some() && is_token_old(&status) => {
                let token = self.token(&channel, token.as_ref()).await?;
                match send(channel, token).await {
                    Ok(answer) => return Ok(answer),
                    Err(status) => status,
                }
            }
            Err(status) => status,
            Ok(answer) => return Ok(answer),
        };
        if matches!(
            status.code(),
            Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled
        ) && std::error::Error::source(&status).is_some()
        {
            self.broken(number).await;
        }
        Err(match asked.failed(&status) {
            Error::Unavailable(why) => Error::Unavailable(format!("{}: {why}", self.name)),
            Error::OutcomeUnknown(why) => Error::OutcomeUnknown(format!("{}: {why}", self.name)),
            other => other,
        })
    }

    pub(super) async fn unary<Q, A>(
        &self,
        asked: Asked,
        path: &'static str,
        message: Q,
    ) -> Result<A, Error>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        self.send(asked, |channel, token| call(channel, token, path, message.clone())).await
    }

    /// Keeps a lease alive once; for how many seconds.
    pub(super) async fn keep_alive(&self, asked: Asked, id: i64) -> Result<i64, Error> {
        let kept = self.send(asked, async |channel, token| {
            let requests = tokio_stream::once(wire::LeaseRequest { id });
            let request = signed(Request::new(requests), token);
            let mut answers: Streaming<wire::KeptResponse> =
                stream(channel, wire::KEEP_ALIVE, request).await?;
            answers.message().await
        });
        Ok(kept.await?.map_or(0, |kept| kept.ttl))
    }

    /// Begins a watch: what can be asked of it meanwhile, and its answers.
    pub(super) async fn watch(&self, create: wire::WatchCreate) -> Result<Watching, Error> {
        self.send(Asked::READ, |channel, token| {
            let create = WatchRequest { request: Some(wire::Watching::Create(create.clone())) };
            async move {
                let (requests, waiting) = mpsc::channel(2);
                // There is room for two.
                let _has_room = requests.try_send(create);
                let request = signed(Request::new(ReceiverStream::new(waiting)), token);
                let answers = stream(channel, wire::WATCH, request).await?;
                Ok(Watching { requests, answers })
            }
        })
        .await
    }

    /// Forgets who we are there: it is asked for anew.
    pub(super) async fn forget_token(&self) -> bool {
        self.token.lock().await.take().is_some()
    }
}

/// A watch that one member serves.
pub(super) struct Watching {
    requests: mpsc::Sender<WatchRequest>,
    answers: Streaming<WatchResponse>,
}

impl Watching {
    pub(super) async fn next(&mut self) -> Result<Option<WatchResponse>, Status> {
        self.answers.message().await
    }

    /// Asks for an answer; whether that could be sent.
    pub(super) fn ask(&self) -> bool {
        let progress = wire::Watching::Progress(wire::Nothing {});
        self.requests.try_send(WatchRequest { request: Some(progress) }).is_ok()
    }
}

fn signed<T>(mut request: Request<T>, token: Option<Token>) -> Request<T> {
    // A member that is cut off from the others says so instead of waiting for them.
    request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
    if let Some(token) = token {
        request.metadata_mut().insert("token", token);
    }
    request
}

async fn ready(channel: Channel) -> Result<Grpc<Channel>, Status> {
    let mut grpc = Grpc::new(channel).max_decoding_message_size(LARGEST);
    grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
    Ok(grpc)
}

async fn call<Q, A>(
    channel: Channel,
    token: Option<Token>,
    path: &'static str,
    message: Q,
) -> Result<A, Status>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let request = signed(Request::new(message), token);
    let path = PathAndQuery::from_static(path);
    let answer = ready(channel).await?.unary(request, path, ProstCodec::default()).await?;
    Ok(answer.into_inner())
}

async fn stream<S, Q, A>(
    channel: Channel,
    path: &'static str,
    requests: Request<S>,
) -> Result<Streaming<A>, Status>
where
    S: tokio_stream::Stream<Item = Q> + Send + 'static,
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let path = PathAndQuery::from_static(path);
    let answers = ready(channel).await?.streaming(requests, path, ProstCodec::default()).await?;
    Ok(answers.into_inner())
}
