//! A client that speaks just enough HTTP/1.1 to cost little beside the server that it asks: kept connections, bodies of known length.

use std::sync::Mutex;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Connections that nobody uses now.
pub(crate) struct Connections {
    to: String,
    free: Mutex<Vec<BufReader<TcpStream>>>,
}

impl Connections {
    /// To an address; made as they are needed.
    pub(crate) fn to(to: &str) -> Self {
        Self { to: to.to_owned(), free: Mutex::default() }
    }

    /// Asks, and reads the whole answer; its status.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> u16 {
        let free = self.free.lock().unwrap().pop();
        let mut stream = match free {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(&self.to).await.unwrap();
                stream.set_nodelay(true).unwrap();
                BufReader::new(stream)
            }
        };
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            self.to,
            body.len()
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let (mut line, mut status, mut length) = (String::new(), 0, 0);
        while line != "\r\n" {
            line.clear();
            assert_ne!(stream.read_line(&mut line).await.unwrap(), 0, "the connection ended");
            if let Some(first) = line.strip_prefix("HTTP/1.1 ") {
                status = first[..3].parse().unwrap();
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await.unwrap();
        self.free.lock().unwrap().push(stream);
        status
    }
}
