//! The name of a deployment.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The namespace of a name that has none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Pods of one GPU type and one server setup: `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct DeploymentName(String);

/// Error of a text that names no deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDeploymentName(String);

// === impl DeploymentName ===

impl DeploymentName {
    /// `namespace/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeploymentName {
    type Err = InvalidDeploymentName;

    /// `namespace/name`, or a bare name in the namespace `default`.
    fn from_str(text: &str) -> Result<Self, InvalidDeploymentName> {
        let (namespace, name) = text.split_once('/').unwrap_or((DEFAULT_NAMESPACE, text));
        if is_part(namespace, 63) && is_part(name, 253) {
            Ok(Self(format!("{namespace}/{name}")))
        } else {
            Err(InvalidDeploymentName(text.to_owned()))
        }
    }
}

impl TryFrom<String> for DeploymentName {
    type Error = InvalidDeploymentName;

    fn try_from(text: String) -> Result<Self, InvalidDeploymentName> {
        text.parse()
    }
}

impl fmt::Display for DeploymentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Wider than Kubernetes' rule for names: AIBrix's profiles may say `A10G`.
fn is_part(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

// === impl InvalidDeploymentName ===

impl fmt::Display for InvalidDeploymentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid value: string {:?}, expected a deployment as \"namespace/name\" or \"name\", of letters, digits, \
             -, . and _",
            self.0
        )
    }
}

impl Error for InvalidDeploymentName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_lies_in_the_default_namespace() {
        let bare: DeploymentName = "llama-a10".parse().unwrap();
        assert_eq!(Ok(&bare), "default/llama-a10".parse().as_ref());
        assert_eq!(bare.to_string(), "default/llama-a10");
    }

    #[test]
    fn a_namespace_is_kept() {
        let name: DeploymentName = "prod/A10G".parse().unwrap();
        assert_eq!(name.as_str(), "prod/A10G");
    }

    #[test]
    fn what_names_no_deployment_is_refused() {
        for text in ["", "/", "a/", "/a", "a/b/c", "a b", "ä", &"a".repeat(254)] {
            assert_eq!(text.parse::<DeploymentName>(), Err(InvalidDeploymentName(text.to_owned())), "{text}");
        }
    }
}
