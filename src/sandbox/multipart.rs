//! A `multipart/form-data` body, taken apart as it comes in (RFC 7578), with the habits of the
//! upload module that the platform's upload host is taken to run.
//!
//! Pure: bytes in, events out. At most one boundary's length of bytes is held back.

use bytes::{Bytes, BytesMut};

/// What came out of the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The part `file` begins; the file name that it has, without a path.
    Begins(String),
    /// Bytes of the part `file`.
    Bytes(Bytes),
    /// The part `file` is whole.
    Ends,
}

/// The body does not follow the form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// The parser of one body.
pub(super) struct Parser {
    delimiter: Vec<u8>,
    buffer: BytesMut,
    state: State,
    header: Header,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first boundary, or in a part that is not used.
    Skipping,
    AfterBoundary,
    Headers,
    File,
    End,
}

/// What the headers of the part said so far.
#[derive(Default)]
struct Header {
    name: Option<String>,
    file_name: Option<String>,
}

impl Parser {
    /// A parser for a body with that `Content-Type`; `None` where it names no usable boundary.
    pub(super) fn new(content_type: &str) -> Option<Self> {
        let boundary = content_type
            .split(';')
            .skip(1)
            .filter_map(|parameter| parameter.trim().split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))
            .map(|(_, value)| value.trim_matches('"'))
            .filter(|boundary| (1..=70).contains(&boundary.len()))?;
        Some(Self {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            // The first boundary has no line before it.
            buffer: BytesMut::from(&b"\r\n"[..]),
            state: State::Skipping,
            header: Header::default(),
        })
    }

    /// Takes bytes in and adds what came out to `events`.
    pub(super) fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>) -> Result<(), Malformed> {
        self.buffer.extend_from_slice(chunk);
        while self.step(events)? {}
        Ok(())
    }

    /// The body is over; it must have ended with the last boundary.
    pub(super) fn finish(&self) -> Result<(), Malformed> {
        match self.state {
            State::End => Ok(()),
            _ => Err(Malformed("the form ends before its last boundary")),
        }
    }

    /// One step; `false` where more bytes are needed.
    fn step(&mut self, events: &mut Vec<Event>) -> Result<bool, Malformed> {
        match self.state {
            State::Skipping => Ok(self.up_to_boundary(|_| {})),
            State::File => {
                let mut piece = None;
                let over = self.up_to_boundary(|bytes| piece = Some(bytes));
                events.extend(piece.filter(|bytes| !bytes.is_empty()).map(Event::Bytes));
                events.extend(over.then_some(Event::Ends));
                Ok(over)
            }
            State::AfterBoundary => self.after_boundary(),
            State::Headers => self.header_line(events),
            State::End => {
                self.buffer.clear();
                Ok(false)
            }
        }
    }

    /// Hands out what surely is before the boundary; `true` when the boundary was reached.
    fn up_to_boundary(&mut self, out: impl FnOnce(Bytes)) -> bool {
        if let Some(at) = find(&self.buffer, &self.delimiter) {
            out(self.buffer.split_to(at).freeze());
            drop(self.buffer.split_to(self.delimiter.len()));
            self.state = State::AfterBoundary;
            return true;
        }
        let sure = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
        out(self.buffer.split_to(sure).freeze());
        false
    }

    fn after_boundary(&mut self) -> Result<bool, Malformed> {
        match self.buffer.first_chunk::<2>() {
            None => return Ok(false),
            Some(b"--") => self.state = State::End,
            Some(b"\r\n") => self.state = State::Headers,
            Some(_) => return Err(Malformed("a boundary is not followed by a line's end")),
        }
        drop(self.buffer.split_to(2));
        self.header = Header::default();
        Ok(true)
    }

    fn header_line(&mut self, events: &mut Vec<Event>) -> Result<bool, Malformed> {
        let end = find(&self.buffer, b"\r\n");
        if end.unwrap_or(self.buffer.len()) > HEADER_LIMIT {
            return Err(Malformed("a header of a part is longer than 512 bytes"));
        }
        let Some(end) = end else { return Ok(false) };
        let line = self.buffer.split_to(end);
        drop(self.buffer.split_to(2));
        if !line.is_empty() {
            self.header.read(&String::from_utf8_lossy(&line))?;
            return Ok(true);
        }
        let header = std::mem::take(&mut self.header);
        self.state = match (header.name.as_deref(), header.file_name) {
            (Some("file"), Some(name)) => {
                events.push(Event::Begins(name));
                State::File
            }
            _ => State::Skipping,
        };
        Ok(true)
    }
}

impl Header {
    fn read(&mut self, line: &str) -> Result<(), Malformed> {
        let Some((name, value)) = line.split_once(':') else {
            return Err(Malformed("a header of a part has no colon"));
        };
        if !name.eq_ignore_ascii_case("content-disposition") {
            return Ok(());
        }
        let value = value.trim_start();
        if !value.starts_with("form-data") {
            return Err(Malformed("a part is not form-data"));
        }
        self.name = quoted(value, " name=\"")?;
        self.file_name = file_name(value)?;
        Ok(())
    }
}

