//! Frames of the frontend: bytes of a client into messages.
//!
//! Every length is checked before it is believed: a body is cut out first and read by a cursor
//! that can't leave it. (pgwire 0.40's own frontend decoders read past a body that is shorter than
//! its counts say and panic, so they are not used for what a client sends.)
//! Must never panic on any input, and never hold more than the limit it is given.

use bytes::{Buf, Bytes, BytesMut};

/// Largest message before the client has authenticated.
pub const STARTUP_LIMIT_BYTES: usize = 10_000;
/// Largest message of an authenticated client.
pub const MESSAGE_LIMIT_BYTES: usize = 16 * 1024 * 1024;

const SSL_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;
const CANCEL_REQUEST: i32 = 80_877_102;

/// Why bytes are no message. The connection can't go on: its framing is lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("invalid message length {0}")]
    Length(i32),
    #[error("message of {length} bytes is longer than the {limit} allowed")]
    TooLong { length: usize, limit: usize },
    #[error("invalid frontend message type {0}")]
    Type(u8),
    #[error("invalid message format: {0}")]
    Body(&'static str),
    #[error("invalid byte sequence for encoding \"UTF8\"")]
    Utf8,
}

/// The first message of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    Ssl,
    Gss,
    Cancel {
        pid: i32,
        key: Bytes,
    },
    Startup {
        major: u16,
        minor: u16,
        parameters: Vec<(String, String)>,
    },
}

/// What Describe and Close are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Statement,
    Portal,
}

/// A message of an authenticated client (`Password` while it authenticates).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frontend {
    Password(Bytes),
    Query(String),
    Parse {
        name: String,
        text: String,
        types: Vec<u32>,
    },
    Bind(Bind),
    Describe(Target, String),
    Execute {
        portal: String,
        /// 0: all rows.
        max_rows: usize,
    },
    Close(Target, String),
    Flush,
    Sync,
    Terminate,
    CopyData(Bytes),
    CopyDone,
    /// Why the client gives up.
    CopyFail(String),
    FunctionCall,
}

/// Parameters of a portal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bind {
    pub portal: String,
    pub statement: String,
    pub parameter_formats: Vec<i16>,
    pub parameters: Vec<Option<Bytes>>,
    pub result_formats: Vec<i16>,
}

/// Reads the first message; `None` while bytes are missing.
pub fn decode_opening(buffer: &mut BytesMut) -> Result<Option<Opening>, FrameError> {
    if buffer.len() < 4 {
        return Ok(None);
    }
    let length = i32::from_be_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]);
    let Some(mut body) = cut(buffer, 0, length, STARTUP_LIMIT_BYTES)? else {
        return Ok(None);
    };
    let code = body.i32()?;
    Ok(Some(match code {
        SSL_REQUEST => Opening::Ssl,
        GSS_REQUEST => Opening::Gss,
        CANCEL_REQUEST => Opening::Cancel {
            pid: body.i32()?,
            key: body.rest(),
        },
        version => {
            let mut parameters = Vec::new();
            loop {
                let name = body.string()?;
                if name.is_empty() {
                    break;
                }
                parameters.push((name, body.string()?));
            }
            Opening::Startup {
                major: (version >> 16) as u16,
                minor: (version & 0xffff) as u16,
                parameters,
            }
        }
    }))
}

