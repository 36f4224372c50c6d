//! The platform's database proxy: a Unix socket on one side, and on the other connections from its service's own network, which follow the
//! service's egress mode as everything does that it sends.

use std::fs;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use netwright_dataplane::plan::Proxy;

use super::{pause, say};
use crate::failure::Failure;

/// Connections at a time; further ones are closed.
const CONNECTIONS: usize = 256;
/// How long connecting onwards may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Passes connections on until the process ends.
pub(super) fn run(own: &Proxy) -> Result<(), Failure> {
    let path = Path::new(&own.socket);
    let bound = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        // What one before this left.
        let _none = fs::remove_file(path);
        UnixListener::bind(path)
    });
    let listener = bound.map_err(|error| {
        Failure::new(format!("cannot listen on the socket {}: {error}", own.socket))
    })?;
    say(&format!("passes {} on to {} at {}", own.socket, own.name, own.to));
    let (own, open) = (Arc::new(own.clone()), Arc::new(AtomicUsize::new(0)));
    loop {
        let Ok((near, _)) = listener.accept() else {
            pause();
            continue;
        };
        if open.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::SeqCst);
            say("too many connections at a time: one is closed");
            continue;
        }
        let (own, open) = (Arc::clone(&own), Arc::clone(&open));
        std::thread::spawn(move || {
            if let Err(error) = pass(&near, &own) {
                say(&format!("{} at {} is not reached: {error}", own.name, own.to));
            }
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn pass(near: &UnixStream, own: &Proxy) -> io::Result<()> {
    let far = TcpStream::connect_timeout(&own.to, DEADLINE)?;
    std::thread::scope(|scope| {
        let (mut from, mut to) = (&far, near);
        scope.spawn(move || {
            // Either end may go at any time.
            let _gone = io::copy(&mut from, &mut to);
            let _gone = to.shutdown(Shutdown::Write);
        });
        let (mut from, mut to) = (near, &far);
        let _gone = io::copy(&mut from, &mut to);
        let _gone = to.shutdown(Shutdown::Write);
    });
    Ok(())
}
