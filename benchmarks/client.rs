//! A client of the Postgres protocol that does as little as it can: it counts and hashes the rows
//! that come, so that a server is measured and not its client. Any surprise ends it with a panic.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{Header, Message};
use postgres_protocol::message::frontend;

const READ_BYTES: usize = 1 << 20;

/// Who answers, and as whom to ask.
#[derive(Clone)]
pub struct Server {
    pub address: String,
    pub user: String,
    pub password: String,
    pub database: String,
}

/// What an answer held.
#[derive(Default)]
pub struct Answer {
    pub rows: u64,
    /// Of the rows and their fields, as they were sent: the sum of each row's hash, so that the
    /// order doesn't count.
    pub hash: u64,
    pub bytes: u64,
    /// Until the first row was there.
    pub first: Option<Duration>,
}

pub struct Client {
    stream: TcpStream,
    out: BytesMut,
    read: Vec<u8>,
    start: usize,
    end: usize,
}

impl Client {
    /// Connects and authenticates with SCRAM-SHA-256 (or not at all, where nothing is asked).
    pub fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(&server.address).expect("a connection");
        stream.set_nodelay(true).expect("a socket's option");
        let mut client = Self {
            stream,
            out: BytesMut::new(),
            read: vec![0; 1 << 14],
            start: 0,
            end: 0,
        };
        let parameters = [("user", &*server.user), ("database", &*server.database)];
        frontend::startup_message(parameters, &mut client.out).expect("a message");
        client.send();
        client.authenticate(server.password.as_bytes());
        client
    }

    fn authenticate(&mut self, password: &[u8]) {
        let mut scram = None;
        loop {
            let message = self.parsed();
            match message {
                Message::AuthenticationSasl(_) => {
                    let started = ScramSha256::new(password, ChannelBinding::unsupported());
                    let first = started.message().to_vec();
                    frontend::sasl_initial_response(SCRAM_SHA_256, &first, &mut self.out)
                        .expect("a message");
                    scram = Some(started);
                    self.send();
                }
                Message::AuthenticationSaslContinue(body) => {
                    let scram = scram.as_mut().expect("begun");
                    scram.update(body.data()).expect("a challenge");
                    let answer = scram.message().to_vec();
                    frontend::sasl_response(&answer, &mut self.out).expect("a message");
                    self.send();
                }
                Message::AuthenticationSaslFinal(body) => {
                    let scram = scram.as_mut().expect("begun");
                    scram.finish(body.data()).expect("the server's proof");
                }
                Message::ReadyForQuery(_) => return,
                Message::ErrorResponse(_) => panic!("the server refuses the connection"),
                _ => {}
            }
        }
    }

    /// In the simple protocol: texts. COPY's rows count as rows.
    pub fn simple(&mut self, sql: &str) -> Answer {
        frontend::query(sql, &mut self.out).expect("a message");
        self.answer()
    }

    /// In the extended protocol, with binary results.
    pub fn binary(&mut self, sql: &str) -> Answer {
        frontend::parse("", sql, [], &mut self.out).expect("a message");
        self.execute("")
    }

    pub fn prepare(&mut self, name: &str, sql: &str) {
        frontend::parse(name, sql, [], &mut self.out).expect("a message");
        frontend::sync(&mut self.out);
        self.answer();
    }

    /// Executes what was prepared, with binary results.
    pub fn execute(&mut self, name: &str) -> Answer {
        let none: [&str; 0] = [];
        let bound = frontend::bind(
            "",
            name,
            [],
            none,
            |_, _| Ok(IsNull::Yes),
            [1],
            &mut self.out,
        );
        assert!(bound.is_ok());
        frontend::execute("", 0, &mut self.out).expect("a message");
        frontend::sync(&mut self.out);
        self.answer()
    }

    fn answer(&mut self) -> Answer {
        let asked = Instant::now();
        self.send();
        let mut answer = Answer::default();
        loop {
            let (tag, from, to) = self.next();
            match tag {
                b'D' | b'd' => {
                    answer.first.get_or_insert_with(|| asked.elapsed());
                    answer.rows += 1;
                    answer.bytes += (to - from) as u64;
                    answer.hash = answer.hash.wrapping_add(hash(&self.read[from..to]));
                }
                b'E' => panic!("{}", String::from_utf8_lossy(&self.read[from..to])),
                b'Z' => return answer,
                _ => {}
            }
        }
    }

    fn send(&mut self) {
        self.stream.write_all(&self.out).expect("the server reads");
        self.out.clear();
    }

    fn parsed(&mut self) -> Message {
        let (_, from, to) = self.next();
        let mut bytes = BytesMut::from(&self.read[from - 5..to]);
        let message = Message::parse(&mut bytes).expect("a message");
        message.expect("the whole of it")
    }

    /// Tag of the next message, and where its body stands.
    fn next(&mut self) -> (u8, usize, usize) {
        loop {
            let unread = &self.read[self.start..self.end];
            if let Some(header) = Header::parse(unread).expect("a message") {
                let length = usize::try_from(header.len()).expect("a length") + 1;
                if unread.len() >= length {
                    let (from, to) = (self.start + 5, self.start + length);
                    self.start = to;
                    return (header.tag(), from, to);
                }
            }
            self.fill();
        }
    }

    fn fill(&mut self) {
        self.read.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.read.len() {
            self.read.resize((self.end * 2).max(READ_BYTES), 0);
        }
        let read = self.stream.read(&mut self.read[self.end..]);
        let read = read.expect("the server writes");
        assert!(read > 0, "the server hung up");
        self.end += read;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        frontend::terminate(&mut self.out);
        let _ = self.stream.write_all(&self.out);
    }
}

/// Eight bytes at a time; no defence against anybody.
fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut chunks = bytes.chunks_exact(8);
    let mut mix = |word: u64| {
        hash = (hash ^ word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    };
    for chunk in &mut chunks {
        mix(u64::from_le_bytes(chunk.try_into().expect("eight")));
    }
    let mut last = [0; 8];
    last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    mix(u64::from_le_bytes(last));
    mix(bytes.len() as u64);
    hash
}
