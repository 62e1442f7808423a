//! Pages of reference, made of the tables of what users rely on: fields of the configuration,
//! headers, refusals and metrics.

use std::fmt::Write as _;

use crate::config::fields::{ConfigField, FIELDS, OBJECTIVE, OBJECTIVES, SOURCE, SOURCES};
use crate::protocol::{REFUSAL_CASES, headers, slo_header_names};
use crate::session::host::MetricKind;
use crate::session::metrics::{FALLBACK_REASONS, LABELS, METRICS, POOL, SOURCE_ERROR_REASONS};

/// A page: the name of its file, and its text in Markdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferencePage {
    /// Name of the file.
    pub file: &'static str,
    /// Text.
    pub text: String,
}

const MADE: &str = "<!-- Made of the code's tables by `make reference`. -->\n\n";

/// Returns all pages.
pub fn pages() -> [ReferencePage; 3] {
    [
        ReferencePage { file: "configuration.md", text: configuration() },
        ReferencePage { file: "http.md", text: http() },
        ReferencePage { file: "metrics.md", text: metrics() },
    ]
}

fn configuration() -> String {
    let mut page = format!(
        "# Configuration\n\n{MADE}\
         The filter's configuration is JSON in a `google.protobuf.StringValue`. It is strict: an unknown or ill-typed field stops \
         Envoy's start (or the update) with the field's path, its value and what is allowed. `slo-router check FILE` says the same \
         without Envoy (`cargo run --bin slo-router -- check FILE`).\n\n\
         Durations are strings (`\"50ms\"`, `\"10s\"`). In paths `[]` stands for each element of a list and `NAME` for any key; \
         an empty default means that the field is absent unless it is written.\n\n"
    );
    let is_shared = |field: &&ConfigField| field.path.starts_with(SOURCE) || field.path.starts_with(OBJECTIVE);
    page += &fields(FIELDS.iter().filter(|field| !is_shared(field)), "");
    let _ = write!(
        page,
        "\n## Sources\n\n`{}` each have these too. One source of pods and one of profiles may be asked, beside what the \
         configuration holds; [the sources](../../envoy/README.md#sources) says what each asks for.\n\n",
        SOURCES.join("`, `")
    );
    page += &fields(FIELDS.iter().filter(|field| field.path.starts_with(SOURCE)), SOURCE);
    let _ = write!(
        page,
        "\n## Objectives\n\n`{}` hold an objective: one or more of these. All that are set must hold, counted from the arrival at \
         the gateway. The objective of a request is that of its [headers](http.md), else of its class, its model, the profile, \
         `slo.default`.\n\n",
        OBJECTIVES.join("`, `")
    );
    page += &fields(FIELDS.iter().filter(|field| field.path.starts_with(OBJECTIVE)), OBJECTIVE);
    page
}

/// A table of fields, without what stands before their names.
fn fields<'a>(fields: impl Iterator<Item = &'a ConfigField>, place: &str) -> String {
    let mut table = "| field | default | meaning |\n|---|---|---|\n".to_owned();
    for field in fields {
        let name = field.path.strip_prefix(place).unwrap_or(field.path).trim_start_matches('.');
        let default = if field.default.is_empty() { String::new() } else { code(field.default) };
        row(&mut table, &[&code(name), &default, field.meaning]);
    }
    table
}

