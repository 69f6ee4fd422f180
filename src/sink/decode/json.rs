//! A pull reader of one JSON text, strict to RFC 8259.
//!
//! Why not a crate's deserializer: here number texts stay texts (decimals exact, never through
//! a float), undeclared values are slices of the input, kept verbatim, and one limit of depth and
//! one rule for surrogates hold for declared and undeclared values alike. A property test holds
//! it against `serde_json` on arbitrary input. Must never panic, nor recurse deeper than
//! [`MAX_DEPTH`].

use super::failure::{Failure, Result};

/// Objects and arrays inside each other.
pub(super) const MAX_DEPTH: u32 = 128;

pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    /// The last string with escapes, without them.
    scratch: String,
}

/// A string in the input, quotes included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Quoted<'a> {
    /// As it stands in the input, with its quotes.
    pub(super) fn raw(self) -> &'a str {
        self.raw
    }

    fn inner(self) -> &'a str {
        &self.raw[1..self.raw.len() - 1]
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            scratch: String::new(),
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[cold]
    fn wrong(&self, what: &str) -> Failure {
        match self.byte() {
            None => Failure::new(format!("not JSON: {what} expected, but the payload ends")),
            Some(_) => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let found = rest.chars().next().unwrap_or('?');
                Failure::new(format!(
                    "not JSON: {what} expected at byte {}, found {found:?}",
                    self.at
                ))
            }
        }
    }

    /// The next byte that is no white space; not consumed.
    pub(super) fn peek(&mut self) -> Result<u8> {
        self.skip_space();
        self.byte().ok_or_else(|| self.wrong("a value"))
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.byte() {
            self.at += 1;
        }
    }

    /// Nothing may follow the value.
    pub(super) fn end(&mut self) -> Result<()> {
        self.skip_space();
        match self.byte() {
            None => Ok(()),
            Some(_) => Err(Failure::new(format!(
                "not JSON: something follows the object at byte {}",
                self.at
            ))),
        }
    }

    /// Consumes the `{` or `[` that [`Self::peek`] showed.
    pub(super) fn open(&mut self) -> Result<()> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Failure::new(format!(
                "nested deeper than {MAX_DEPTH} at byte {}",
                self.at - 1
            )));
        }
        Ok(())
    }

    /// The next key of the object, its colon consumed; None at the object's end.
    pub(super) fn next_member(&mut self, first: bool) -> Result<Option<Quoted<'a>>> {
        self.skip_space();
        match self.byte() {
            Some(b'}') => {
                self.close();
                return Ok(None);
            }
            Some(b',') if !first => {
                self.at += 1;
                self.skip_space();
            }
            _ if !first => return Err(self.wrong("',' or '}'")),
            _ => {}
        }
        if self.byte() != Some(b'"') {
            return Err(self.wrong("a key in quotes"));
        }
        let key = self.string()?;
        self.skip_space();
        if self.byte() != Some(b':') {
            return Err(self.wrong("':'"));
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether the array has another element, which then comes next.
    pub(super) fn next_element(&mut self, first: bool) -> Result<bool> {
        self.skip_space();
        match self.byte() {
            Some(b']') => {
                self.close();
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                Ok(true)
            }
            _ if first => Ok(true),
            _ => Err(self.wrong("',' or ']'")),
        }
    }

    fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }

    /// Consumes the string whose quote [`Self::peek`] showed. Escapes are checked in
    /// [`Self::text_of`].
    pub(super) fn string(&mut self) -> Result<Quoted<'a>> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        let mut escaped = false;
        loop {
            at += plain_prefix(&bytes[at..]);
            match bytes.get(at) {
                None => {
                    return Err(Failure::new(format!(
                        "not JSON: the string at byte {start} has no end"
                    )));
                }
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    // Whatever is escaped is one byte, but for \u, whose digits are plain.
                    at = (at + 2).min(bytes.len());
                }
                Some(_) => {
                    return Err(Failure::new(format!(
                        "not JSON: a control character at byte {at} stands unescaped in a string"
                    )));
                }
            }
        }
        self.at = at + 1;
        let raw = self.text.get(start..self.at).ok_or_else(|| {
            Failure::new(format!(
                "not JSON: an unknown escape in the string at byte {start}"
            ))
        })?;
        Ok(Quoted { raw, escaped })
    }

    /// The string without quotes and escapes.
    pub(super) fn text_of(&mut self, quoted: Quoted<'a>) -> Result<&str> {
        if quoted.escaped {
            self.scratch.clear();
            unescape(quoted.inner(), &mut self.scratch)?;
            Ok(&self.scratch)
        } else {
            Ok(quoted.inner())
        }
    }

    /// Consumes a number and gives its text.
    pub(super) fn number(&mut self) -> Result<&'a str> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.wrong("a value")),
        }
        if let Some(b'0'..=b'9') = self.byte() {
            return Err(self.wrong("no digit after a leading zero"));
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn some_digits(&mut self) -> Result<()> {
        match self.byte() {
            Some(b'0'..=b'9') => {
                self.digits();
                Ok(())
            }
            _ => Err(self.wrong("a digit")),
        }
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
    }

    /// Consumes `null`, `true` or `false`, whose first letter [`Self::peek`] showed.
    pub(super) fn literal(&mut self, word: &'static str) -> Result<()> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.wrong("a value"))
        }
    }

    /// Consumes any value, checks it whole, and gives its text as it stands.
    pub(super) fn skip(&mut self) -> Result<&'a str> {
        self.skip_space();
        let start = self.at;
        self.check_value()?;
        Ok(&self.text[start..self.at])
    }

    fn check_value(&mut self) -> Result<()> {
        match self.peek()? {
            b'"' => {
                let text = self.string()?;
                self.text_of(text)?;
            }
            b'{' => {
                self.open()?;
                let mut first = true;
                while let Some(key) = self.next_member(first)? {
                    self.text_of(key)?;
                    self.check_value()?;
                    first = false;
                }
            }
            b'[' => {
                self.open()?;
                let mut first = true;
                while self.next_element(first)? {
                    self.check_value()?;
                    first = false;
                }
            }
            b't' => self.literal("true")?,
            b'f' => self.literal("false")?,
            b'n' => self.literal("null")?,
            _ => {
                self.number()?;
            }
        }
        Ok(())
    }
}

