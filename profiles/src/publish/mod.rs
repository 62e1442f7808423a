//! Profiles to where the filter, or AIBrix, reads them.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::tls::http_client;

/// A profile and whose it is.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `namespace/name`.
    pub deployment: String,
    /// The model, if the profile is of one alone.
    pub model: Option<String>,
    /// The profile's own text.
    pub profile: Value,
}

/// The entries of a file: one profile with its own `deployment` and `model`, or a document of several.
///
/// # Errors
///
/// What is no such file, and what the filter would refuse, by all that is wrong with it.
pub fn entries(text: &[u8]) -> Result<Vec<Entry>> {
    let errors: Vec<_> = crate::check::check(text).into_iter().filter(|finding| finding.is_error).collect();
    if !errors.is_empty() {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        bail!("the filter would refuse it:\n{}", errors.join("\n"));
    }
    let document: Value = serde_json::from_slice(&slo_router::scheduling::profile::without_nan(text))?;
    let named = |entry: &Value, profile: &Value| {
        let text = |name: &str| entry[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let deployment = text("deployment").or(profile["gpu"].as_str().map(|name| format!("default/{name}")));
        let deployment = deployment.context("neither `deployment` nor `gpu` names it")?;
        let deployment = if deployment.contains('/') { deployment } else { format!("default/{deployment}") };
        Ok(Entry { deployment, model: text("model"), profile: profile.clone() })
    };
    match document.get("profiles").and_then(Value::as_array) {
        Some(entries) => entries.iter().map(|entry| named(entry, &entry["profile"])).collect(),
        None => Ok(vec![named(&document, &document)?]),
    }
}

/// The document that the filter polls: a file, the body of a PUT.
pub fn document(entries: &[Entry]) -> String {
    let entry = |entry: &Entry| {
        let mut fields = json!({"deployment": entry.deployment, "profile": entry.profile});
        if let Some(model) = &entry.model {
            fields["model"] = json!(model);
        }
        fields.to_string()
    };
    format!("{{\"profiles\": [\n{}\n]}}\n", entries.iter().map(entry).collect::<Vec<_>>().join(",\n"))
}

/// The same as a Kubernetes ConfigMap with the document under `profiles.json`: what the filter reads as
/// `profiles.config_map`.
pub fn config_map(entries: &[Entry], name: &str, namespace: &str) -> String {
    let text = document(entries);
    let lines: Vec<_> = text.lines().map(|line| format!("    {line}")).collect();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {namespace}\ndata:\n  profiles.json: |\n{}\n",
        lines.join("\n")
    )
}

/// AIBrix's key for a profile.
///
/// # Errors
///
/// A profile without a model: the key has to name it.
pub fn redis_key(entry: &Entry) -> Result<String> {
    let model = entry.model.as_ref().context("AIBrix's key names the model: give --model")?;
    let name = entry.deployment.rsplit('/').next().unwrap_or(&entry.deployment);
    Ok(format!("aibrix:profile_{model}_{name}"))
}

/// Writes each profile under AIBrix's key; the keys.
///
/// # Errors
///
/// What the server says, and profiles without a model.
pub fn to_redis(entries: &[Entry], url: &str) -> Result<Vec<String>> {
    let mut connection = redis::Client::open(url)
        .and_then(|client| client.get_connection_with_timeout(std::time::Duration::from_secs(5)))
        .with_context(|| format!("cannot reach {url}"))?;
    let write = |entry: &Entry| {
        let key = redis_key(entry)?;
        redis::cmd("SET").arg(&key).arg(entry.profile.to_string()).exec(&mut connection)?;
        Ok(key)
    };
    entries.iter().map(write).collect()
}

/// Puts the document at a URL.
///
/// # Errors
///
/// What the server says, if it is not a success.
pub async fn to_url(entries: &[Entry], url: &str, token: Option<&str>) -> Result<()> {
    let mut request = http_client()
        .build()?
        .put(url)
        .header(reqwest::header::CONTENT_TYPE, "application/json")
        .body(document(entries));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.with_context(|| format!("cannot reach {url}"))?;
    let status = response.status();
    if !status.is_success() {
        bail!("{url} answers {status}: {}", response.text().await.unwrap_or_default());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
