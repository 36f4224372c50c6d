//! What listens for a database, an outside service or the platform's front end: it answers, and says which source it sees.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use netwright_dataplane::plan::Listener;
use serde_json::json;

use super::{HELLO, on_all_addresses, pause, say};
use crate::failure::Failure;

/// Connections that are served at a time; further ones are closed.
const CONNECTIONS: usize = 256;
/// How long a connection may be silent.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a client may take to speak first where the protocol wants the server to.
const FIRST: Duration = Duration::from_millis(100);
/// How often is looked whether the rest of a call has come.
const LOOKS: usize = 5;
/// Longest message of a client.
const MESSAGE: usize = 64 * 1024;

/// Listens until the process ends.
pub(super) fn run(own: &Listener) -> Result<(), Failure> {
    let open = Arc::new(AtomicUsize::new(0));
    let mut threads = Vec::new();
    for port in &own.ports {
        let listener = on_all_addresses(*port)
            .map_err(|error| Failure::new(format!("cannot listen on tcp/{port}: {error}")))?;
        let (own, open) = (Arc::new(own.clone()), Arc::clone(&open));
        threads.push(std::thread::spawn(move || accept(&listener, &own, &open)));
    }
    let ports: Vec<String> = own.ports.iter().map(|port| format!("tcp/{port}")).collect();
    say(&format!("stands in for {}, listens on {}", own.name, ports.join(", ")));
    for thread in threads {
        let _ended = thread.join();
    }
    Ok(())
}

