//! Commands that instances run in a lab.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::decode::{Decode, Decoder, Encode};
use crate::scalar::{Duration, Service as Port};
use crate::schema::{Describe, Schema};
use crate::source::Spanned;
use crate::tree::{Kind, Node};

crate::keyword! {
    /// When a command that has ended is started again.
    pub enum RestartPolicy {
        /// Where it ended with another status than 0, or by a signal.
        #[default] OnFailure = "on-failure",
        /// However it ended.
        Always = "always",
        /// Never.
        Never = "never" | "no",
    }
}

crate::object! {
    /// When a command counts as ready. Of several, all must hold; where none is given, it is when it has run for half a second.
    pub struct Ready {
        /// Something listens on this port in the instance's network.
        pub port: Option<Spanned<Port>>,
        /// This command of the shell ends with 0.
        pub command: Option<Spanned<String>>,
        /// It has run for this long.
        pub after: Option<Spanned<Duration>>,
    }
}

crate::object! {
    /// A command that runs in a lab, in the instance's network. A text alone is its `run`.
    pub struct Command {
        /// Its name in `lab ps` and `lab logs`; its program's unless given.
        pub name: Option<Spanned<String>>,
        /// The command, as the shell reads it (`/bin/sh -c`). Its folder is that of the description.
        pub run ("command"): Spanned<String>,
        /// When it is started again. `on-failure` unless given.
        pub restart: Option<Spanned<RestartPolicy>>,
        /// When it counts as ready.
        pub ready: Ready,
    }
}

/// A command, written as a text or as an object.
#[derive(Debug, Clone, Default, PartialEq, Hash)]
pub struct Exec(pub Command);

impl Decode for Exec {
    fn expected() -> Cow<'static, str> {
        "a command of the shell, or a map with the fields of a Command".into()
    }

    fn decode(node: &Node, cx: &mut Decoder) -> Option<Self> {
        match (&node.kind, node.as_text()) {
            (Kind::Mapping(_), _) => Command::decode(node, cx).map(Self),
            (_, Some(text)) if !text.trim().is_empty() => {
                let run = Spanned::new(text.to_owned(), node.span);
                Some(Self(Command { run, ..Command::default() }))
            }
            _ => {
                cx.expected(node, &Self::expected());
                None
            }
        }
    }
}

impl Encode for Exec {
    fn encode(&self) -> Option<Node> {
        let Command { name, run, restart, ready, .. } = &self.0;
        if name.is_none() && restart.is_none() && ready.encode().is_none() {
            return run.encode();
        }
        self.0.encode()
    }
}

impl Describe for Exec {
    fn describe(schema: &mut Schema) -> Value {
        json!({ "anyOf": [{ "type": "string", "pattern": r"\S" }, Command::describe(schema)] })
    }
}
