//! The model that a request names whose body is not read as one of an inference API: in a form, or
//! anywhere at the top of a JSON document.

use super::scan::{Key, ScanSink, Scanner, Value};

/// The longest name that is read.
const NAME_BYTES: usize = 256;
/// The longest head of a part that is read.
const HEAD_BYTES: usize = 8 * 1024;
/// The longest boundary; RFC 2046 allows 70 bytes.
const BOUNDARY_BYTES: usize = 200;

/// Format of a body that names a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamingBody {
    /// JSON.
    Json,
    /// A form of parts, with this between them.
    Form {
        /// `--` and the boundary.
        delimiter: Vec<u8>,
    },
}

/// State of the search for a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Named {
    /// It.
    Model(String),
    /// Nothing yet; more of the body may tell.
    #[default]
    NotYet,
    /// There is none.
    Nothing,
}

/// Looks for the name while the body comes.
#[derive(Debug)]
pub struct NameReader {
    body: NamingBody,
    scanner: Scanner,
    named: Named,
    steps: u64,
}

/// Takes the name at the top of a document.
struct Top<'a>(&'a mut Named);

// === impl NamingBody ===

impl NamingBody {
    /// By a request's `content-type`; `None` for what names no model.
    pub fn of(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/json") { Some(Self::Json) } else { Self::of_form(content_type) }
    }

    /// By the `content-type` of a form; `None` for any other.
    pub fn of_form(content_type: &str) -> Option<Self> {
        let (kind, parameters) = content_type.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
        })?;
        let is_one = (1..=BOUNDARY_BYTES).contains(&boundary.len());
        is_one.then(|| Self::Form { delimiter: format!("--{boundary}").into_bytes() })
    }
}

// === impl NameReader ===

impl NameReader {
    /// Of a body that is written so.
    pub fn new(body: NamingBody) -> Self {
        Self { body, scanner: Scanner::default(), named: Named::NotYet, steps: 0 }
    }

    /// Takes what comes next; returns how many bytes of it were read. The others are to be given
    /// again with what follows them.
    pub fn feed(&mut self, piece: &[u8]) -> usize {
        match &self.body {
            _ if self.named != Named::NotYet => piece.len(),
            NamingBody::Json => {
                self.scanner.feed(piece, &mut Top(&mut self.named));
                if self.named == Named::NotYet && self.scanner.has_ended() {
                    self.named = Named::Nothing;
                }
                piece.len()
            }
            NamingBody::Form { delimiter } => {
                let (read, named) = in_form(piece, delimiter, &mut self.steps);
                self.named = named;
                read
            }
        }
    }

    /// The findings so far.
    pub fn named(&self) -> &Named {
        &self.named
    }

    /// The steps that looking through a form took so far, beside what was passed over.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// True if it looks for the name in a form, of which it reads little.
    pub fn is_form(&self) -> bool {
        matches!(self.body, NamingBody::Form { .. })
    }
}

// === impl Top ===

impl ScanSink for Top<'_> {
    fn open(&mut self, path: &[Key], is_object: bool) -> bool {
        path.is_empty() && is_object
    }

    fn scalar(&mut self, path: &[Key], value: Value<'_>) {
        if let ([Key::Model], Value::Text(name)) = (path, value) {
            let quoted = [b"\"", name, b"\""].concat();
            let name = serde_json::from_slice(&quoted).ok().filter(|name: &String| !name.is_empty());
            *self.0 = name.map_or(Named::NotYet, Named::Model);
        }
    }
}

/// Looks for the name in a piece of a form; says also how much of the piece need not be seen again.
fn in_form(piece: &[u8], delimiter: &[u8], steps: &mut u64) -> (usize, Named) {
    let mut rest = piece;
    while let Some(at) = next_part(rest, delimiter, steps) {
        let undecided = (piece.len().saturating_sub(rest.len()).saturating_add(at), Named::NotYet);
        rest = rest.get(at.saturating_add(delimiter.len())..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return (piece.len(), Named::Nothing);
        }
        let Some(end) = memchr::memmem::find(rest, b"\r\n\r\n") else {
            if rest.len() < HEAD_BYTES {
                return undecided;
            }
            // Only a head that begins near the end may end in what follows.
            rest = rest.get(rest.len().saturating_sub(HEAD_BYTES)..).unwrap_or_default();
            continue;
        };
        let (head, content) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let content = content.get(4..).unwrap_or_default();
        *steps = steps.saturating_add(u64::try_from(head.len()).unwrap_or(u64::MAX));
        if is_model(head) {
            let end = memchr::memmem::find(content, b"\r\n").or((content.len() > NAME_BYTES).then_some(NAME_BYTES));
            let Some(end) = end else { return undecided };
            let name = content.get(..end.min(NAME_BYTES)).and_then(|name| str::from_utf8(name).ok()).map(str::trim);
            let name = name.filter(|name| !name.is_empty()).map(ToOwned::to_owned);
            return (piece.len(), name.map_or(Named::Nothing, Named::Model));
        }
        rest = content;
    }
    // The beginning of a delimiter may stand at the end.
    let kept = rest.len().min(delimiter.len().saturating_sub(1));
    (piece.len().saturating_sub(kept), Named::NotYet)
}

