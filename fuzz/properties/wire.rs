//! What clients send: bytes into messages, however they are cut into packets; nothing is taken
//! beyond a message's own length; a message written anew is the same. And what a login says.
//!
//! An input's first byte says whether it is an opening (0), a login (1) or messages (else), and
//! by how many bytes they arrive.

use bytes::{BufMut, BytesMut};
use frazil::wire::frame::{self, FrameError, Frontend, Opening, Target as Of};
use frazil::wire::scram::{Exchange, Verifier};

use super::Target;

pub const TARGET: Target = Target {
    name: "wire",
    check,
    seeds,
    words: &[
        "\0\0\0\x08",
        "\x04\u{16}",
        "user\0",
        "database\0",
        "options\0",
        "replication\0",
        "_pq_.x\0",
        "Q\0\0\0",
        "P\0\0\0",
        "B\0\0\0",
        "D\0\0\0",
        "E\0\0\0",
        "S\0\0\0\x04",
        "X\0\0\0\x04",
        "d\0\0\0",
        "c\0\0\0\x04",
        "f\0\0\0",
        "p\0\0\0",
        "SCRAM-SHA-256\0",
        "n,,n=,r=",
        "c=biws,r=",
        ",p=",
        "select 1\0",
    ],
};

/// Small, so that inputs reach it.
const LIMIT: usize = 600;

pub fn check(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else {
        return;
    };
    match how {
        0 => opening(bytes),
        1 => login(bytes),
        how => messages(bytes, usize::from(*how)),
    }
}

fn opening(bytes: &[u8]) {
    let mut buffer = BytesMut::from(bytes);
    let found = frame::decode_opening(&mut buffer);
    let taken = bytes.len() - buffer.len();
    match found {
        Ok(None) => {
            assert_eq!(taken, 0, "waits, and has taken some");
            assert!(
                bytes.len() < frame::STARTUP_LIMIT_BYTES,
                "waits for more than it may"
            );
        }
        Ok(Some(opening)) => {
            let length = u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"));
            assert_eq!(taken, length as usize, "its own length");
            // What stands behind the parameters is let be.
            let mut written = write_opening(&opening);
            let again = frame::decode_opening(&mut written);
            assert_eq!(again, Ok(Some(opening)));
        }
        Err(_) => {}
    }
}

/// The messages up to an error, or to what is not whole yet.
fn read(bytes: &[u8], packet: usize) -> (Vec<Frontend>, Option<FrameError>, usize) {
    let (mut buffer, mut messages) = (BytesMut::new(), Vec::new());
    for packet in bytes.chunks(packet) {
        buffer.extend_from_slice(packet);
        loop {
            match frame::decode(&mut buffer, LIMIT) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error), 0),
            }
            assert!(
                messages.len() <= bytes.len() / 5,
                "each takes five bytes at least"
            );
        }
        // A type and a length, and the rest of what the limit allows.
        assert!(buffer.len() <= LIMIT, "waits for more than it may");
    }
    (messages, None, buffer.len())
}

fn messages(bytes: &[u8], packet: usize) {
    let whole = read(bytes, bytes.len().max(1));
    assert_eq!(whole, read(bytes, packet), "in packets of {packet}");
    for message in whole.0 {
        let mut written = write(&message);
        let length = written.len();
        let again = frame::decode(&mut written, length);
        assert_eq!(again, Ok(Some(message)));
        assert!(written.is_empty());
    }
}

fn login(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (first, last) = text.split_once('\n').unwrap_or((text, ""));
    let verifier: Verifier = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
        WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        .parse()
        .expect("a verifier");
    let _ = text.parse::<Verifier>();
    for verifier in [Some(&verifier), None] {
        let Ok(exchange) = Exchange::start(verifier, "ann", b"secret", b"nonce", first) else {
            continue;
        };
        let nonce = exchange
            .server_first()
            .split(',')
            .next()
            .unwrap_or_default()
            .to_owned();
        assert!(nonce.starts_with("r="), "{nonce}");
        // The right nonce takes it further than chance would.
        for last in [last.to_owned(), last.replace("r=?", &nonce)] {
            let Ok(exchange) = Exchange::start(verifier, "ann", b"secret", b"nonce", first) else {
                panic!("it started before");
            };
            let answer = exchange.finish(&last);
            assert!(
                answer.is_err(),
                "{last:?} is no proof of anything, and let in: {answer:?}"
            );
        }
    }
}

fn string(into: &mut BytesMut, text: &str) {
    into.put_slice(text.as_bytes());
    into.put_u8(0);
}

fn framed(kind: Option<u8>, body: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    bytes.extend(kind);
    bytes.put_i32(i32::try_from(body.len() + 4).expect("small"));
    bytes.put_slice(body);
    bytes
}

