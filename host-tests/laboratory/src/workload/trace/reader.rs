//! From CSV to arrivals.

use std::io::{BufRead as _, BufReader, Read};
use std::time::Duration;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::{Arrival, Class, Format, Problem, Timing, Trace, TraceError, conversations, mooncake};

const TOKENS: &str = "a whole number of tokens";

/// A header that was understood.
struct Header<'a> {
    file: &'a str,
    format: Format,
    time: usize,
    prompt: usize,
    output: usize,
    class: Option<usize>,
    names: StringRecord,
}

/// A row, and which line it is.
struct Row<'a> {
    header: &'a Header<'a>,
    record: &'a StringRecord,
    line: u64,
}

pub(super) fn read(reader: impl Read, file: &str, class: Class) -> Result<Trace, TraceError> {
    let mut reader = BufReader::new(reader);
    let begin = reader.fill_buf().map_err(|error| TraceError::file(file, Problem::Unreadable(error.to_string())))?;
    if begin.starts_with(b"{") {
        return mooncake::read(reader, file, class);
    }
    let mut rows = ReaderBuilder::new().trim(Trim::All).from_reader(reader);
    let names = rows.headers().map_err(|error| malformed(file, &error))?.clone();
    if conversations::is_header(&names) {
        return conversations::read(&mut rows, file, class);
    }
    let header = Header::new(file, names)?;
    let (mut starts_at_ns, mut latest_ns) = (None, i64::MIN);
    let (mut arrivals, mut left_out) = (Vec::new(), 0);
    for record in rows.records() {
        let record = record.map_err(|error| malformed(file, &error))?;
        let row = Row { header: &header, record: &record, line: record.position().map_or(1, csv::Position::line) };
        let at_ns = row.time_ns(latest_ns)?;
        latest_ns = at_ns;
        let (prompt_tokens, output_tokens) = (row.tokens(header.prompt)?, row.tokens(header.output)?);
        let class = row.class()?.unwrap_or(class);
        if output_tokens == 0 && header.format.records_failures() {
            left_out += 1;
            continue;
        }
        let at = Duration::from_nanos(at_ns.abs_diff(*starts_at_ns.get_or_insert(at_ns)));
        arrivals.push(Arrival { at, class, prompt_tokens, content: None, output_tokens });
    }
    let starts_at_ns = starts_at_ns.ok_or_else(|| TraceError::file(file, Problem::Empty))?;
    Ok(Trace { timing: Timing::Recorded(starts_at_ns), arrivals, left_out })
}

/// The error of a row, with its line.
pub(super) fn malformed(file: &str, error: &csv::Error) -> TraceError {
    let line = error.position().map_or(1, csv::Position::line);
    let problem = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Problem::Malformed(format!("{len} fields where the header has {expected_len}"))
        }
        csv::ErrorKind::Deserialize { err, .. } => Problem::Malformed(err.to_string()),
        csv::ErrorKind::Utf8 { .. } => Problem::Malformed("not UTF-8".to_owned()),
        _ => Problem::Unreadable(error.to_string()),
    };
    TraceError { line, ..TraceError::file(file, problem) }
}

// === impl Header ===

impl<'a> Header<'a> {
    fn new(file: &'a str, names: StringRecord) -> Result<Self, TraceError> {
        if names.iter().all(str::is_empty) {
            return Err(TraceError::file(file, Problem::Empty));
        }
        let format = Format::of_header(&names).ok_or_else(|| TraceError::file(file, Problem::UnknownHeader))?;
        let columns = format.columns();
        let place = |name: &str| names.iter().position(|column| column == name);
        let needed = |name: &str| {
            let problem = || Problem::MissingColumn(columns.names().join(","));
            let missing = || TraceError { column: Some(name.to_owned()), ..TraceError::file(file, problem()) };
            place(name).ok_or_else(missing)
        };
        let (time, prompt, output) = (needed(columns.time)?, needed(columns.prompt)?, needed(columns.output)?);
        let class = format.class_column().and_then(place);
        Ok(Self { file, format, time, prompt, output, class, names })
    }
}

// === impl Row ===

impl Row<'_> {
    fn field(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default()
    }

    fn error(&self, column: usize, problem: Problem) -> TraceError {
        let name = self.header.names.get(column).unwrap_or_default().to_owned();
        TraceError { file: self.header.file.to_owned(), line: self.line, column: Some(name), problem }
    }

    fn not_valid(&self, column: usize, expected: &'static str) -> TraceError {
        self.error(column, Problem::NotValid { value: self.field(column).to_owned(), expected })
    }

    fn time_ns(&self, latest_ns: i64) -> Result<i64, TraceError> {
        let (column, format) = (self.header.time, self.header.format);
        let at_ns = format.nanoseconds(self.field(column));
        let at_ns = at_ns.ok_or_else(|| self.not_valid(column, format.expected_time()))?;
        if at_ns < latest_ns {
            return Err(self.error(column, Problem::Unsorted(self.field(column).to_owned())));
        }
        Ok(at_ns)
    }

    fn tokens(&self, column: usize) -> Result<u32, TraceError> {
        let count: i64 = self.field(column).parse().map_err(|_| self.not_valid(column, TOKENS))?;
        if count < 0 {
            return Err(self.error(column, Problem::Negative(count)));
        }
        count.try_into().map_err(|_| self.not_valid(column, TOKENS))
    }

    /// `None` where the row does not tell.
    fn class(&self) -> Result<Option<Class>, TraceError> {
        let Some(column) = self.header.class else { return Ok(None) };
        let name = self.field(column);
        let known = Class::ALL.into_iter().find(|class| class.name() == name);
        if known.is_none() && !name.is_empty() {
            return Err(self.not_valid(column, "chat, text-to-sql, code or document"));
        }
        Ok(known)
    }
}