/// The file name in a `Content-Disposition`, without a path.
pub(super) fn file_name(value: &str) -> Result<Option<String>, Malformed> {
    let name = quoted(value, "filename=\"")?;
    Ok(name.map(|name| {
        name.rsplit(['/', '\\'])
            .next()
            .unwrap_or_default()
            .to_owned()
    }))
}

/// The text between the opening and the next quotation ingest id: a backslash does not escape one.
fn quoted(value: &str, opening: &str) -> Result<Option<String>, Malformed> {
    let Some((_, rest)) = value.split_once(opening) else {
        return Ok(None);
    };
    match rest.split_once('"') {
        Some((text, _)) => Ok(Some(text.to_owned())),
        None => Err(Malformed("a quotation mark is never closed")),
    }
}

/// Where `needle` begins. It always begins with a carriage return, which is rare in video.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(rest) = haystack.get(from..) {
        let at = from + rest.iter().position(|byte| *byte == b'\r')?;
        if haystack
            .get(at..)
            .is_some_and(|tail| tail.starts_with(needle))
        {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// The module's default for one header of a part, in bytes.
const HEADER_LIMIT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"XX\"";

    /// Name, bytes and whether it ended, with the body fed in pieces of that size.
    fn parse(body: &[u8], piece: usize) -> Result<(Vec<String>, Vec<u8>, usize), Malformed> {
        let mut parser = Parser::new(TYPE).unwrap();
        let mut events = Vec::new();
        for chunk in body.chunks(piece) {
            parser.feed(chunk, &mut events)?;
        }
        parser.finish()?;
        let (mut names, mut bytes, mut ends) = (Vec::new(), Vec::new(), 0);
        for event in events {
            match event {
                Event::Begins(name) => names.push(name),
                Event::Bytes(part) => bytes.extend(part),
                Event::Ends => ends += 1,
            }
        }
        Ok((names, bytes, ends))
    }

    fn form(disposition: &str, content: &[u8]) -> Vec<u8> {
        [
            b"--XX\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nskip me\r\n--XX\r\n",
            disposition.as_bytes(),
            b"\r\nContent-Type: video/mp4\r\n\r\n",
            content,
            b"\r\n--XX--\r\n",
        ]
        .concat()
    }

    const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"a.mp4\"";

    #[test]
    fn the_file_comes_out_however_the_body_is_cut() {
        for content in [
            &b""[..],
            b"x",
            b"\r\n--X",
            b"\r\n--XY\r\r\n",
            b"--XX\r\n--xX--",
            &[13; 40],
        ] {
            let body = form(FILE, content);
            for piece in 1..=body.len() {
                let (names, bytes, ends) = parse(&body, piece).unwrap();
                assert_eq!((names, ends), (vec!["a.mp4".to_owned()], 1));
                assert_eq!(bytes, content, "in pieces of {piece}");
            }
        }
    }

    #[test]
    fn only_the_field_file_with_a_file_name_counts() {
        for disposition in [
            "Content-Disposition: form-data; name=\"upload\"; filename=\"a.mp4\"",
            "Content-Disposition: form-data; name=\"file\"",
        ] {
            assert_eq!(
                parse(&form(disposition, b"x"), 7).unwrap(),
                (vec![], vec![], 0)
            );
        }
    }

    #[test]
    fn file_names_lose_their_path_and_end_at_the_first_quotation_mark() {
        for (given, expected) in [
            (r"C:\videos\a.mp4", "a.mp4"),
            ("a/b.mp4", "b.mp4"),
            ("a\\\"b", ""),
        ] {
            let line =
                format!("Content-Disposition: form-data; name=\"file\"; filename=\"{given}\"");
            assert_eq!(parse(&form(&line, b"x"), 64).unwrap().0, [expected]);
        }
    }

    #[test]
    fn a_broken_form_is_refused() {
        let whole = form(FILE, b"content");
        for cut in 0..whole.len() - 4 {
            assert!(parse(&whole[..cut], 16).is_err(), "cut at {cut}");
        }
        let long = format!(
            "Content-Disposition: form-data; name=\"file\"; filename=\"{}\"",
            "n".repeat(512)
        );
        assert!(parse(&form(&long, b""), 64).is_err());
        assert!(
            parse(
                &form("Content-Disposition: attachment; name=\"file\"", b""),
                64
            )
            .is_err()
        );
        assert!(parse(&form("Content-Disposition: form-data; name=\"fi", b""), 64).is_err());
        assert!(parse(&form("no colon", b""), 64).is_err());
        assert!(parse(b"--XX nonsense\r\n", 64).is_err());
    }

    #[test]
    fn a_boundary_is_needed() {
        assert!(Parser::new("multipart/form-data").is_none());
        assert!(Parser::new("multipart/form-data; boundary=").is_none());
        assert!(Parser::new("multipart/form-data; charset=utf-8; Boundary=x").is_some());
    }
}