/// Reads one message; `None` while bytes are missing.
pub fn decode(buffer: &mut BytesMut, limit: usize) -> Result<Option<Frontend>, FrameError> {
    if buffer.len() < 5 {
        return match buffer.first() {
            Some(kind) if !is_type(*kind) => Err(FrameError::Type(*kind)),
            _ => Ok(None),
        };
    }
    let kind = buffer[0];
    if !is_type(kind) {
        return Err(FrameError::Type(kind));
    }
    let length = i32::from_be_bytes([buffer[1], buffer[2], buffer[3], buffer[4]]);
    let Some(mut body) = cut(buffer, 1, length, limit)? else {
        return Ok(None);
    };
    let message = match kind {
        b'p' => Frontend::Password(body.rest()),
        b'Q' => Frontend::Query(body.string()?),
        b'P' => parse(&mut body)?,
        b'B' => Frontend::Bind(bind(&mut body)?),
        b'D' => Frontend::Describe(body.target()?, body.string()?),
        b'C' => Frontend::Close(body.target()?, body.string()?),
        b'E' => Frontend::Execute {
            portal: body.string()?,
            // Negative means no limit, as 0 does.
            max_rows: usize::try_from(body.i32()?).unwrap_or(0),
        },
        b'H' => Frontend::Flush,
        b'S' => Frontend::Sync,
        b'X' => Frontend::Terminate,
        b'd' => Frontend::CopyData(body.rest()),
        b'c' => Frontend::CopyDone,
        b'f' => {
            let reason = body.rest();
            let reason = reason.strip_suffix(b"\0").unwrap_or(&reason);
            Frontend::CopyFail(String::from_utf8_lossy(reason).into_owned())
        }
        _ => {
            body.rest();
            Frontend::FunctionCall
        }
    };
    body.end()?;
    Ok(Some(message))
}

fn is_type(kind: u8) -> bool {
    matches!(
        kind,
        b'p' | b'Q'
            | b'P'
            | b'B'
            | b'D'
            | b'C'
            | b'E'
            | b'H'
            | b'S'
            | b'X'
            | b'd'
            | b'c'
            | b'f'
            | b'F'
    )
}

fn parse(body: &mut Body) -> Result<Frontend, FrameError> {
    let name = body.string()?;
    let text = body.string()?;
    let count = body.count(4)?;
    let types = (0..count)
        .map(|_| body.i32().map(i32::cast_unsigned))
        .collect::<Result<_, _>>()?;
    Ok(Frontend::Parse { name, text, types })
}

fn bind(body: &mut Body) -> Result<Bind, FrameError> {
    let portal = body.string()?;
    let statement = body.string()?;
    let formats = |body: &mut Body| -> Result<Vec<i16>, FrameError> {
        let count = body.count(2)?;
        (0..count).map(|_| body.i16()).collect()
    };
    let parameter_formats = formats(body)?;
    let count = body.count(4)?;
    let mut parameters = Vec::with_capacity(count);
    for _ in 0..count {
        parameters.push(match body.i32()? {
            -1 => None,
            length => {
                Some(body.bytes(usize::try_from(length).map_err(|_| FrameError::Length(length))?)?)
            }
        });
    }
    Ok(Bind {
        portal,
        statement,
        parameter_formats,
        parameters,
        result_formats: formats(body)?,
    })
}

/// Cuts the body of a message whose length field, counted in itself, starts at `offset`.
fn cut(
    buffer: &mut BytesMut,
    offset: usize,
    length: i32,
    limit: usize,
) -> Result<Option<Body>, FrameError> {
    let size = usize::try_from(length).map_err(|_| FrameError::Length(length))?;
    if size < 4 {
        return Err(FrameError::Length(length));
    }
    if size > limit {
        return Err(FrameError::TooLong {
            length: size,
            limit,
        });
    }
    if buffer.len() < offset + size {
        return Ok(None);
    }
    let mut body = buffer.split_to(offset + size);
    body.advance(offset + 4);
    Ok(Some(Body(body.freeze())))
}

/// A cursor over one body.
struct Body(Bytes);

const SHORT: FrameError = FrameError::Body("insufficient data left in message");

impl Body {
    fn i16(&mut self) -> Result<i16, FrameError> {
        self.0.try_get_i16().map_err(|_| SHORT)
    }

    fn i32(&mut self) -> Result<i32, FrameError> {
        self.0.try_get_i32().map_err(|_| SHORT)
    }

    /// A count of elements that each take at least `element_bytes`.
    fn count(&mut self, element_bytes: usize) -> Result<usize, FrameError> {
        let count = usize::from(self.i16()?.cast_unsigned());
        if count * element_bytes > self.0.len() {
            return Err(SHORT);
        }
        Ok(count)
    }

