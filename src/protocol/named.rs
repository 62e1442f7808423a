//! The model that a request names which is not scheduled: in a form, or anywhere at the top of a JSON document.

use super::scan::{Key, Scanner, Sink, Value};

/// The longest name that is read.
const NAME_BYTES: usize = 256;

/// How a body that names a model is written.
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

/// What was found of a name so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// It.
    Model(String),
    /// Nothing yet; more of the body may tell.
    NotYet,
    /// There is none.
    Nothing,
}

// === impl NamingBody ===

impl NamingBody {
    /// By a request's `content-type`; `None` for what names no model.
    pub fn of(content_type: &str) -> Option<Self> {
        let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        let kind = kind.trim();
        if kind.eq_ignore_ascii_case("application/json") {
            return Some(Self::Json);
        }
        if !kind.eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
        })?;
        (!boundary.is_empty()).then(|| Self::Form { delimiter: format!("--{boundary}").into_bytes() })
    }

    /// The model, by as much of the body as there is.
    pub fn model(&self, body: &[u8]) -> Named {
        match self {
            Self::Json => in_json(body),
            Self::Form { delimiter } => in_form(body, delimiter),
        }
    }
}

fn in_json(body: &[u8]) -> Named {
    #[derive(Default)]
    struct Model(Option<String>);
    impl Sink for Model {
        fn open(&mut self, path: &[Key], is_object: bool) -> bool {
            path.is_empty() && is_object
        }
        fn scalar(&mut self, path: &[Key], value: Value<'_>) {
            if let ([Key::Model], Value::Text(name)) = (path, value) {
                let quoted = [b"\"", name, b"\""].concat();
                self.0 = serde_json::from_slice(&quoted).ok().filter(|name: &String| !name.is_empty());
            }
        }
    }
    let (mut scanner, mut model) = (Scanner::default(), Model::default());
    scanner.feed(body, &mut model);
    match model.0 {
        Some(name) => Named::Model(name),
        None if scanner.has_ended() => Named::Nothing,
        None => Named::NotYet,
    }
}

fn in_form(body: &[u8], delimiter: &[u8]) -> Named {
    let parts = memchr::memmem::Finder::new(delimiter);
    let mut rest = body;
    while let Some(at) = parts.find(rest) {
        rest = rest.get(at.saturating_add(delimiter.len())..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Named::Nothing;
        }
        let Some(end) = memchr::memmem::find(rest, b"\r\n\r\n") else { return Named::NotYet };
        let (head, content) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let content = content.get(4..).unwrap_or_default();
        if is_model(head) {
            let Some(end) = memchr::memmem::find(content, b"\r\n") else { return Named::NotYet };
            let name = content.get(..end.min(NAME_BYTES)).and_then(|name| str::from_utf8(name).ok()).map(str::trim);
            return name.filter(|name| !name.is_empty()).map_or(Named::Nothing, |name| Named::Model(name.to_owned()));
        }
        rest = content;
    }
    Named::NotYet
}

/// Whether a part's head is that of the field `model`.
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
                assert_eq!(form(boundary).model(body.as_bytes()), named, "{body:?}");
            }
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
            assert_eq!(NamingBody::Json.model(body.as_bytes()), named, "{body}");
        }
    }

    #[test]
    fn other_bodies_name_none() {
        for kind in [
            "",
            "audio/wav",
            "text/plain",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/mixed; boundary=x",
        ] {
            assert_eq!(NamingBody::of(kind), None, "{kind}");
        }
    }
}
