//! A measurements file: JSON Lines, a header and then a point a line, each on disk as soon as it is measured.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Point;

/// The version that this tool writes.
const VERSION: u32 = 1;

/// The first line: what was measured, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the format.
    pub slo_profile_measurements: u32,
    /// The deployment, `namespace/name` or a bare name.
    pub deployment: String,
    /// The model's name, as requests give it; empty if not known.
    #[serde(default)]
    pub model: String,
    /// Origin of the points.
    pub source: Source,
}

/// Origin of points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Measured on a server by this tool.
    Measured {
        /// The endpoint.
        url: String,
        /// Seed of arrivals and prompts.
        seed: u64,
        /// Prompt tokens that all prompts began with alike; 0 for distinct prompts.
        shared_prefix_tokens: u32,
    },
    /// Taken from results of another tool.
    Imported {
        /// The tool.
        from: String,
    },
}

/// A whole file.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurements {
    /// Measured points.
    pub header: Header,
    /// The points, in the order in which they were measured.
    pub points: Vec<Point>,
}

/// Adds points to a file.
#[derive(Debug)]
pub struct Appender {
    file: File,
}

/// Reason for which a measurements file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read or written.
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        reason: io::Error,
    },
    /// A line is not what it should be.
    #[error("{path}, line {line}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Its fault.
        reason: String,
    },
}

// === impl Header ===

impl Header {
    /// Of the current version.
    pub fn new(deployment: &str, model: &str, source: Source) -> Self {
        let (deployment, model) = (deployment.to_owned(), model.to_owned());
        Self { slo_profile_measurements: VERSION, deployment, model, source }
    }
}

// === impl Measurements ===

impl Measurements {
    /// Reads a file. A last line without its end, as a power cut leaves it, counts as not there.
    ///
    /// # Errors
    ///
    /// What cannot be read; a first line that is no header of this version; a line that is no point, by its number.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read_to_string(path).map_err(|reason| FileError::Io { path: path.into(), reason })?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut lines = whole.lines().enumerate();
        let error = |line, reason| FileError::Line { path: path.into(), line, reason };
        let first = lines.next().map_or("", |(_, line)| line);
        let header: Header = serde_json::from_str(first)
            .map_err(|reason| error(1, format!("not the header of a measurements file: {reason}")))?;
        if header.slo_profile_measurements != VERSION {
            let found = header.slo_profile_measurements;
            return Err(error(1, format!("version {found} of the format, expected {VERSION}")));
        }
        let point =
            |(index, line)| serde_json::from_str(line).map_err(|e: serde_json::Error| error(index + 1, e.to_string()));
        let points = lines.map(point).collect::<Result<_, _>>()?;
        Ok(Self { header, points })
    }

    /// Writes all of it anew.
    ///
    /// # Errors
    ///
    /// What the file system refuses.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        let mut appender = Appender::create(path, &self.header)?;
        self.points
            .iter()
            .try_for_each(|point| appender.append(point))
            .map_err(|reason| FileError::Io { path: path.into(), reason })
    }
}

// === impl Appender ===

impl Appender {
    /// A new file, or an old one emptied.
    ///
    /// # Errors
    ///
    /// What the file system refuses.
    pub fn create(path: &Path, header: &Header) -> Result<Self, FileError> {
        let create = || {
            let mut appender = Self { file: File::create(path)? };
            appender.line(header)?;
            Ok(appender)
        };
        create().map_err(|reason| FileError::Io { path: path.into(), reason })
    }

    /// A file that [`Measurements::load`] read; what a power cut left behind its last whole line is cut off.
    ///
    /// # Errors
    ///
    /// What the file system refuses.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let open = || {
            let whole = std::fs::read(path)?.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let file = OpenOptions::new().append(true).open(path)?;
            file.set_len(whole as u64)?;
            Ok(Self { file })
        };
        open().map_err(|reason| FileError::Io { path: path.into(), reason })
    }

    /// Adds a point; it is on disk when this returns.
    ///
    /// # Errors
    ///
    /// What the file system refuses.
    pub fn append(&mut self, point: &Point) -> io::Result<()> {
        self.line(point)?;
        self.file.sync_data()
    }

    fn line<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}
