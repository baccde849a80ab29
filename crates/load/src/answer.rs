//! One connection: sends a request, reads its answer, as little as that needs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that is kept alive, and opened again where the server closes it.
pub(crate) struct Connection {
    to: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// An answer's status and body.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) fn new(to: SocketAddr) -> Self {
        Self { to, stream: None, buffer: vec![0; 64 * 1024] }
    }

    /// Sends a request and reads the answer.
    pub(crate) fn call(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.to)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream
            }
        };
        stream.write_all(request)?;
        let mut filled = 0;
        let head = loop {
            filled += read(&mut stream, &mut self.buffer, filled)?;
            if let Some(head) = Head::read(self.buffer.get(..filled).unwrap_or_default())? {
                break head;
            }
        };
        let end = head.length + head.body;
        while filled < end {
            filled += read(&mut stream, &mut self.buffer, filled)?;
        }
        ensure!(filled == end, "the server sent more than an answer");
        if !head.close {
            self.stream = Some(stream);
        }
        let body = self.buffer.get(head.length..end).unwrap_or_default();
        Ok(Answer { status: head.status, body })
    }
}

fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>, filled: usize) -> anyhow::Result<usize> {
    if buffer.len() == filled {
        buffer.resize(filled * 2, 0);
    }
    let room = buffer.get_mut(filled..).unwrap_or_default();
    let read = stream.read(room)?;
    ensure!(read > 0, "the server closed the connection in an answer");
    Ok(read)
}

struct Head {
    status: u16,
    length: usize,
    body: usize,
    close: bool,
}

impl Head {
    /// The head, when all of it is there.
    fn read(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default())?;
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut head = Self {
            status: status.with_context(|| format!("not a status line: {first:?}"))?,
            length: end + 4,
            body: 0,
            close: first.starts_with("HTTP/1.0"),
        };
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.body = value.parse().with_context(|| format!("a length: {value:?}"))?;
            } else if name.eq_ignore_ascii_case("connection") {
                head.close = value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                bail!("answers in chunks are not read here");
            }
        }
        Ok(Some(head))
    }
}
