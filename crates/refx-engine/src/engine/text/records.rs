//! Where the records of a text file begin and end.
//!
//! A line break inside of quotes is a part of a value. Whether a place is inside of quotes only what
//! comes before it says, so a file is cut at ends of records, in the order of the file, and its pieces
//! are read side by side.

/// How a text file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Grammar {
    Csv(Dialect),
    /// One object after another, mostly one a line.
    Json,
}

/// The signs of a CSV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) escape: Option<u8>,
    pub(super) comment: Option<u8>,
    pub(super) header: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between records.
    Between,
    /// At the first sign of a value.
    Value,
    /// In a value, or after its quotes.
    Inside,
    Quoted,
    /// After the sign that takes the meaning of the next one.
    Escaped,
    /// After a quote in quotes: the end of the value, or half of a doubled one.
    Quote,
    Comment,
}

/// Follows a file from its first byte on.
#[derive(Clone, Debug)]
pub(super) struct Records {
    grammar: Grammar,
    state: State,
    /// Objects and lists of JSON that are open.
    depth: usize,
    lines: Lines,
    /// The line on which the record that is open begins.
    begun: u64,
}

/// Counts lines, whichever way they end.
#[derive(Clone, Copy, Debug)]
struct Lines {
    /// One-based.
    line: u64,
    /// `\n` after it is the same line's end.
    carriage: bool,
}

impl Lines {
    fn see(&mut self, byte: u8) {
        match byte {
            b'\n' if self.carriage => self.carriage = false,
            b'\n' => self.line += 1,
            b'\r' => {
                self.line += 1;
                self.carriage = true;
            }
            _ => self.carriage = false,
        }
    }
}

impl Records {
    pub(super) fn new(grammar: Grammar) -> Records {
        Records {
            grammar,
            state: State::Between,
            depth: 0,
            lines: Lines {
                line: 1,
                carriage: false,
            },
            begun: 1,
        }
    }

    /// Goes on through the next bytes of the file: where in them the last whole record ends.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut end = None;
        for (at, byte) in bytes.iter().enumerate() {
            let before = self.state;
            self.step(*byte);
            if before == State::Between && self.state != State::Between {
                self.begun = self.lines.line;
            }
            self.lines.see(*byte);
            if before != State::Between && before != State::Comment && self.state == State::Between
            {
                end = Some(at + 1);
            }
        }
        end
    }

    /// The line on which a value begins that no quote ends.
    pub(super) fn unclosed(&self) -> Option<u64> {
        let open = matches!(self.state, State::Quoted | State::Escaped);
        (open && matches!(self.grammar, Grammar::Csv(_))).then_some(self.begun)
    }

    /// The line on which the open record begins.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// The states of the `csv` crate's own reader, which reads the pieces.
    fn step(&mut self, byte: u8) {
        let Grammar::Csv(dialect) = self.grammar else {
            return self.step_json(byte);
        };
        let ends = byte == b'\n' || byte == b'\r';
        self.state = match self.state {
            State::Between if ends => State::Between,
            State::Between if dialect.comment == Some(byte) => State::Comment,
            State::Comment if byte == b'\n' => State::Between,
            State::Comment => State::Comment,
            State::Escaped => State::Quoted,
            State::Quoted if byte == dialect.quote => State::Quote,
            State::Quoted if dialect.escape == Some(byte) => State::Escaped,
            State::Quoted => State::Quoted,
            State::Between | State::Value | State::Quote if byte == dialect.quote => State::Quoted,
            _ if byte == dialect.delimiter => State::Value,
            _ if ends => State::Between,
            _ => State::Inside,
        };
    }

    fn step_json(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Escaped, _) => State::Quoted,
            (State::Quoted, b'\\') => State::Escaped,
            (State::Quoted, b'"') => State::Inside,
            (State::Quoted, _) => State::Quoted,
            (_, b'"') => State::Quoted,
            (State::Between, b' ' | b'\t' | b'\r' | b'\n') => State::Between,
            (_, b'{' | b'[') => {
                self.depth += 1;
                State::Inside
            }
            (_, b'}' | b']') if self.depth > 0 => {
                self.depth -= 1;
                State::Inside
            }
            (_, b'\n') if self.depth == 0 => State::Between,
            _ => State::Inside,
        };
    }
}

/// Where each record of a piece begins.
pub(super) fn starts(grammar: Grammar, bytes: &[u8]) -> Vec<usize> {
    let mut records = Records::new(grammar);
    let mut starts = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        let before = records.state;
        records.step(*byte);
        let begins =
            before == State::Between && !matches!(records.state, State::Between | State::Comment);
        if begins {
            starts.push(at);
        }
    }
    starts
}

/// How many lines end in the bytes.
pub(super) fn lines_in(bytes: &[u8]) -> u64 {
    let mut lines = Lines {
        line: 0,
        carriage: false,
    };
    for byte in bytes {
        lines.see(*byte);
    }
    lines.line
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn read(dialect: Dialect, bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .quote(dialect.quote)
            .escape(dialect.escape)
            .comment(dialect.comment)
            .from_reader(bytes);
        let records = reader.byte_records().map(|record| record.expect("memory"));
        let values = records.map(|record| record.iter().map(<[u8]>::to_vec).collect());
        values.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Wherever a file is cut, its pieces have the records of the whole.
        #[test]
        fn pieces_have_the_records_of_the_whole(
            signs in vec(prop::sample::select(b"\"',\n\r\\#ab\n\"".as_slice()), 0..40),
            read_at_once in 1_usize..8,
            escape in prop::option::of(Just(b'\\')),
            comment in prop::option::of(Just(b'#')),
        ) {
            let dialect = Dialect { delimiter: b',', quote: b'"', escape, comment, header: false };
            let mut records = Records::new(Grammar::Csv(dialect));
            let (mut pieces, mut held, mut end) = (Vec::new(), Vec::new(), 0);
            for part in signs.chunks(read_at_once) {
                let before = held.len();
                held.extend_from_slice(part);
                if let Some(at) = records.follow(part) {
                    end = before + at;
                }
                if end > 0 {
                    let rest = held.split_off(end);
                    pieces.push(std::mem::replace(&mut held, rest));
                    end = 0;
                }
            }
            pieces.push(held);
            let parts: Vec<_> = pieces.iter().flat_map(|piece| read(dialect, piece)).collect();
            prop_assert_eq!(parts, read(dialect, &signs));
        }
    }

    #[test]
    fn lines_end_in_three_ways() {
        assert_eq!(lines_in(b"a\nb\r\nc\rd"), 3);
        assert_eq!(lines_in(b"\n\r\n\r"), 3);
    }

    #[test]
    fn an_open_quote_is_told_with_its_line() {
        let dialect = Dialect {
            delimiter: b',',
            quote: b'"',
            escape: None,
            comment: None,
            header: true,
        };
        let mut records = Records::new(Grammar::Csv(dialect));
        assert_eq!(records.follow(b"a,b\n1,\"x\ny\"\n2,\"z\n"), Some(12));
        assert_eq!(records.unclosed(), Some(4));
    }

    #[test]
    fn objects_may_span_lines() {
        let text = b"{\"a\": \"}\\\"\n\"}\n\n{\n \"b\": [1,\n 2]}\n";
        assert_eq!(starts(Grammar::Json, text), [0, 15]);
    }
}
