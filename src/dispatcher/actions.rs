//! Actions that the dispatcher asks of its caller, and ends of requests that it is notified of.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::scheduling::deployment::DeploymentName;
use crate::scheduling::latency_model::LatencyModels;
use crate::scheduling::load::Load;
use crate::scheduling::policies::PolicyName;
use crate::scheduling::pool::Pool;
use crate::scheduling::prefix::ExpectedCache;
use crate::scheduling::request::{RequestId, Unjudged};
use crate::scheduling::slo::{Outcome, Slo};

/// Action on a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send it to a pod.
    Forward(RequestId, Placement),
    /// Answer it.
    Refuse(RequestId, RefusalReason, RetryAfter),
}

/// Choice of a pod for a request, with its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// The pod.
    pub address: SocketAddr,
    /// The same as it was chosen, as a header names it.
    pub destination: Rc<str>,
    /// Other pods that could take it, the best first: for a retry.
    pub alternatives: Vec<SocketAddr>,
    /// The policy that chose it.
    pub policy: PolicyName,
    /// Set if no profile judged the request.
    pub unjudged: Option<Unjudged>,
    /// Time that it waited.
    pub waited: Duration,
    /// The objective that holds for it there.
    pub slo: Option<Slo>,
    /// Load that it puts on the pod.
    pub load: Load,
    /// `true` where it could not meet its objective any more when it was placed.
    pub late: bool,
    /// `true` where no deployment could ever have met its objective.
    pub infeasible: bool,
    /// `true` where its shape lies outside a profile's axes.
    pub clamped: bool,
    /// `true` where its objective is another than its profile was measured for.
    pub foreign_slo: bool,
    /// Expectation of pods' prefix caches, where that is learned.
    pub expected_cache: ExpectedCache,
}

/// Time after which to try again; `None` where waiting does not help.
pub type RetryAfter = Option<Duration>;

/// Reason why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// No pod serves its model.
    UnknownModel,
    /// There is no ready pod.
    NoReadyPod,
    /// No deployment can meet its objective, and the configuration rejects such requests.
    Infeasible,
    /// As many wait as may.
    QueueFull,
    /// It waited as long as it may.
    WaitedTooLong,
    /// It cannot meet its objective any more, and the configuration rejects such requests.
    Late,
}

/// End of a placed request.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// The pod answered; the outcome is what the client saw.
    Finished(Outcome),
    /// The pod answered that the request was wrong.
    Answered,
    /// The pod refused, reset before headers, answered 502 and above, or nothing of what was asked
    /// for.
    PodFailed,
    /// The pod answered 500, or told an error without any output: its failure, or the request's
    /// that it calls its own.
    Erred,
    /// The pod broke off, or told an error amid its output.
    BrokeOff,
    /// The pod has no room for so long.
    NoRoom(Duration),
    /// The pod has not got the model.
    ModelMissing,
    /// The client left without having had a byte, so long after the request went to the pod.
    Unanswered(Duration),
    /// It ended without showing anything of the pod, such as by the client leaving.
    Abandoned,
}

/// Survey of all VMs of a pool together, in this gateway.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// Requests that wait.
    pub waiting: u32,
    /// Requests that run.
    pub in_flight: u32,
    /// Pods.
    pub pods: usize,
    /// Pods that are out or probed.
    pub pods_failing: usize,
    /// Gateways that this one knows of, itself included; 0 while it does not know what the others
    /// do. `None` where it is configured to be alone.
    pub replicas: Option<u32>,
    /// Speeds of the deployments, those that are known.
    pub speeds: Vec<SurveyedSpeed>,
}

/// Speed of a deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct SurveyedSpeed {
    /// Name of the deployment.
    pub deployment: DeploymentName,
    /// Factor by which iterations take longer than its profile says.
    pub of_profile: f64,
    /// Factor by which they take longer on its slowest pod than on the others.
    pub slowest_pod: f64,
    /// Mean relative error of what is predicted.
    pub error: f64,
    /// `true` where placements go by it.
    pub is_relied_on: bool,
}

// === impl SurveyedSpeed ===

impl SurveyedSpeed {
    /// Returns the speeds of a pool's deployments, those that are known.
    pub(super) fn of_all(latency_models: &LatencyModels, pool: &Pool) -> Vec<Self> {
        let known = pool.deployments().iter().enumerate().filter_map(|(position, deployment)| {
            let latency_model = latency_models.of(deployment.id)?;
            let pods = pool.pods().iter().filter(|pod| pod.deployment == position);
            Some(Self {
                deployment: deployment.name.clone(),
                of_profile: latency_model.of_prior(),
                slowest_pod: pods.map(|pod| latency_model.factor_of(pod.id)).fold(0.0, f64::max),
                error: latency_model.error(),
                is_relied_on: latency_model.is_good(),
            })
        });
        known.collect()
    }
}

// === impl RefusalReason ===

impl RefusalReason {
    /// Returns `true` if the request may pass if it is sent again later.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::QueueFull | Self::WaitedTooLong | Self::Late)
    }
}
