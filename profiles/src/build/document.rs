//! A profile as text: AIBrix's fields, and ours beside them, which its readers ignore.

use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Map, Value, json};

use super::aibrix::AibrixProfile;
use super::{Built, Cell, Labels};
use crate::measurement::{Header, PERCENTILES, Point, Spread};

/// Decimals: a tenth of a millisecond, a ten-thousandth of a request per second.
const DECIMALS: f64 = 1e4;

/// A profile, field by field in the order in which it is read best.
#[derive(Clone, Debug)]
pub struct ProfileText(Vec<(&'static str, Value)>);

// === impl ProfileText ===

impl ProfileText {
    /// By our rule, with everything that the points tell.
    pub fn new(built: &Built<'_>, header: &Header, labels: &Labels) -> Self {
        let matrix = |value: &dyn Fn(&Cell<'_>) -> Option<f64>| built.matrix(value);
        let spread = |of: fn(&Point) -> Option<Spread>, percent: Option<u8>| {
            built.matrix(&|cell| cell.figure(|point| of(point)?.at(percent)))
        };
        let percentiles = |of: &dyn Fn(Option<u8>) -> Value| {
            let known = PERCENTILES.iter().map(|percent| (percent.to_string(), of(Some(*percent))));
            Value::Object(known.filter(|(_, matrix)| has_numbers(matrix)).collect::<Map<_, _>>())
        };
        let name = header.deployment.rsplit('/').next().unwrap_or(&header.deployment);
        let mut fields = vec![
            ("gpu", json!(name)),
            ("cost", json!(labels.cost)),
            ("created", json!(labels.created_unix_s)),
            ("slos", built.objective.to_json()),
            ("indexes", json!([built.grid.output_tokens, built.grid.input_tokens])),
            ("tputs", matrix(&|cell| cell.rate_per_s)),
            ("e2e", matrix(&|cell| cell.e2e_s(None))),
            ("ttft", spread(Point::ttft_s, None)),
            ("tpot", spread(Point::tpot_s, None)),
            ("deployment", json!(header.deployment)),
            ("model", json!(header.model)),
            (
                "cells",
                json!(
                    built
                        .cells
                        .iter()
                        .map(|row| row.iter().map(|cell| cell.status.word()).collect())
                        .collect::<Vec<Vec<_>>>()
                ),
            ),
            ("token_tputs", matrix(&|cell| loaded(cell)?.figure(|point| point.output_tokens_per_s))),
            ("concurrency", matrix(&|cell| at_load(cell, None))),
            ("concurrency_p90", matrix(&|cell| at_load(cell, Some(90)))),
            ("deviation", matrix(&|cell| cell.deviation)),
            ("e2e_percentiles", percentiles(&|percent| matrix(&|cell| cell.e2e_s(percent)))),
            ("ttft_percentiles", percentiles(&|percent| spread(Point::ttft_s, percent))),
            ("tpot_percentiles", percentiles(&|percent| spread(Point::tpot_s, percent))),
            ("input_tokens", matrix(&|cell| cell.figure(|point| point.observed?.input_tokens))),
            ("output_tokens", matrix(&|cell| cell.figure(|point| Some(point.observed?.output_tokens)))),
            ("requests", matrix(&|cell| Some(f64::from(cell.requests())))),
            ("source", json!(header.source)),
        ];
        fields.retain(|(name, value)| MANDATORY.contains(name) || has_content(value));
        Self(fields)
    }

    /// By AIBrix's rule, with its fields alone, in its order.
    pub fn aibrix(profile: &AibrixProfile, deployment: &str, labels: &Labels) -> Self {
        let mut fields = vec![
            ("gpu", json!(deployment)),
            ("cost", json!(labels.cost)),
            ("tputs", json!(profile.rates_per_s)),
            ("indexes", json!([profile.grid.output_tokens, profile.grid.input_tokens])),
            ("created", json!(labels.created_unix_s)),
            ("e2e", json!(profile.e2e_s)),
        ];
        fields.extend(profile.ttft_s.as_ref().map(|ttft_s| ("ttft", json!(ttft_s))));
        fields.push(("slos", profile.slos.clone()));
        Self(fields)
    }

    /// Laid out to be read: a matrix row a line.
    pub fn to_text(&self) -> String {
        let fields: Vec<_> = self.0.iter().map(|(name, value)| format!("  \"{name}\": {}", laid_out(value))).collect();
        format!("{{\n{}\n}}\n", fields.join(",\n"))
    }

    /// On one line, byte for byte as Python's `json.dumps` writes it.
    pub fn to_python_line(&self) -> String {
        let fields: Vec<_> = self.0.iter().map(|(name, value)| format!("\"{name}\": {}", python_json(value))).collect();
        format!("{{{}}}", fields.join(", "))
    }
}

/// Fields that stand there even if empty: the filter or AIBrix reads them.
const MANDATORY: [&str; 7] = ["gpu", "cost", "created", "slos", "indexes", "tputs", "e2e"];

fn loaded<'a, 'b>(cell: &'b Cell<'a>) -> Option<&'b Cell<'a>> {
    cell.rate_per_s.is_some_and(|rate| rate > 0.0).then_some(cell)
}

/// At the load of the cell's rate; the mean by Little's law where the points do not tell.
fn at_load(cell: &Cell<'_>, percent: Option<u8>) -> Option<f64> {
    let measured = loaded(cell)?.figure(|point| point.concurrency.as_ref()?.at(percent));
    let by_littles_law = || Some(cell.rate_per_s? * cell.e2e_s(None)?);
    if percent.is_none() { measured.or_else(by_littles_law) } else { measured }
}

fn has_numbers(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(has_numbers),
        value => value.is_number(),
    }
}

fn has_content(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(has_content),
        Value::Object(fields) => !fields.is_empty(),
        Value::String(text) => !text.is_empty(),
        value => !value.is_null(),
    }
}

// === impl Built ===

impl Built<'_> {
    fn matrix(&self, value: &dyn Fn(&Cell<'_>) -> Option<f64>) -> Value {
        let rounded = |cell: &Cell<'_>| value(cell).map(|value| (value * DECIMALS).round() / DECIMALS);
        json!(self.cells.iter().map(|row| row.iter().map(rounded).collect()).collect::<Vec<Vec<Option<f64>>>>())
    }
}

fn laid_out(value: &Value) -> String {
    match value {
        Value::Array(rows) if rows.iter().any(Value::is_array) => {
            let rows: Vec<_> = rows.iter().map(|row| format!("    {row}")).collect();
            format!("[\n{}\n  ]", rows.join(",\n"))
        }
        Value::Object(fields) if fields.values().any(Value::is_array) => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("    \"{name}\": {value}")).collect();
            format!("{{\n{}\n  }}", fields.join(",\n"))
        }
        value => value.to_string(),
    }
}

/// JSON with a space behind each comma and colon, as Python writes it by default.
pub fn python_json(value: &Value) -> String {
    struct Spaced;
    impl Formatter for Spaced {
        fn begin_array_value<W: ?Sized + std::io::Write>(
            &mut self,
            writer: &mut W,
            first: bool,
        ) -> std::io::Result<()> {
            if first { Ok(()) } else { writer.write_all(b", ") }
        }
        fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
            if first { Ok(()) } else { writer.write_all(b", ") }
        }
        fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
            writer.write_all(b": ")
        }
    }
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Spaced);
    // Values have no way to fail, and what is written of them is UTF-8.
    let _ = value.serialize(&mut serializer);
    String::from_utf8(text).unwrap_or_default()
}