/// The position of the next delimiter.
fn next_part(bytes: &[u8], delimiter: &[u8], steps: &mut u64) -> Option<usize> {
    let first = delimiter.first().copied().unwrap_or_default();
    memchr::memchr_iter(first, bytes).find(|at| {
        *steps = steps.saturating_add(1);
        bytes.get(*at..).is_some_and(|bytes| bytes.starts_with(delimiter))
    })
}

/// Returns `true` if a part's head is that of the field `model`.
fn is_model(head: &[u8]) -> bool {
    let Ok(head) = str::from_utf8(head) else { return false };
    head.lines().any(|line| {
        let Some((name, value)) = line.split_once(':') else { return false };
        name.trim().eq_ignore_ascii_case("content-disposition")
            && value.split(';').any(|parameter| {
                let parameter = parameter.split_once('=');
                parameter
                    .is_some_and(|(name, value)| name.trim() == "name" && value.trim().trim_matches('"') == "model")
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(boundary: &str) -> NamingBody {
        NamingBody::of(&format!("Multipart/Form-Data; charset=utf-8; boundary={boundary}")).unwrap()
    }

    /// The name in a body that comes in pieces, each of which begins with what was left of the one
    /// before.
    fn named(format: &NamingBody, body: &str, size: usize) -> Named {
        let mut reader = NameReader::new(format.clone());
        let (mut read, mut given) = (0, 0);
        while given < body.len() {
            given = body.len().min(given + size);
            read += reader.feed(&body.as_bytes()[read..given]);
        }
        reader.named().clone()
    }

    const FILE: &str =
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nname=\"model\"\r\n";
    const MODEL: &str = "--x\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nasr\r\n";

    #[test]
    fn a_form_names_its_model_wherever_the_field_stands() {
        for (body, named) in [
            (format!("{MODEL}{FILE}--x--\r\n"), Named::Model("asr".to_owned())),
            (format!("{FILE}{MODEL}--x--\r\n"), Named::Model("asr".to_owned())),
            (format!("preamble\r\n{MODEL}"), Named::Model("asr".to_owned())),
            (MODEL.replace("\"model\"", "model"), Named::Model("asr".to_owned())),
            (format!("{FILE}--x--\r\n"), Named::Nothing),
            (MODEL.replace("asr", " "), Named::Nothing),
            (FILE.to_owned(), Named::NotYet),
            (MODEL.strip_suffix("\r\n").unwrap().to_owned(), Named::NotYet),
            (String::new(), Named::NotYet),
        ] {
            for boundary in ["x", "\"x\""] {
                for size in [1, 2, 10, 50, 1_000] {
                    assert_eq!(self::named(&form(boundary), &body, size), named, "{body:?} in pieces of {size}");
                }
            }
        }
    }

    #[test]
    fn a_head_without_end_is_none_and_hides_no_other() {
        let body = format!("--x\r\n{}{MODEL}", "a: b\r\n".repeat(2_000));
        for size in [1_000, 100_000] {
            assert_eq!(named(&form("x"), &body, size), Named::Model("asr".to_owned()), "in pieces of {size}");
        }
    }

    #[test]
    fn a_document_names_its_model_at_its_top_alone() {
        for (body, named) in [
            (r#"{"input":"abc","model":"org\/tts"}"#, Named::Model("org/tts".to_owned())),
            (r#"{"model":"tts","input":"ab"#, Named::Model("tts".to_owned())),
            (r#"{"input":{"model":"no"},"messages":[{"model":"no"}]}"#, Named::Nothing),
            (r#"{"model":null}"#, Named::Nothing),
            (r#"["model"]"#, Named::Nothing),
            (r#"{"input":"ab"#, Named::NotYet),
            (r#"{"model":"t"#, Named::NotYet),
        ] {
            for size in [1, 2, 10, 1_000] {
                assert_eq!(self::named(&NamingBody::Json, body, size), named, "{body} in pieces of {size}");
            }
        }
    }

    #[test]
    fn other_bodies_name_none() {
        for kind in [
            "",
            "audio/wav",
            "text/plain",
            "multipart/form-data",
            &format!("multipart/form-data; boundary={}", "x".repeat(201)),
            "multipart/form-data; boundary=",
            "multipart/mixed; boundary=x",
        ] {
            assert_eq!(NamingBody::of(kind), None, "{kind}");
        }
    }
}