fn write_opening(opening: &Opening) -> BytesMut {
    let mut body = BytesMut::new();
    match opening {
        Opening::Ssl => body.put_i32(80_877_103),
        Opening::Gss => body.put_i32(80_877_104),
        Opening::Cancel { pid, key } => {
            body.put_i32(80_877_102);
            body.put_i32(*pid);
            body.put_slice(key);
        }
        Opening::Startup {
            major,
            minor,
            parameters,
        } => {
            body.put_u16(*major);
            body.put_u16(*minor);
            for (name, value) in parameters {
                string(&mut body, name);
                string(&mut body, value);
            }
            body.put_u8(0);
        }
    }
    framed(None, &body)
}

fn write(message: &Frontend) -> BytesMut {
    let mut body = BytesMut::new();
    let of = |of: &Of| match of {
        Of::Statement => b'S',
        Of::Portal => b'P',
    };
    let kind = match message {
        Frontend::Password(bytes) | Frontend::CopyData(bytes) => {
            body.put_slice(bytes);
            if matches!(message, Frontend::Password(_)) {
                b'p'
            } else {
                b'd'
            }
        }
        Frontend::Query(text) => {
            string(&mut body, text);
            b'Q'
        }
        Frontend::Parse { name, text, types } => {
            string(&mut body, name);
            string(&mut body, text);
            body.put_u16(u16::try_from(types.len()).expect("counted in 16 bits"));
            types.iter().for_each(|kind| body.put_u32(*kind));
            b'P'
        }
        Frontend::Bind(bind) => {
            write_bind(&mut body, bind);
            b'B'
        }
        Frontend::Describe(target, name) | Frontend::Close(target, name) => {
            body.put_u8(of(target));
            string(&mut body, name);
            if matches!(message, Frontend::Describe(..)) {
                b'D'
            } else {
                b'C'
            }
        }
        Frontend::Execute { portal, max_rows } => {
            string(&mut body, portal);
            body.put_i32(i32::try_from(*max_rows).expect("counted in 31 bits"));
            b'E'
        }
        Frontend::CopyFail(reason) => {
            string(&mut body, reason);
            b'f'
        }
        Frontend::Flush => b'H',
        Frontend::Sync => b'S',
        Frontend::Terminate => b'X',
        Frontend::CopyDone => b'c',
        Frontend::FunctionCall => b'F',
    };
    framed(Some(kind), &body)
}

fn write_bind(body: &mut BytesMut, bind: &frame::Bind) {
    let count = |body: &mut BytesMut, count: usize| {
        body.put_u16(u16::try_from(count).expect("counted in 16 bits"));
    };
    string(body, &bind.portal);
    string(body, &bind.statement);
    count(body, bind.parameter_formats.len());
    bind.parameter_formats
        .iter()
        .for_each(|format| body.put_i16(*format));
    count(body, bind.parameters.len());
    for parameter in &bind.parameters {
        match parameter {
            None => body.put_i32(-1),
            Some(bytes) => {
                body.put_i32(i32::try_from(bytes.len()).expect("small"));
                body.put_slice(bytes);
            }
        }
    }
    count(body, bind.result_formats.len());
    bind.result_formats
        .iter()
        .for_each(|format| body.put_i16(*format));
}

fn seeds() -> Vec<Vec<u8>> {
    let messages = [
        Frontend::Query("select 'é'".into()),
        Frontend::Parse {
            name: "s".into(),
            text: "select $1".into(),
            types: vec![23, 0],
        },
        Frontend::Bind(frame::Bind {
            portal: String::new(),
            statement: "s".into(),
            parameter_formats: vec![1],
            parameters: vec![Some(b"\0\0\0\x01".as_slice().into()), None],
            result_formats: vec![0, 1],
        }),
        Frontend::Describe(Of::Statement, "s".into()),
        Frontend::Describe(Of::Portal, String::new()),
        Frontend::Execute {
            portal: String::new(),
            max_rows: 100,
        },
        Frontend::Close(Of::Portal, "p".into()),
        Frontend::CopyData(b"1\tx\n".as_slice().into()),
        Frontend::CopyFail("no".into()),
        Frontend::CopyDone,
        Frontend::FunctionCall,
        Frontend::Flush,
        Frontend::Sync,
        Frontend::Terminate,
    ];
    let mut all = vec![3];
    messages
        .iter()
        .for_each(|message| all.extend_from_slice(&write(message)));
    let mut seeds = vec![all];
    seeds.extend(
        messages
            .iter()
            .map(|message| [&[250][..], &write(message)].concat()),
    );
    let openings = [
        Opening::Ssl,
        Opening::Gss,
        Opening::Cancel {
            pid: 1,
            key: b"\0\0\0\x01".as_slice().into(),
        },
        Opening::Startup {
            major: 3,
            minor: 2,
            parameters: vec![
                ("user".into(), "ann".into()),
                ("options".into(), "-c a=b".into()),
            ],
        },
    ];
    seeds.extend(
        openings
            .iter()
            .map(|opening| [&[0][..], &write_opening(opening)].concat()),
    );
    let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let login = format!("n,,n=ann,r=abc\nc=biws,r=?,p={proof}");
    seeds.push([&[1][..], login.as_bytes()].concat());
    seeds
}