/// How many bytes come before the first quote, backslash or control character.
fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let mut at = 0;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().expect("chunks are of 8 bytes"));
        // The lowest set bit of each term is exact (a borrow only reaches bytes above a match),
        // and only the lowest is used.
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = word ^ (ONES * u64::from(b'"'));
        let slash = word ^ (ONES * u64::from(b'\\'));
        let quote = quote.wrapping_sub(ONES) & !quote;
        let slash = slash.wrapping_sub(ONES) & !slash;
        let found = (control | quote | slash) & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let stops = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    let tail = chunks.remainder();
    at + tail.iter().position(stops).unwrap_or(tail.len())
}

fn unescape(inner: &str, into: &mut String) -> Result<()> {
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        into.push_str(&rest[..at]);
        let escape = rest.as_bytes().get(at + 1).copied();
        rest = rest.get(at + 2..).unwrap_or_default();
        let plain = match escape {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let (c, after) = unescape_unicode(rest)?;
                rest = after;
                c
            }
            _ => return Err(Failure::new("not JSON: an unknown escape in a string")),
        };
        into.push(plain);
    }
    into.push_str(rest);
    Ok(())
}

/// `rest` begins behind `\u`.
fn unescape_unicode(rest: &str) -> Result<(char, &str)> {
    let lone = || Failure::new("a lone surrogate in a string, which no UTF-8 text can hold");
    let (first, rest) = hex4(rest)?;
    if !(0xD800..0xE000).contains(&first) {
        let c = char::from_u32(first).ok_or_else(lone)?;
        return Ok((c, rest));
    }
    let after = rest.strip_prefix("\\u").ok_or_else(lone)?;
    let (second, rest) = hex4(after)?;
    if first >= 0xDC00 || !(0xDC00..0xE000).contains(&second) {
        return Err(lone());
    }
    let c = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    Ok((char::from_u32(c).ok_or_else(lone)?, rest))
}

fn hex4(text: &str) -> Result<(u32, &str)> {
    let digits = text
        .get(..4)
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    match digits.map(|digits| u32::from_str_radix(digits, 16)) {
        Some(Ok(value)) => Ok((value, &text[4..])),
        _ => Err(Failure::new("not JSON: \\u wants four hex digits")),
    }
}
