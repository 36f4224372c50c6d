//! A serverless service: it answers on the port of its container, and calls what it depends on when it is asked to.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use netwright_dataplane::plan::{Call, Listener, Service};
use serde_json::{Value, json};

use super::{client, listener, on_all_addresses, pause, say};
use crate::calls::{Called, Trouble};
use crate::failure::Failure;
use crate::view;

/// Longest order.
const ORDER: u64 = 1024 * 1024;
/// How long an order may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a service takes orders: in the lab's own `/run`.
pub(crate) fn door(namespace: &str) -> PathBuf {
    view::folder(namespace).join("orders")
}

/// Serves until the process ends.
pub(super) fn run(own: &Service) -> Result<(), Failure> {
    let namespace = format!("service/{}", own.name);
    let path = door(&namespace);
    let bound = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        let _none = fs::remove_file(&path);
        UnixListener::bind(&path)
    });
    let orders = bound.map_err(Failure::during("the socket that orders come by"))?;
    let listener = on_all_addresses(own.port)
        .map_err(|error| Failure::new(format!("cannot listen on tcp/{}: {error}", own.port)))?;
    say(&format!("stands in for service {}, listens on tcp/{}", own.name, own.port));
    let shown = Listener {
        name: format!("service {}", own.name),
        speaks: "text".to_owned(),
        ports: [own.port].into(),
    };
    std::thread::spawn(move || answer(&listener, &shown));
    loop {
        let Ok((stream, _)) = orders.accept() else {
            pause();
            continue;
        };
        std::thread::spawn(move || {
            // Who asked has gone: then nobody waits.
            let _gone = order(&stream);
        });
    }
}

fn answer(listener: &TcpListener, own: &Listener) {
    loop {
        match listener.accept() {
            Ok((stream, from)) => {
                let own = own.clone();
                std::thread::spawn(move || listener::serve(stream, from, &own));
            }
            Err(_) => pause(),
        }
    }
}

/// Makes the calls of an order, all at a time.
fn order(stream: &UnixStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream).take(ORDER).read_line(&mut line)?;
    let order: Value = serde_json::from_str(&line).unwrap_or_default();
    let list = order.get("calls").and_then(Value::as_array).cloned().unwrap_or_default();
    let patience = order.get("milliseconds").and_then(Value::as_u64).unwrap_or(1000).max(1);
    let called: Vec<Called> = std::thread::scope(|scope| {
        let each: Vec<_> = list
            .into_iter()
            .map(|one| scope.spawn(move || one_call(&one, Duration::from_millis(patience))))
            .collect();
        let failed = || Called::failed(Trouble::Untried, "the call ended in the middle".to_owned());
        each.into_iter().map(|thread| thread.join().unwrap_or_else(|_| failed())).collect()
    });
    let answer = json!({"called": called.iter().map(Called::to_json).collect::<Vec<Value>>()});
    let mut stream = stream;
    stream.write_all(format!("{answer}\n").as_bytes())
}

fn one_call(order: &Value, patience: Duration) -> Called {
    let speaks = order.get("speaks").and_then(Value::as_bool).unwrap_or_default();
    let call = order.get("call").cloned().unwrap_or_default();
    let Ok(call) = serde_json::from_value::<Call>(call) else {
        return Called::failed(Trouble::Untried, "the order cannot be read".to_owned());
    };
    let Some(how) = &call.how else {
        return Called::failed(
            Trouble::Untried,
            "the description does not say where to".to_owned(),
        );
    };
    let patience = call.deadline.map_or(patience, |own| patience.min(Duration::from_millis(own)));
    let resolved = call.host.as_deref().map(|host| client::resolve(host, patience));
    let resolved = resolved.unwrap_or_default();
    let called = Called { resolved, ..client::call(how, speaks, patience) };
    say(&format!("{} ({}): {}", call.name, call.target, called.words()));
    called
}