fn http() -> String {
    let mut page = format!(
        "# HTTP\n\n{MADE}\
         ## Request headers\n\n| header | meaning |\n|---|---|\n"
    );
    for header in headers::OF_REQUESTS {
        row(&mut page, &[&code(header.name), header.meaning]);
    }
    row(&mut page, &["headers of `classes`", "The class."]);
    row(&mut page, &["`upstream.header`, `upstream.alternative_headers`", "Removed: only the filter names a pod."]);
    page += "\nThese state the objective, in milliseconds (`x-sgl-tps-slo`: tokens per second), where `slo.allow_headers` is not \
             `false`. Of those that set the same field the first one here counts.\n\n| header | field |\n|---|---|\n";
    for (header, field) in slo_header_names() {
        row(&mut page, &[&code(header), &code(field)]);
    }
    page += "\n## Response headers\n\n| header | meaning |\n|---|---|\n";
    for header in headers::OF_RESPONSES {
        row(&mut page, &[&code(header.name), header.meaning]);
    }
    let _ = write!(page, "\n`{}` after a fallback:\n\n| reason | meaning |\n|---|---|\n", headers::REASON);
    for (reason, meaning) in FALLBACK_REASONS {
        row(&mut page, &[&code(reason), meaning]);
    }
    let _ = write!(
        page,
        "\n## Refusals\n\nRefusals are JSON errors in OpenAI's shape; `code` and `{}` are the same word. On `/v1/messages` they have \
         Anthropic's shape, and the word is in the header alone. A 429 has a `Retry-After`, computed from the load ahead and spread at \
         random.\n\n| status | code | meaning |\n|---|---|---|\n",
        headers::REASON
    );
    for case in REFUSAL_CASES {
        row(&mut page, &[&case.status.to_string(), &code(case.code), case.meaning]);
    }
    page
}

fn metrics() -> String {
    let mut page = format!(
        "# Metrics\n\n{MADE}\
         All begin with `slo_router.` (Prometheus: `slo_router_`) and have the label `{POOL}`; labels need the `stats_tags` of the \
         shipped configurations. They are told with the filter's next tick, at most a quarter of a second later; a worker's VM that \
         crashes takes what it had not told along. Those of deployments are there where `slo-attainment` may be asked for.\n\n\
         | metric | kind | labels | meaning |\n|---|---|---|---|\n"
    );
    for metric in METRICS {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| code(label)).collect();
        row(&mut page, &[&code(metric.name), kind, &labels.join(", "), metric.meaning]);
    }
    page += "\n| label | values | meaning |\n|---|---|---|\n";
    for label in LABELS {
        row(&mut page, &[&code(label.name), &codes(label.values), label.meaning]);
    }
    let refused: Vec<&str> = REFUSAL_CASES.iter().map(|case| case.code).collect();
    let fallback: Vec<&str> = FALLBACK_REASONS.iter().map(|(reason, _)| *reason).collect();
    for (metric, reasons) in [
        ("refused_total", refused.as_slice()),
        ("fallback_total", fallback.as_slice()),
        ("source_errors_total", SOURCE_ERROR_REASONS),
    ] {
        row(&mut page, &[&format!("`reason` of `{metric}`"), &codes(reasons), "See [HTTP](http.md) and the log."]);
    }
    page
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn codes(words: &[&str]) -> String {
    words.iter().map(|word| code(word)).collect::<Vec<_>>().join(", ")
}

fn row(table: &mut String, cells: &[&str]) {
    let _ = writeln!(table, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_pages_are_those_of_the_code() {
        let committed = [
            include_str!("../docs/reference/configuration.md"),
            include_str!("../docs/reference/http.md"),
            include_str!("../docs/reference/metrics.md"),
        ];
        for (ReferencePage { file, text }, committed) in pages().into_iter().zip(committed) {
            assert!(committed == text, "docs/reference/{file} is not what the code says: run `make reference`");
        }
    }

    #[test]
    fn the_pages_have_each_name_that_users_rely_on() {
        let [configuration, http, metrics] = pages().map(|page| page.text);
        assert!(FIELDS.iter().all(|field| configuration.contains(field.meaning)));
        assert!(METRICS.iter().all(|metric| metrics.contains(&code(metric.name))));
        assert!(REFUSAL_CASES.iter().all(|case| http.contains(&code(case.code)) && metrics.contains(case.code)));
        assert!(slo_header_names().all(|(header, _)| http.contains(&code(header))));
    }
}