fn accept(listener: &TcpListener, own: &Arc<Listener>, open: &Arc<AtomicUsize>) {
    loop {
        let Ok((stream, from)) = listener.accept() else {
            // Too many files are open: some will be closed.
            pause();
            continue;
        };
        if open.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (own, open) = (Arc::clone(own), Arc::clone(open));
        std::thread::spawn(move || {
            // Who asks has gone, or asks what is not spoken here: then there is no more to say.
            let _gone = serve(stream, from, &own);
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// An address as people write it: one of IPv4 that IPv6 holds is one of IPv4.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Serves one connection.
pub(crate) fn serve(mut stream: TcpStream, from: SocketAddr, own: &Listener) -> io::Result<()> {
    let source = plain(from.ip());
    let server_first = own.speaks == "mysql";
    stream.set_read_timeout(Some(if server_first { FIRST } else { PATIENCE }))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut first = [0; HELLO.len()];
    let mut got = 0;
    // Looked at and left there: what is no call is the protocol's to read.
    for _ in 0..LOOKS {
        got = match stream.peek(&mut first) {
            Ok(got) => got,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(error) => return Err(error),
        };
        // A shorter message of another protocol is not waited for.
        if got == 0 || got == HELLO.len() || !HELLO.starts_with(&first[..got]) {
            break;
        }
        pause();
    }
    if &first[..got] == HELLO {
        stream.read_exact(&mut first)?;
        let answer = json!({"stands_in_for": own.name, "seen_as": source.to_string()});
        return stream.write_all(format!("{answer}\n").as_bytes());
    }
    if got == 0 && !server_first {
        return Ok(());
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    let told = format!(
        "this stands in for {} in a lab: it holds no data; you are seen as {source}",
        own.name
    );
    match own.speaks.as_str() {
        "postgres" => postgres(&mut stream, &told),
        "mysql" => mysql(&mut stream, &told),
        "redis" => redis(&mut stream, &told),
        _ => text(&mut stream, &told),
    }
}

/// HTTP is answered as such, anything else with a line.
fn text(stream: &mut TcpStream, told: &str) -> io::Result<()> {
    let mut octets = [0; 4096];
    let read = stream.read(&mut octets)?;
    let begun = &octets[..read];
    let http = [&b"GET "[..], b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH "];
    if http.iter().any(|verb| begun.starts_with(verb)) {
        let body = format!("{told}\n");
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        return stream.write_all(format!("{head}{body}").as_bytes());
    }
    stream.write_all(format!("{told}\n").as_bytes())
}

/// `PostgreSQL`'s protocol 3: everybody is let in, `SELECT 1` and nothing is answered, all else is refused with an error that says why.
fn postgres(stream: &mut TcpStream, told: &str) -> io::Result<()> {
    /// Requests for encryption, by TLS and by GSSAPI.
    const ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];
    const READY: &[u8] = b"Z\0\0\0\x05I";
    loop {
        let start = message(stream)?;
        let code = start.get(..4).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
        match code {
            Some(code) if ENCRYPTION.contains(&code) => stream.write_all(b"N")?,
            Some(code) if code >> 16 == 3 => break,
            _ => {
                let refusal = format!("SFATAL\0C08P01\0M{told}\0\0");
                return frame(stream, b'E', refusal.as_bytes());
            }
        }
    }
    frame(stream, b'R', &0_u32.to_be_bytes())?;
    for (name, value) in
        [("server_version", "16.0"), ("client_encoding", "UTF8"), ("server_encoding", "UTF8")]
    {
        frame(stream, b'S', format!("{name}\0{value}\0").as_bytes())?;
    }
    stream.write_all(READY)?;
    loop {
        let mut kind = [0];
        stream.read_exact(&mut kind)?;
        let content = message(stream)?;
        match kind[0] {
            b'X' => return Ok(()),
            b'Q' => {
                let text = String::from_utf8_lossy(&content);
                let query = text.trim_matches(['\0', ';', ' ', '\n']).to_ascii_lowercase();
                match query.as_str() {
                    "" => frame(stream, b'I', b"")?,
                    "select 1" => {
                        // One column of type int4 (23), of 4 octets, as text.
                        let mut columns = b"\0\x01?column?\0".to_vec();
                        columns.extend([0, 0, 0, 0, 0, 0]);
                        columns.extend([0, 0, 0, 23, 0, 4, 255, 255, 255, 255, 0, 0]);
                        frame(stream, b'T', &columns)?;
                        frame(stream, b'D', b"\0\x01\0\0\0\x011")?;
                        frame(stream, b'C', b"SELECT 1\0")?;
                    }
                    _ => frame(stream, b'E', format!("SERROR\0C0A000\0M{told}\0\0").as_bytes())?,
                }
                stream.write_all(READY)?;
            }
            // Of the extended protocol nothing is spoken: the client is told when it waits.
            b'S' => {
                frame(stream, b'E', format!("SERROR\0C0A000\0M{told}\0\0").as_bytes())?;
                stream.write_all(READY)?;
            }
            _ => {}
        }
    }
}

/// A message of `PostgreSQL` after its kind: its length, which counts itself, and its content.
fn message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if !(4..=MESSAGE).contains(&length) {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut content = vec![0; length - 4];
    stream.read_exact(&mut content)?;
    Ok(content)
}

fn frame(stream: &mut TcpStream, kind: u8, content: &[u8]) -> io::Result<()> {
    let length = u32::try_from(content.len() + 4).unwrap_or(u32::MAX);
    let mut octets = vec![kind];
    octets.extend(length.to_be_bytes());
    octets.extend(content);
    stream.write_all(&octets)
}

/// `MySQL`'s server speaks first: with an error, which every client shows.
fn mysql(stream: &mut TcpStream, told: &str) -> io::Result<()> {
    /// `ER_HOST_NOT_PRIVILEGED`: not let in.
    const NOT_LET_IN: u16 = 1130;
    let mut content = vec![0xff];
    content.extend(NOT_LET_IN.to_le_bytes());
    content.extend(told.as_bytes());
    let length = u32::try_from(content.len()).unwrap_or_default().to_le_bytes();
    let mut octets = length[..3].to_vec();
    octets.push(0);
    octets.extend(content);
    stream.write_all(&octets)
}

/// Redis: `PING` is answered, all else is an error.
fn redis(stream: &mut TcpStream, told: &str) -> io::Result<()> {
    let mut octets = [0; 4096];
    loop {
        let read = stream.read(&mut octets)?;
        if read == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&octets[..read]).to_ascii_uppercase();
        if text.trim().is_empty() {
            continue;
        }
        let answer =
            if text.contains("PING") { "+PONG\r\n".to_owned() } else { format!("-ERR {told}\r\n") };
        stream.write_all(answer.as_bytes())?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use netwright_dataplane::plan::Listener;

    use super::{HELLO, serve};

    fn ask(speaks: &str, sent: &[u8]) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(sent).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let (stream, from) = listener.accept().unwrap();
        let own = Listener {
            name: "database main".to_owned(),
            speaks: speaks.to_owned(),
            ports: [].into(),
        };
        let _ended = serve(stream, from, &own);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        answer
    }

    #[test]
    fn whatever_is_spoken_a_call_is_told_who_answers_and_from_where_it_is_seen() {
        for speaks in ["postgres", "mysql", "redis", "text"] {
            let answer: serde_json::Value = serde_json::from_slice(&ask(speaks, HELLO)).unwrap();
            assert_eq!(answer["seen_as"], "127.0.0.1", "{speaks}");
            assert_eq!(answer["stands_in_for"], "database main", "{speaks}");
        }
    }

    /// A message of `PostgreSQL`: its kind, where it has one, its length and its content.
    fn message(kind: &str, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len() + 4).unwrap().to_be_bytes();
        [kind.as_bytes(), &length[..], content].concat()
    }

    #[test]
    fn a_postgres_client_gets_in_and_select_1_is_answered_and_nothing_else() {
        let sent = [
            message("", &80_877_103_u32.to_be_bytes()),
            message("", b"\0\x03\0\0user\0a\0\0"),
            message("Q", b"SELECT 1;\0"),
            message("Q", b"select 2\0"),
            message("X", b""),
        ];
        let answer = ask("postgres", &sent.concat());
        assert_eq!(answer.first(), Some(&b'N'), "no encryption");
        let text = String::from_utf8_lossy(&answer);
        let (found, refused) = text.split_once("SELECT 1\0").unwrap();
        assert!(found.contains("server_version") && found.contains("?column?"), "{text}");
        assert!(refused.contains("it holds no data; you are seen as 127.0.0.1"), "{text}");
    }

    #[test]
    fn a_length_that_no_message_has_ends_the_connection() {
        for length in [0_u32, 3, u32::MAX] {
            assert_eq!(ask("postgres", &length.to_be_bytes()), b"", "{length}");
        }
    }

    #[test]
    fn other_clients_are_told_in_their_own_protocol() {
        assert_eq!(ask("mysql", b"")[4], 0xff);
        assert!(ask("redis", b"*1\r\n$4\r\nPING\r\n").starts_with(b"+PONG"));
        assert!(ask("text", b"GET / HTTP/1.1\r\n\r\n").starts_with(b"HTTP/1.1 200"));
    }
}
