//! Names of deployments.

use std::fmt;
use std::str::FromStr;

/// `namespace/name` of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentName {
    namespace: String,
    name: String,
}

/// A text that names no deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDeploymentName(String);

// === impl DeploymentName ===

impl DeploymentName {
    /// The namespace of a name that has none.
    pub const DEFAULT_NAMESPACE: &'static str = "default";
}

impl FromStr for DeploymentName {
    type Err = InvalidDeploymentName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (namespace, name) = text.split_once('/').unwrap_or((Self::DEFAULT_NAMESPACE, text));
        if namespace.is_empty() || name.is_empty() || name.contains('/') {
            return Err(InvalidDeploymentName(text.to_owned()));
        }
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

impl fmt::Display for DeploymentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for InvalidDeploymentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not the name of a deployment; expected `namespace/name` or `name`", self.0)
    }
}

impl std::error::Error for InvalidDeploymentName {}