    fn bytes(&mut self, length: usize) -> Result<Bytes, FrameError> {
        if length > self.0.len() {
            return Err(SHORT);
        }
        Ok(self.0.split_to(length))
    }

    fn string(&mut self) -> Result<String, FrameError> {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(FrameError::Body("a string is not terminated"))?;
        let text = self.0.split_to(end);
        self.0.advance(1);
        String::from_utf8(text.into()).map_err(|_| FrameError::Utf8)
    }

    fn target(&mut self) -> Result<Target, FrameError> {
        match self.0.try_get_u8().map_err(|_| SHORT)? {
            b'S' => Ok(Target::Statement),
            b'P' => Ok(Target::Portal),
            _ => Err(FrameError::Body("neither a statement nor a portal")),
        }
    }

    fn rest(&mut self) -> Bytes {
        self.0.split_to(self.0.len())
    }

    fn end(&self) -> Result<(), FrameError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(FrameError::Body("data left over at the end of a message"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, body: &[u8]) -> BytesMut {
        let mut bytes = BytesMut::new();
        bytes.extend_from_slice(&[kind]);
        bytes.extend_from_slice(&(body.len() as i32 + 4).to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn reads_a_query_and_leaves_the_next_message() {
        let mut bytes = frame(b'Q', b"select 1\0");
        bytes.extend_from_slice(&frame(b'S', b""));
        assert_eq!(
            decode(&mut bytes, 100),
            Ok(Some(Frontend::Query("select 1".into())))
        );
        assert_eq!(decode(&mut bytes, 100), Ok(Some(Frontend::Sync)));
        assert_eq!(decode(&mut bytes, 100), Ok(None));
    }

    #[test]
    fn a_count_larger_than_its_body_is_refused() {
        let mut bytes = frame(b'P', b"\0select $1\0\xff\xff");
        assert_eq!(decode(&mut bytes, 100), Err(SHORT));
        let mut bytes = frame(b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0");
        assert_eq!(decode(&mut bytes, 100), Err(SHORT));
    }

    #[test]
    fn lengths_are_refused_before_anything_is_kept() {
        let mut bytes = BytesMut::from(&b"Q\x7f\xff\xff\xff"[..]);
        assert!(matches!(
            decode(&mut bytes, MESSAGE_LIMIT_BYTES),
            Err(FrameError::TooLong { .. })
        ));
        let mut bytes = BytesMut::from(&b"Q\0\0\0\x03"[..]);
        assert_eq!(decode(&mut bytes, 100), Err(FrameError::Length(3)));
        let mut bytes = BytesMut::from(&b"\xff\xff\xff\xff\0\0"[..]);
        assert_eq!(decode_opening(&mut bytes), Err(FrameError::Length(-1)));
    }

    #[test]
    fn reads_a_startup() {
        let mut bytes = BytesMut::from(&b"\0\0\0\x14\0\x03\0\0user\0alice\0\0"[..]);
        assert_eq!(
            decode_opening(&mut bytes),
            Ok(Some(Opening::Startup {
                major: 3,
                minor: 0,
                parameters: vec![("user".into(), "alice".into())],
            }))
        );
    }

    proptest! {
        #[test]
        fn garbage_never_panics(data: Vec<u8>) {
            let mut bytes = BytesMut::from(&data[..]);
            while let Ok(Some(_)) = decode(&mut bytes, 1000) {}
            let _ = decode_opening(&mut BytesMut::from(&data[..]));
        }

        #[test]
        fn any_body_of_any_type_never_panics(kind in prop::sample::select(b"pQPBDCEHSXdcfF".to_vec()), body: Vec<u8>) {
            let mut bytes = frame(kind, &body);
            let _ = decode(&mut bytes, 100_000);
            // Framed input is consumed whole or refused, never half read.
            prop_assert!(bytes.is_empty());
        }
    }
}
