//! One way to add a route: what it does, who may, what it takes and answers, and the function that does it, in one place.
//!
//! The router and the description at `/openapi.json` are made from the same list, so that neither knows what the other does not.

use std::sync::Arc;

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::problem::Kind;
use crate::access::Role;
use crate::server::State;

/// The largest body that is taken where a route does not say otherwise: 1 MiB.
pub const BODY: usize = 1 << 20;

/// A schema, when it is asked for.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Where something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// By the server that is asked.
    Here,
    /// By the server that leads: others pass it on.
    Leader,
}

/// What is answered.
#[derive(Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// What it means.
    pub says: &'static str,
    /// Its media type, and its form where it has one; none where it has no body.
    pub content: Option<(&'static str, Option<SchemaOf>)>,
}

/// What is known of a route beside the function.
#[derive(Clone)]
pub struct Meta {
    /// GET, PUT, POST, PATCH or DELETE.
    pub method: Method,
    /// Its path; `{name}` is a part that is given.
    pub path: &'static str,
    /// Its name in the description, unlike all others.
    pub id: &'static str,
    /// One line.
    pub summary: &'static str,
    /// More, in Markdown.
    pub says: &'static str,
    /// Which part of the API it is of.
    pub area: &'static str,
    /// The role that is needed; none where everybody may, without a key.
    pub needs: Option<Role>,
    /// Who does it.
    pub done: Where,
    /// The parts of the path that are given, with their meaning.
    pub path_parameters: Vec<(&'static str, SchemaOf, &'static str)>,
    /// Headers that are read, with their meaning.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The form of the query, an object.
    pub query: Option<SchemaOf>,
    /// The form of the body.
    pub body: Option<SchemaOf>,
    /// The largest body that is taken, in octets.
    pub body_limit: usize,
    /// What is answered where it worked.
    pub answers: Vec<Answer>,
    /// Problems beside those that every route may have.
    pub problems: Vec<Kind>,
    /// It stays open: it counts as a stream.
    pub stream: bool,
    /// Who does it is recorded.
    pub recorded: bool,
}

/// A route.
pub struct Route {
    pub(crate) meta: Meta,
    pub(crate) handler: MethodRouter<Arc<State>>,
}

impl Route {
    fn new<H, T>(
        method: Method,
        filter: MethodFilter,
        (path, id, summary): (&'static str, &'static str, &'static str),
        handler: H,
    ) -> Self
    where
        H: Handler<T, Arc<State>>,
        T: 'static,
    {
        let recorded = method != Method::GET;
        let done = if method == Method::GET { Where::Here } else { Where::Leader };
        let needs = if method == Method::GET { Role::Reader } else { Role::Operator };
        let meta = Meta {
            method,
            path,
            id,
            summary,
            says: "",
            area: "",
            needs: Some(needs),
            done,
            path_parameters: Vec::new(),
            headers: Vec::new(),
            query: None,
            body: None,
            body_limit: BODY,
            answers: Vec::new(),
            problems: Vec::new(),
            stream: false,
            recorded,
        };
        Self { meta, handler: on(filter, handler) }
    }

    /// Reads. By default a reader may, and the server that is asked answers.
    pub fn get<H: Handler<T, Arc<State>>, T: 'static>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::GET, MethodFilter::GET, (path, id, summary), handler)
    }

    /// Does something. By default an operator may, and the leader does it.
    pub fn post<H: Handler<T, Arc<State>>, T: 'static>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::POST, MethodFilter::POST, (path, id, summary), handler)
    }

    /// Puts something where it is said to be. By default as of `post`.
    pub fn put<H: Handler<T, Arc<State>>, T: 'static>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::PUT, MethodFilter::PUT, (path, id, summary), handler)
    }

    /// Takes something away. By default as of `post`.
    pub fn delete<H: Handler<T, Arc<State>>, T: 'static>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::DELETE, MethodFilter::DELETE, (path, id, summary), handler)
    }

    /// More of what it does, in Markdown.
    #[must_use]
    pub const fn says(mut self, says: &'static str) -> Self {
        self.meta.says = says;
        self
    }

    /// Which role is needed.
    #[must_use]
    pub const fn needs(mut self, role: Role) -> Self {
        self.meta.needs = Some(role);
        self
    }

    /// Everybody may, without a key.
    #[must_use]
    pub const fn open(mut self) -> Self {
        self.meta.needs = None;
        self
    }

    /// Who does it.
    #[must_use]
    pub const fn done(mut self, done: Where) -> Self {
        self.meta.done = done;
        self
    }

    /// What a part of the path means; a part of which nothing is said is a name.
    #[must_use]
    pub fn part<T: JsonSchema>(mut self, name: &'static str, says: &'static str) -> Self {
        self.meta.path_parameters.push((name, schema_of::<T>, says));
        self
    }

    /// A header that is read.
    #[must_use]
    pub fn header(mut self, name: &'static str, says: &'static str) -> Self {
        self.meta.headers.push((name, says));
        self
    }

    /// What the query holds. `T` refuses unknown fields.
    #[must_use]
    pub fn query<T: JsonSchema>(mut self) -> Self {
        self.meta.query = Some(schema_of::<T>);
        self
    }

    /// What the body holds. `T` refuses unknown fields.
    #[must_use]
    pub fn body<T: JsonSchema>(mut self) -> Self {
        self.meta.body = Some(schema_of::<T>);
        self
    }

    /// Takes bodies of up to so many octets.
    #[must_use]
    pub const fn body_limit(mut self, octets: usize) -> Self {
        self.meta.body_limit = octets;
        self
    }

    /// Answers JSON with a status.
    #[must_use]
    pub fn answers<T: JsonSchema>(mut self, status: u16, says: &'static str) -> Self {
        let content = Some(("application/json", Some(schema_of::<T> as SchemaOf)));
        self.meta.answers.push(Answer { status, says, content });
        self
    }

    /// Answers something else than JSON.
    #[must_use]
    pub fn answers_other(
        mut self,
        status: u16,
        media_type: &'static str,
        says: &'static str,
    ) -> Self {
        self.meta.answers.push(Answer { status, says, content: Some((media_type, None)) });
        self
    }

    /// Answers without a body.
    #[must_use]
    pub fn answers_nothing(mut self, status: u16, says: &'static str) -> Self {
        self.meta.answers.push(Answer { status, says, content: None });
        self
    }

    /// Problems that it may have beside those of every route.
    #[must_use]
    pub fn may(mut self, kinds: &[Kind]) -> Self {
        self.meta.problems.extend_from_slice(kinds);
        self
    }

    /// Who does it is not recorded: it comes all the time, and is no wish of anybody's.
    #[must_use]
    pub const fn unrecorded(mut self) -> Self {
        self.meta.recorded = false;
        self
    }

    /// It stays open.
    #[must_use]
    pub const fn stays(mut self) -> Self {
        self.meta.stream = true;
        self
    }

    pub(crate) const fn of_area(mut self, area: &'static str) -> Self {
        self.meta.area = area;
        self
    }
}
